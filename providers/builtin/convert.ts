// Between a decided route and the services of the builtin zone. Reading back and promising use the same words, so drift is a plain comparison.
// Addresses are compared and sent in their canonical spelling. Ignores TTLs of what is served: the hash in the fence tells those.
// pure
import assert from 'node:assert/strict';
import { Fault } from '../../src/errors.ts';
import { addressOf } from '../addresses.ts';
import { formatFence, parseFence } from '../fence.ts';
import type { Change, ProviderService, ReadBack } from '../provider.ts';
import type { SwapRequest } from './wire.ts';
import type { ZonePool, ZoneService } from './zone.ts';

/** What was read of a service: the text to compare with; null: the service did not exist. */
interface Token {
  fenceText: string | null;
}

/** Shares are served exactly as asked. */
export const quantise = ({ pools }: ProviderService): Record<string, number> =>
  Object.fromEntries(pools.map(({ pool, share }) => [pool, share]));

/** In their order, which is the one they are answered in. */
const addressesOf = (answers: readonly string[]): string[] => answers.map(addressOf);

/** What the zone holds of a service. Throws Fault ERR_PROVIDER for a fence that nobody here wrote: who did is a question for a human. */
export const readBackOf = ({ service, pools }: ProviderService, served: ZoneService | undefined): ReadBack => {
  if (served === undefined) return { fence: null, shares: null, foreign: [], token: { fenceText: null } satisfies Token };
  const fence = parseFence(served.fence);
  if (fence === null) {
    throw new Fault(
      'ERR_PROVIDER',
      `builtin dns: ${service} carries the fence "${served.fence}", which Tidegate never writes; find out who did`,
    );
  }
  const configured = new Set(pools.flatMap(({ answers }) => addressesOf(answers)));
  const answered = served.pools.filter(({ share }) => share > 0).flatMap(({ answers }) => addressesOf(answers));
  return {
    fence,
    shares: Object.fromEntries(pools.map(({ pool, answers }) => [pool, shareOf(served.pools, pool, addressesOf(answers))])),
    foreign: [...new Set(answered.filter((address) => !configured.has(address)))],
    token: { fenceText: served.fence } satisfies Token,
  };
};

/** A pool's share counts only while it is served with all of the configured addresses. */
const shareOf = (served: readonly ZonePool[], pool: string, answers: readonly string[]): number => {
  const found = served.find((each) => each.pool === pool);
  const addresses = addressesOf(found?.answers ?? []);
  return found !== undefined && answers.every((answer) => addresses.includes(answer)) ? found.share : 0;
};

/** One batch as the control address takes it. Throws for an empty route. */
export const swapOf = (changes: readonly Change[]): SwapRequest => ({ changes: changes.map(changeOf) });

const changeOf = ({ desired, fence, previous }: Change): SwapRequest['changes'][number] => {
  const served = desired.pools.filter(({ share }) => share > 0);
  assert(served.length > 0, `${desired.service}: an empty route; no pool has a share`);
  for (const { pool, share, answers } of served) {
    assert(answers.length > 0, `${desired.service}: pool ${pool} has share ${share} and an empty list of answers`);
  }
  return {
    service: {
      name: desired.service,
      ttlS: desired.ttlS,
      pools: desired.pools.map(({ pool, share, answers }) => ({ pool, share, answers: addressesOf(answers) })),
      fence: formatFence(fence),
    },
    ifFence: (previous.token as Token).fenceText,
  };
};

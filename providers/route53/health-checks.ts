// Mode healthChecks: each pool has a switch, a health check that is always healthy until `Inverted` makes it never so; the records that carry it are the
// operator's own. Route 53 changes one check at a time, so there is no transaction over a service: its fence, a TXT record, is compared and set first, then each
// check is changed under its version, pools that come in before those that go out. A writer that stands between the two steps shows in the read-back (`marker`).
import assert from 'node:assert/strict';
import { ListHealthChecksCommand, UpdateHealthCheckCommand } from '@aws-sdk/client-route-53';
import { z } from 'zod';
import { Fault } from '../../src/errors.ts';
import { assertBatch, behindIn, servicesIn } from '../batch.ts';
import { fenceName } from '../fence.ts';
import type { Applied, Capabilities, Change, Owned, Provider, ProviderService, ReadBack } from '../provider.ts';
import { namesIn } from '../rounding.ts';
import { attempted, readBacksOf, unreadIn } from '../unread.ts';
import { type Account, type AwsContext, openAccount } from './account.ts';
import { CHECKED_ON, type HealthChecksConfig } from './config.ts';
import { fenceChanges, fenceReadBack } from './convert.ts';
import { outcomeOf } from './failure.ts';
import type { RecordSet } from './sets.ts';
import { onOffShares } from './switches.ts';
import { changeSets, reading, setsOf, settledChange, shaped, type Zone } from './zone.ts';

const can: Capabilities = {
  fencing: 'marker',
  weights: 'onOff',
  batchMax: 1,
  servesAnswers: false,
  ttlFloorS: 1,
  checkedOn: CHECKED_ON,
};

const checkShape = z.object({
  Id: z.string(),
  HealthCheckVersion: z.number().int(),
  HealthCheckConfig: z.object({
    Type: z.string(),
    Inverted: z.boolean().optional(),
    Disabled: z.boolean().optional(),
    HealthThreshold: z.number().optional(),
  }),
});
type Check = z.infer<typeof checkShape>;

const pageShape = z.object({ HealthChecks: z.array(checkShape), IsTruncated: z.boolean(), NextMarker: z.string().optional() });
const PAGE = 100;
/** Ten thousand checks: fifty times what an account may have unless AWS allows more. */
const PAGES_MAX = 100;

/** What was read of one pool's switch: in is not inverted. */
interface Switch {
  isIn: boolean;
  version: number;
}

interface Token {
  fence: RecordSet | null;
  switches: Readonly<Record<string, Switch>>;
}

export const openHealthChecks = (config: HealthChecksConfig, context: AwsContext): Provider => {
  const account = openAccount(config, context);
  const zone: Zone = { account, hostedZoneId: config.hostedZoneId };
  const idOf = ({ service }: ProviderService, pool: string): string => {
    const id = config.services[service]?.pools[pool]?.healthCheckId;
    assert(id !== undefined, `${service}: pool ${pool} has no health check; the configuration should not have let it pass`);
    return id;
  };
  return {
    can,
    quantise: (service) => onOffShares(service, namesIn(service)),
    async read(services, signal) {
      const sets = await setsOf(
        zone,
        services.map(({ service }) => fenceName(service)),
        signal,
      );
      const checks = await allChecks(account, signal);
      const attempts = services.map((service) =>
        attempted(service, async () =>
          readBackOf(service, fenceReadBack(service, sets.get(fenceName(service.service)) ?? []), idOf, checks),
        ),
      );
      return readBacksOf(await Promise.all(attempts), signal);
    },
    apply: (changes, signal) => applyOne(zone, idOf, changes, signal),
    settle: (receipt, signal) => settledChange(zone, receipt, signal),
    owns: (services) => services.flatMap((service) => ownedOf(service, idOf)),
    close: async () => account.close(),
  };
};

// ---- reading ----

type IdOf = (service: ProviderService, pool: string) => string;

/** All of the account: fewer requests than one for each of ours, and each page holds a hundred. */
const allChecks = async (account: Account, signal: AbortSignal): Promise<ReadonlyMap<string, Check>> => {
  const found = new Map<string, Check>();
  let Marker: string | undefined;
  for (let n = 0; n < PAGES_MAX; n++) {
    const request = { MaxItems: PAGE, ...(Marker === undefined ? {} : { Marker }) };
    const page = await reading(account, 'ListHealthChecks', signal, async () =>
      shaped(
        pageShape,
        'ListHealthChecks',
        await account.call('read', signal, (client, options) => client.send(new ListHealthChecksCommand(request), options)),
      ),
    );
    for (const check of page.HealthChecks) found.set(check.Id, check);
    if (!page.IsTruncated) return found;
    Marker = page.NextMarker;
  }
  throw new Fault('ERR_PROVIDER', `route53: ListHealthChecks gives more than ${PAGES_MAX} pages`);
};

const readBackOf = (
  service: ProviderService,
  fence: ReturnType<typeof fenceReadBack>,
  idOf: IdOf,
  checks: ReadonlyMap<string, Check>,
): ReadBack => {
  const switches = service.pools.map(({ pool }) => [pool, switchOf(idOf(service, pool), pool, checks)] as const);
  const inside = new Set(switches.filter(([, { isIn }]) => isIn).map(([pool]) => pool));
  const token: Token = { fence: fence.token, switches: Object.fromEntries(switches) };
  // Before the first write nothing here is ours, whatever the switches say.
  const shares = fence.fence === null || inside.size === 0 ? null : onOffShares(service, inside);
  return { fence: fence.fence, shares, foreign: fence.foreign, token };
};

/** Throws Fault ERR_PROVIDER for a check that is no switch: to invert one that watches an endpoint would call a dead pool healthy. */
const switchOf = (id: string, pool: string, checks: ReadonlyMap<string, Check>): Switch => {
  const check = checks.get(id);
  if (check === undefined)
    throw new Fault('ERR_PROVIDER', `route53: there is no health check ${id}; compare healthCheckId of pool ${pool}`);
  const { Type, Disabled, HealthThreshold, Inverted } = check.HealthCheckConfig;
  if (Disabled !== true && (Type !== 'CALCULATED' || HealthThreshold !== 0)) {
    throw new Fault(
      'ERR_PROVIDER',
      `route53: health check ${id} of pool ${pool} is of type ${Type} and judges something, expected a switch, since to invert it would call a dead pool healthy; use a calculated check with a health threshold of 0, or a disabled one`,
    );
  }
  return { isIn: Inverted !== true, version: check.HealthCheckVersion };
};

// ---- writing ----

const applyOne = async (zone: Zone, idOf: IdOf, changes: readonly Change[], signal: AbortSignal): Promise<Applied> => {
  assertBatch(changes);
  const inside = changes.map(({ desired }) => namesIn(desired));
  const behind = behindIn(changes);
  if (behind !== null) return behind;
  const [change] = changes;
  assert(change !== undefined && changes.length === 1, 'one service at a time, as `can` says');
  const token = change.previous.token as Token | null;
  const where = `route53: health checks of ${servicesIn(changes)}`;
  const unread = unreadIn(changes);
  if (unread !== null) return unread;
  if (token === null) return { outcome: 'undecided', because: `${where}: they have not been read` };
  const fences = fenceChanges(change, token.fence);
  const fenced: Applied =
    fences.length === 0 ? { outcome: 'applied' } : await changeSets(zone, where, fences, [change.desired.service], signal);
  if (fenced.outcome !== 'applied') return fenced;
  // Who comes in goes first: in between there is one pool too many, never one too few.
  const moves = change.desired.pools
    .map(({ pool }) => ({ pool, isIn: inside[0]!.has(pool), seen: token.switches[pool]! }))
    .filter(({ isIn, seen }) => isIn !== seen.isIn)
    .toSorted((a, b) => Number(b.isIn) - Number(a.isIn));
  for (const { pool, isIn, seen } of moves) {
    const failed = await flip(
      zone.account,
      `${where}: pool ${pool}`,
      { id: idOf(change.desired, pool), isIn, version: seen.version },
      signal,
    );
    if (failed !== null) return failed;
  }
  return fenced;
};

/** null: done. After the fence was set nothing is left to be undone, so every failure is read back, save those that a human must mend. */
const flip = async (
  account: Account,
  where: string,
  { id, isIn, version }: { id: string; isIn: boolean; version: number },
  signal: AbortSignal,
): Promise<Applied | null> => {
  try {
    const request = { HealthCheckId: id, HealthCheckVersion: version, Inverted: !isIn };
    await account.call('write', signal, (client, options) => client.send(new UpdateHealthCheckCommand(request), options));
    return null;
  } catch (error) {
    return outcomeOf(where, error, account.hidden(), []);
  }
};

const ownedOf = (service: ProviderService, idOf: IdOf): readonly Owned[] => [
  ...service.pools.map(
    ({ pool }): Owned => ({
      object: `health check ${idOf(service, pool)} of ${service.service} ${pool}`,
      fields: ['inverted'],
      terraform: { resource: 'aws_route53_health_check', ignoreChanges: ['invert_healthcheck'] },
    }),
  ),
  { object: `record ${fenceName(service.service)} TXT`, fields: ["the whole record, which is Tidegate's alone"] },
];

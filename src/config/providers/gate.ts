// An entry of kind `gate`.
import { z } from 'zod';
import type { CheckerKind, GateConfig } from '../../../providers/gate/index.ts';
import type { RegionConfig, ServiceConfig } from '../../model.ts';
import { duration, whole } from '../fields.ts';
import type { Path } from '../problem.ts';
import { list, plural, say } from '../words.ts';
import type { ProviderShape } from './shape.ts';

interface Checker {
  /** Why a survivor gate is not safe with it; null: it is. */
  unfit: string | null;
  /** Users follow its DNS answers, which resolvers keep. `choice`: it offers both. */
  dns: boolean | 'choice';
  /** The only intervals that it knows, ms. Absent: many. */
  intervals?: readonly number[];
}

const OWN_ONLY = "polls the pool's own address and no other, where a survivor gate would say nothing once its region is dead";

/** What the vendors' checkers can do; providers/gate/README.md has the settings and where this is written. */
const ABILITIES: Readonly<Record<CheckerKind, Checker>> = {
  route53: { unfit: null, dns: true, intervals: [10_000, 30_000] },
  ns1: { unfit: 'knows no inverted check, and lets no two of them agree: a gate that is dead would drain', dns: true },
  cloudflare: { unfit: OWN_ONLY, dns: 'choice' },
  gclb: { unfit: OWN_ONLY, dns: false },
  'traffic-manager': { unfit: OWN_ONLY, dns: true, intervals: [10_000, 30_000] },
  'front-door': { unfit: OWN_ONLY, dns: false },
  other: { unfit: null, dns: 'choice' },
};

/** With one, a single gate that lags behind or lies would drain a pool. */
const AGREE = { min: 2, max: 19, default: 2 } as const;

/** From the commit until a gate answers by it: at once by the watch, and by the next look when the watch is silent. */
const GATE_MS = 5000;

const checker = z
  .strictObject({
    kind: z.enum(Object.keys(ABILITIES) as [CheckerKind, ...CheckerKind[]]),
    interval: duration({ minMs: 1000, maxMs: 600_000 }),
    failures: whole(1, 20),
    agree: whole(AGREE.min, AGREE.max).optional(),
    proxied: z.boolean().optional(),
  })
  .transform(({ kind, interval, failures, agree = AGREE.default, proxied }, context): GateConfig['checker'] => {
    const { dns, intervals } = ABILITIES[kind];
    if (intervals !== undefined && !intervals.includes(interval)) {
      const message = `${intervals.map(say).join(' or ')}, since the checker ${kind} knows no other; write what is set there`;
      context.addIssue({ code: 'custom', path: ['interval'], message });
    }
    if (proxied !== undefined && dns !== 'choice') {
      const message = `nothing here, since users of ${kind} are ${dns ? 'always answered by DNS' : 'never answered by its DNS'}; remove it`;
      context.addIssue({ code: 'custom', path: ['proxied'], message });
    }
    return { kind, intervalMs: interval, failures, agree, proxied: proxied ?? dns === false };
  });

const fits = ({ form, checker: { kind } }: Pick<GateConfig, 'form' | 'checker'>, context: z.core.$RefinementCtx): void => {
  const { unfit } = ABILITIES[kind];
  if (form === 'origin' || unfit === null) return;
  context.addIssue({ code: 'custom', path: ['form'], message: `origin, since the checker ${kind} ${unfit}; write origin` });
};

/** A pool that too few others could speak for. `regions` null: nobody knows them. */
const misfit = (
  { form, checker: { agree } }: GateConfig,
  { pools }: ServiceConfig,
  called: string,
  regions: readonly RegionConfig[] | null,
): { at: Path; message: string } | null => {
  if (form === 'origin' || regions === null) return null;
  for (const [p, { region }] of pools.entries()) {
    const others = regions.map(({ name }) => name).filter((name) => name !== region);
    if (others.length >= agree) continue;
    const message = `found ${plural(others.length, 'region')} beside ${region}${others.length === 0 ? '' : ` (${list(others)})`}, expected at least ${agree}, since provider "${called}" wants the gates of ${agree} others to agree; add a region, if only a witness, or lower checker.agree`;
    return { at: ['pools', p], message };
  }
  return null;
};

export const gate: ProviderShape<GateConfig> = {
  schema: z
    .strictObject({ kind: z.literal('gate'), form: z.enum(['survivor', 'origin']), checker })
    .superRefine(fits) as z.ZodType<GateConfig>,
  misfit,
  arrival: ({ checker: { intervalMs, failures, proxied } }) => ({
    visibleMs: GATE_MS + failures * intervalMs,
    what: `the gates' next look (${say(GATE_MS)}) and ${plural(failures, 'poll')} of the checker, one per ${say(intervalMs)}`,
    ttl: !proxied,
  }),
  objects: (_entry, service) => [`the gate record of ${service}`],
};

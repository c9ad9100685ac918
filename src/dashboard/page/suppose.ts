// What may be supposed, as a form holds it and as the API takes it. Pure.
import type { Operations } from '../../client/schema.ts';

export type Hypothesis = Operations['simulate']['body']['hypotheses'][number];
type Order = Extract<Hypothesis, { kind: 'override' }>['override'];
export type OrderKind = Order['kind'];

/** All fields at once; the kind says which of them count. */
export interface Draft {
  kind: Hypothesis['kind'];
  region: string;
  service: string;
  pool: string;
  /** Of an order. */
  order: OrderKind;
  covers: 'region' | 'service' | 'pool' | 'everything';
  weights: Readonly<Record<string, string>>;
  ttl: string;
  /** Of an order that ends. */
  id: string;
}

export const KINDS: readonly (readonly [Hypothesis['kind'], string])[] = [
  ['region-down', 'a region dies'],
  ['pool-down', 'a pool dies'],
  ['vantage-cut', 'a vantage falls silent'],
  ['override', 'an order is given'],
  ['override-gone', 'an order ends'],
];

/** What an order can cover, the usual first. */
export const COVERS: Readonly<Record<OrderKind, readonly Draft['covers'][]>> = {
  drain: ['region', 'pool'],
  'force-in': ['region', 'pool'],
  pin: ['service'],
  freeze: ['everything', 'region', 'service', 'pool'],
  evacuate: ['region'],
  stop: ['everything', 'region', 'service', 'pool'],
};

export const freshDraft = (region: string, service: string): Draft => ({
  kind: 'region-down',
  region,
  service,
  pool: '',
  order: 'drain',
  covers: 'region',
  weights: {},
  ttl: '4h',
  id: '',
});

export const withOrder = (draft: Draft, order: OrderKind): Draft => ({
  ...draft,
  order,
  covers: COVERS[order].includes(draft.covers) ? draft.covers : (COVERS[order][0] ?? 'everything'),
});

const scopeOf = ({ covers, region, service, pool }: Draft): Order['scope'] =>
  covers === 'region' ? { region } : covers === 'service' ? { service } : covers === 'pool' ? { service, pool } : {};

/** A share in per cent, as people write it, in thousandths; what is no number is 0. */
const thousandths = (text: string): number => {
  const value = Math.round(10 * Number(text.replace(',', '.')));
  return Number.isFinite(value) ? value : 0;
};

export const weightsOf = ({ weights }: Draft): Readonly<Record<string, number>> =>
  Object.fromEntries(Object.entries(weights).map(([pool, text]) => [pool, thousandths(text)]));

export const hypothesisOf = (draft: Draft): Hypothesis => {
  const { kind, region, service, pool, order, ttl, id } = draft;
  if (kind === 'region-down' || kind === 'vantage-cut') return { kind, region };
  if (kind === 'pool-down') return { kind, service, pool };
  if (kind === 'override-gone') return { kind, id };
  return {
    kind,
    override: {
      kind: order,
      scope: scopeOf(draft),
      ...(order === 'pin' ? { weights: weightsOf(draft) } : {}),
      ...(ttl.trim() === '' ? {} : { ttl: ttl.trim() }),
    },
  };
};

export const sentenceOf = (hypothesis: Hypothesis): string => {
  switch (hypothesis.kind) {
    case 'region-down':
      return `${hypothesis.region} dies`;
    case 'pool-down':
      return `${hypothesis.service}/${hypothesis.pool} dies`;
    case 'vantage-cut':
      return `the vantage ${hypothesis.region} falls silent`;
    case 'override-gone':
      return `the order ${hypothesis.id} ends`;
    case 'override': {
      const { kind, scope } = hypothesis.override;
      return `${kind} ${[scope.region, scope.service, scope.pool].filter((name) => name !== undefined).join('/') || 'everything'} is ordered`;
    }
  }
};

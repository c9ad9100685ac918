// What must hold before any drill begins, and what it is measured against while it goes on: is everything calm? Judges status documents and nothing else. Pure.
import type { StatusDocument } from '../client/types.ts';
import { speaks } from '../client/voice.ts';
import { list } from '../config/words.ts';

export interface Guard {
  name: string;
  ok: boolean;
  because: string;
}

export type Service = StatusDocument['services'][number];

export const guard = (name: string, wrong: readonly string[], well: string): Guard => ({
  name,
  ok: wrong.length === 0,
  because: wrong.length === 0 ? well : list(wrong, 3),
});

export const isOpen = ({ closedAtMs }: StatusDocument['incidents'][number]): boolean => closedAtMs === null;

/** Who does not speak. `but`: a region whose silence is looked for. */
export const silent = ({ self, votes }: StatusDocument, but: string | null = null): readonly string[] => [
  ...votes.vantages.filter((vantage) => !speaks(vantage) && vantage.region !== but).map(({ region, replica }) => `${region}/${replica}`),
  ...(self.canDecide || self.region === but ? [] : [self.because]),
];

export const poolsNotUp = ({ services }: StatusDocument, but: string | null): readonly string[] =>
  services.flatMap((service) =>
    service.pools
      .filter((pool) => pool.region !== but && pool.verdict !== 'up')
      .map((pool) => `${service.name}/${pool.name} ${pool.verdict}`),
  );

/** `but`: a provider whose failure is looked for. */
export const badPaths = ({ services, providers = [] }: StatusDocument, but: string | null = null): readonly string[] => [
  ...providers.filter(({ failing, name }) => failing && name !== but).map(({ name }) => `${name} takes no writes`),
  ...services.flatMap(({ name, mode, applied, paths }) =>
    mode === 'auto' && applied !== null && applied.outcome !== 'applied' && !paths.some(({ provider }) => provider === but)
      ? [`${name}: ${applied.outcome}`]
      : [],
  ),
];

/** Guards that every drill has. */
export const calmGuards = (status: StatusDocument): readonly Guard[] => [
  guard('quorum full', silent(status), `${status.votes.vantages.length} replicas speak and could decide`),
  guard('nothing degraded', poolsNotUp(status, null), 'every pool is up'),
  guard(
    'no incident',
    status.incidents.filter(isOpen).map(({ id }) => `${id} is open`),
    'none is open',
  ),
  guard(
    'no order',
    status.overrides.items.filter(({ leftMs }) => leftMs > 0).map(({ id, kind }) => `${kind} ${id} stands`),
    'no order stands or is to come',
  ),
  guard(
    'nothing held',
    status.holds.map(({ service, pool, hold }) => `${service}/${pool}: ${hold}`),
    'automation holds nothing',
  ),
  guard('paths work', badPaths(status), 'what was decided is written'),
];

export const watchedGuard = (onCall: string | null): Guard =>
  guard('somebody watches', onCall === null ? ['say who is on call: --on-call NAME'] : [], onCall ?? '');

// Is this still the store we knew? A pure state machine over the position that every reply carries. A reply from another cluster, or from a point of
// history before one that was known when the request left, means that the store was replaced or restored: frozen until a human adopts it.
// Ignores what cannot be known: a store restored while nobody who remembered it was running.
import type { Adopted } from '../model.ts';

/** Where a reply stands in the history of one cluster. */
export interface Position {
  clusterId: string;
  rev: number;
}

type AdoptedMark = Pick<Adopted, 'nonce' | 'atMs'>;

/** What is known as a request leaves; handed back with its reply, since replies overtake each other. */
export interface Before {
  readonly era: number;
  readonly known: Position | null;
}

/**
 * `ok`: the reply counts. `frozen`: it does not, and nothing will until an adoption. `adopted`: it counts, and whatever was remembered of the store is
 * void. `late`: it was asked for before an adoption, of a store that is no more.
 */
export type Judgement = 'ok' | 'frozen' | 'adopted' | 'late';

export interface Identity {
  /** Empty until the first reply. */
  clusterId(): string;
  /** Why nothing of this store is believed; null while all is well. */
  frozen(): string | null;
  before(): Before;
  /** `adopted`: the record of that name as this reply shows it, null when it shows that there is none, undefined when it does not say. */
  learn(at: Position, before: Before, adopted: AdoptedMark | null | undefined): Judgement;
}

const show = ({ clusterId, rev }: Position): string => `cluster ${clusterId} at revision ${rev}`;

export const createIdentity = (): Identity => {
  let era = 0;
  let known: Position | null = null;
  /** The adoption last read while all was well; only a later one ends a freeze. */
  let mark: { adopted: AdoptedMark | null; rev: number } | null = null;
  let because: string | null = null;

  const isNew = (adopted: AdoptedMark | null | undefined): boolean =>
    adopted != null && adopted.nonce !== mark?.adopted?.nonce && adopted.atMs > (mark?.adopted?.atMs ?? Number.NEGATIVE_INFINITY);

  const freeze = (expected: string, at: Position): Judgement => {
    because = `expected ${expected}; this is ${show(at)}`;
    return 'frozen';
  };

  const adopt = (at: Position, adopted: AdoptedMark): Judgement => {
    era += 1;
    because = null;
    known = at;
    mark = { adopted, rev: at.rev };
    return 'adopted';
  };

  return {
    clusterId: () => known?.clusterId ?? '',
    frozen: () => because,
    before: () => ({ era, known }),
    learn(at, before, adopted) {
      if (before.era !== era) return 'late';
      if (because !== null) return adopted != null && isNew(adopted) ? adopt(at, adopted) : 'frozen';
      if (known !== null && at.clusterId !== known.clusterId) return freeze(`cluster ${known.clusterId}`, at);
      const least = before.known;
      if (least !== null && at.rev < least.rev) return freeze(`revision ${least.rev} or later`, at);
      known = { clusterId: at.clusterId, rev: Math.max(at.rev, known?.rev ?? 0) };
      if (adopted !== undefined && at.rev >= (mark?.rev ?? 0)) mark = { adopted, rev: at.rev };
      return 'ok';
    },
  };
};

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
  /** The adoption last read while all was well: it ends no freeze, and none of before does. */
  let mark: { adopted: AdoptedMark | null; rev: number } | null = null;
  /** What the store showed while frozen: an adoption that comes after it was made since, whatever the clock of the one who made it. */
  let shown: { at: Position; adopted: AdoptedMark | null } | null = null;
  let because: string | null = null;

  const isLater = (adopted: AdoptedMark, than: AdoptedMark | null | undefined): boolean =>
    adopted.nonce !== than?.nonce && adopted.atMs > (than?.atMs ?? Number.NEGATIVE_INFINITY);

  const isSince = (at: Position, adopted: AdoptedMark): boolean =>
    shown !== null && at.clusterId === shown.at.clusterId && at.rev > shown.at.rev && isLater(adopted, shown.adopted);

  const isNew = (at: Position, adopted: AdoptedMark): boolean =>
    isLater(adopted, mark?.adopted) || (isSince(at, adopted) && adopted.nonce !== mark?.adopted?.nonce);

  /** While frozen: looks for the adoption. A reply that was overtaken by a later one shows nothing new. */
  const whileFrozen = (at: Position, adopted: AdoptedMark | null): Judgement => {
    if (adopted !== null && isNew(at, adopted)) return adopt(at, adopted);
    if (shown === null || at.clusterId !== shown.at.clusterId) shown = { at, adopted };
    // The latest of all that it has shown: a copy that is put back once more may show an older one.
    else
      shown = {
        at: at.rev > shown.at.rev ? at : shown.at,
        adopted: adopted !== null && isLater(adopted, shown.adopted) ? adopted : shown.adopted,
      };
    return 'frozen';
  };

  const freeze = (expected: string, at: Position, adopted: AdoptedMark | null | undefined): Judgement => {
    because = `expected ${expected}; this is ${show(at)}`;
    shown = adopted === undefined ? null : { at, adopted };
    return 'frozen';
  };

  const adopt = (at: Position, adopted: AdoptedMark): Judgement => {
    era += 1;
    because = null;
    shown = null;
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
      if (because !== null) return adopted === undefined ? 'frozen' : whileFrozen(at, adopted);
      if (known !== null && at.clusterId !== known.clusterId) return freeze(`cluster ${known.clusterId}`, at, adopted);
      const least = before.known;
      if (least !== null && at.rev < least.rev) return freeze(`revision ${least.rev} or later`, at, adopted);
      known = { clusterId: at.clusterId, rev: Math.max(at.rev, known?.rev ?? 0) };
      if (adopted !== undefined && at.rev >= (mark?.rev ?? 0)) mark = { adopted, rev: at.rev };
      return 'ok';
    },
  };
};

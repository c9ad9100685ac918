// What both kinds of Temporal have in common for whoever moves namespaces: how one is looked at, asked to move, and followed. The cloud does it by named
// operations, one's own clusters by a change of the active one or by a workflow of the system; batch.ts knows none of that. Pure.
import { createHash } from 'node:crypto';
import type { NamespaceFacts } from '../facts.ts';

export interface Place extends NamespaceFacts {
  /** Why it stays where it is for the moment, whoever asks: something else is changing it. null: nothing is. */
  busy: string | null;
  /** Why it can never be moved as it is. null: it can. */
  fixed: string | null;
  /** Of one's own clusters: rises with every move. null: this kind of Temporal does not say. */
  version: number | null;
}

/** `silent`: for want of an answer, which its breaker counts. */
interface Unanswered {
  because: string;
  silent?: true;
}

/** `never`: asking again brings the same. `unknown`: no answer, or none that can be used. */
export type Look = { is: 'seen'; place: Place } | { is: 'never'; because: string } | ({ is: 'unknown' } & Unanswered);

/** What became of what was asked for under one name. */
export type Operation =
  | { is: 'moving'; because: string; againMs: number }
  | { is: 'moved'; because: string }
  /** It has ended, and moves nothing any more. */
  | { is: 'failed'; because: string }
  /** Nothing was ever asked for under that name, as far as it answers. */
  | { is: 'unheard'; because: string }
  | ({ is: 'unknown' } & Unanswered);

/** `accepted` also when the same was asked for before. The words are those of an effect. */
export type Begun =
  | { took: 'accepted'; operation: Operation }
  | ({ took: 'undecided' } & Unanswered)
  | ({ took: 'refused' } & Unanswered)
  | { took: 'fatal'; because: string };

/**
 * Nothing of it rejects for what the world does: an answer that did not come is `unknown` or `undecided`. As it comes from a breaker it does: answering.ts
 * mends that.
 */
export interface Mover {
  look(namespace: string, signal: AbortSignal): Promise<Look>;
  /** The same `id` is one move, however often it is asked for. */
  begin(namespace: string, to: string, id: string, signal: AbortSignal): Promise<Begun>;
  follow(namespace: string, to: string, id: string, signal: AbortSignal): Promise<Operation>;
}

/**
 * One name for one move: of the step's key and the namespace. Shaped as the UUID that Temporal's own clients send there (RFC 9562, version 8): what else
 * would be taken is written nowhere.
 */
export const operationId = (key: string, namespace: string): string => {
  const hash = createHash('sha256')
    .update(JSON.stringify([key, namespace]))
    .digest('hex');
  const variant = ((Number.parseInt(hash[16]!, 16) & 0x3) | 0x8).toString(16);
  return `${hash.slice(0, 8)}-${hash.slice(8, 12)}-8${hash.slice(13, 16)}-${variant}${hash.slice(17, 20)}-${hash.slice(20, 32)}`;
};

/** Why the namespace is not to be moved there. `never`: it takes a human; `later`: it may be otherwise soon. null: it may be moved. */
export const obstacle = (place: Place, to: string): { when: 'never' | 'later'; because: string } | null => {
  if (place.fixed !== null) return { when: 'never', because: place.fixed };
  const replica = place.replicas.find((one) => one.place === to);
  if (replica === undefined)
    return { when: 'never', because: `has no replica in ${to}, only in ${place.replicas.map((one) => one.place).join(', ') || 'none'}` };
  if (place.busy !== null) return { when: 'later', because: place.busy };
  if (replica.ready) return null;
  return { when: GONE.has(replica.state) ? 'never' : 'later', because: `its replica in ${to} is ${replica.state}` };
};

/** States that do not mend by themselves. */
const GONE: ReadonlySet<string> = new Set(['REPLICA_STATE_FAILED', 'REPLICA_STATE_REMOVING', 'not connected']);

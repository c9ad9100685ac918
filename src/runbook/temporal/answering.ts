// Between Temporal's clients, which answer in values, and the breaker of their system: what in a value is silence, and values again for what the breaker
// rejects.
import { Fault } from '../../errors.ts';
import { isTrouble, LeftAlone } from '../breaker.ts';
import { saying } from '../outcome.ts';
import { type CodeName, codeNumber } from './codes.ts';
import type { Begun, Look, Mover, Operation } from './mover.ts';

/** To be put into a value: there was no answer, or one of a system in trouble. Empty: it answered. null: no code, so no answer. */
export const silence = (code: CodeName | null): { silent?: true } =>
  code === null || isTrouble({ code: codeNumber(code) }) ? { silent: true } : {};

/** As a Mover promises, also when its breaker leaves the system alone or leaves a call behind: one of many that is not heard takes nothing from the others. */
export const answering = (mover: Mover): Mover => {
  const unknown = (error: unknown): { is: 'unknown'; because: string } => {
    if (error instanceof Fault) throw error;
    return { is: 'unknown', because: saying(error) };
  };
  return {
    look: (namespace, signal) =>
      mover.look(namespace, signal).catch((error: unknown): Look => {
        const { is, because } = unknown(error);
        return { is, because: `${namespace}: ${because}` };
      }),
    begin: (namespace, to, id, signal) =>
      mover.begin(namespace, to, id, signal).catch((error: unknown): Begun => {
        const { because } = unknown(error);
        return { took: error instanceof LeftAlone ? 'refused' : 'undecided', because };
      }),
    follow: (namespace, to, id, signal) => mover.follow(namespace, to, id, signal).catch((error: unknown): Operation => unknown(error)),
  };
};

// The contract of a check of a live installation: a question, a look at the world through the tools that it is handed, and a judgement of what was seen.
// Looks change nothing anywhere; judgements are pure. Every finding that is not well says what to do.
import type { ReplicaConfig } from '../config/schema.ts';
import type { Tools } from './tools.ts';

/** `skip`: it could not be looked at, or does not apply here, and the sentence says why. `unknown`: the same of a check of security, where it is never good. */
export type State = 'ok' | 'warn' | 'fail' | 'unknown' | 'skip';

export interface Finding {
  state: State;
  says: string;
  /** What to do about it; never absent from `warn`, `fail` and `unknown`. */
  todo?: string;
}

export interface Circumstances {
  config: ReplicaConfig;
  /** Wall clock when the looking was done. */
  nowMs: number;
}

export interface Check<Fact> {
  id: string;
  question: string;
  /** Part of `--security`. */
  security?: true;
  /** What to do when the look itself fails. */
  todo: string;
  look(tools: Tools): Promise<Fact>;
  /** Findings, or none: then all is well, and `ok` says what was seen. */
  judge(fact: Fact, circumstances: Circumstances): readonly Finding[];
  /** Said when there is nothing to find. */
  ok(fact: Fact, circumstances: Circumstances): string;
}

/** A row of the table: what a check saw stays between its look and its judgement. */
export interface Row {
  id: string;
  question: string;
  security: boolean;
  run(tools: Tools, nowMs: () => number): Promise<readonly Finding[]>;
}

/** Thrown by a look that cannot be made, or makes no sense here. The text says why. */
export class NotLooked extends Error {
  override readonly name = 'NotLooked';
}

export const warn = (says: string, todo: string): Finding => ({ state: 'warn', says, todo });
export const fail = (says: string, todo: string): Finding => ({ state: 'fail', says, todo });
/** Cannot be told from here. */
export const unknown = (says: string, todo: string): Finding => ({ state: 'unknown', says, todo });

export const row = <Fact>(check: Check<Fact>): Row => ({
  id: check.id,
  question: check.question,
  security: check.security === true,
  async run(tools, nowMs) {
    try {
      const fact = await check.look(tools);
      const circumstances = { config: tools.config, nowMs: nowMs() };
      const findings = check.judge(fact, circumstances);
      return findings.length > 0 ? findings : [{ state: 'ok', says: check.ok(fact, circumstances) }];
    } catch (error) {
      const says = error instanceof Error ? error.message || error.name : String(error);
      if (!(error instanceof NotLooked)) return [fail(says, check.todo)];
      return [check.security === true ? unknown(says, check.todo) : { state: 'skip', says }];
    }
  },
});

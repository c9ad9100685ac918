// What is told to and said by a user's own system over signed webhooks, wherever in a run that happens: src/runbook/webhook/README.md has the contract for
// whoever writes one.
import { z } from 'zod';
import { type Answer, fitting, jsonIn, quoted } from '../exchange.ts';
import { isoTime } from '../ports.ts';
import type { Call, System } from './kind.ts';

const PATH_CHARS_MAX = 500;

export interface WebhookSystem extends System {
  readonly kind: 'webhook';
  readonly host: string;
  /** Answers a status of 2xx. Throws Answered for every other. */
  tell(id: string, body: string, signal: AbortSignal): Promise<Answer>;
  /** What became of what was told under this id. `path`: as it named it; null: the address itself. As `tell`. */
  ask(id: string, path: string | null, signal: AbortSignal): Promise<Answer>;
  /** Is it a path of the same server? */
  has(path: string): boolean;
}

const STATES = ['done', 'working', 'failed', 'drained', 'caught-up'] as const;
export type SaidState = (typeof STATES)[number];

const saidShape = z.object({
  state: z.enum(STATES),
  because: z.string().optional(),
  checkAfterMs: z.number().nonnegative().optional(),
  statusPath: z.string().startsWith('/').max(PATH_CHARS_MAX).optional(),
});
export type Said = z.infer<typeof saidShape>;

/** Throws Error for what is no such word. */
export const saidIn = (answer: Answer): Said => fitting(saidShape, jsonIn(answer));

/** For the end of a sentence. */
export const saidText = ({ because }: Said): string => (because === undefined || because === '' ? '' : `: ${quoted(because)}`);

/** The event of a phase of a run: the same text for the same call. `more`: of the system that is told. */
export const eventOf = (
  when: string,
  { key, run }: Pick<Call, 'key' | 'run'>,
  atMs: number,
  more: Readonly<Record<string, string>>,
): string => {
  const { id, platform, from, to, mode } = run;
  const step = key.startsWith(`${id}.`) ? key.slice(id.length + 1) : key;
  return JSON.stringify({
    type: `runbook.${when}`,
    timestamp: isoTime(atMs),
    data: { run: id, step, platform, from, to, mode, ...more, when },
  });
};

// A desk at which a test sits: what was shown and asked, and what the human types.
import type { Console } from '../../../src/command/desk/session.ts';
import { realPorts } from '../../../src/ports.ts';
import { SCREEN } from './fixture.ts';

export interface Desk {
  console: Console;
  out(): string;
  err(): string;
  asked: string[];
}

/** `answers`: what the human types; null: nobody is there. */
export const desk = (answers: readonly string[] | null = null): Desk => {
  const [out, err, asked]: [string[], string[], string[]] = [[], [], []];
  const typed = [...(answers ?? [])];
  const console: Console = {
    ports: realPorts(),
    version: 'test',
    env: { HOME: '/nonexistent' },
    out: (text) => void out.push(text),
    err: (text) => void err.push(text),
    ask:
      answers === null
        ? null
        : async (question) => {
            asked.push(question);
            return typed.shift() ?? '';
          },
    screen: () => SCREEN,
    live: false,
    onInterrupt: () => () => undefined,
    onStop: () => () => undefined,
  };
  return { console, out: () => out.join(''), err: () => err.join(''), asked };
};

// What the command line hands to a command: the ports, the two streams, a human to ask. Built by src/main.ts only. And what it takes back: an exit code.
import type { Console } from '../command/desk/session.ts';
import type { Ports } from '../ports.ts';

export interface Saying {
  out(text: string): void;
  err(text: string): void;
}

/** Asks the human; null: there is nobody to ask. */
export type Confirm = ((question: string) => Promise<boolean>) | null;

/** The process ends with what the command returns. */
export const exitWith = async (code: number | Promise<number>): Promise<void> => {
  process.exitCode = await code;
};

export interface Shell {
  version: string;
  /** Real ones, made when they are needed. */
  ports(): Ports;
  say: Saying;
  /** What the commands that work beside the service are given. */
  desk(): Saying & { ports: Ports; confirm: Confirm };
  /** What the commands that ask the API are given. */
  console(): Console;
}

#!/usr/bin/env node
// The command line, and the only place that builds real ports. Data goes to stdout, everything else to stderr; exit codes are those of src/errors.ts.
// The commands are in src/cli, a file for each kind of user.
import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { addBeside } from './cli/beside.ts';
import { addCredentials } from './cli/credentials.ts';
import { addOperating } from './cli/operating.ts';
import { addServing } from './cli/serving.ts';
import type { Shell } from './cli/shell.ts';
import { colour, plain, safeLines } from './command/desk/text.ts';
import { ERRORS, errorText, Fault } from './errors.ts';
import { realPorts } from './ports.ts';

const version = (): string => {
  const manifest: unknown = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
  return typeof manifest === 'object' && manifest !== null && 'version' in manifest ? String(manifest.version) : 'unknown';
};

/** What a shell reports of a command that ^C ended. */
const INTERRUPTED = 130;

const say: Shell['say'] = {
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
};

const ask = async (question: string): Promise<string> => {
  const { createInterface } = await import('node:readline/promises');
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  terminal.on('SIGINT', () => {
    say.err('\nnothing was written\n');
    process.exit(INTERRUPTED);
  });
  try {
    return await terminal.question(question);
  } finally {
    terminal.close();
  }
};
const confirm = async (question: string): Promise<boolean> => (await ask(`${question} [y/N] `)).trim().toLowerCase() === 'y';

/** Colour only adds to words: it is left out wherever somebody might not want it. */
const isColourful = (): boolean =>
  process.stdout.isTTY === true && !process.env.NO_COLOR && process.env.TERM !== 'dumb' && !process.argv.includes('--no-color');

const shell: Shell = {
  version: version(),
  ports: realPorts,
  say,
  desk: () => ({ ports: realPorts(), ...say, confirm: process.stdin.isTTY === true ? confirm : null }),
  console: () => ({
    ports: realPorts(),
    version: shell.version,
    env: process.env,
    ...say,
    ask: process.stdin.isTTY === true && process.stderr.isTTY === true ? ask : null,
    screen: () => ({ columns: process.stdout.columns ?? 80, rows: process.stdout.rows ?? 24, paint: isColourful() ? colour : plain }),
    live: process.stderr.isTTY === true && process.env.TERM !== 'dumb',
    onInterrupt(words) {
      const end = (): void => {
        say.err(`\n${safeLines(words())}\n`);
        process.exit(INTERRUPTED);
      };
      process.once('SIGINT', end);
      return () => void process.removeListener('SIGINT', end);
    },
    onStop(stop) {
      const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
      for (const signal of signals) process.on(signal, stop);
      // Until the process ends: that the last words found nobody is told after they were said.
      for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
      return () => {
        for (const signal of signals) process.removeListener(signal, stop);
      };
    },
  }),
};

const program = new Command('tidegate')
  .description('Global health-routing control plane: regional probers, a quorum, fenced writes, measured convergence.')
  .version(shell.version)
  .showSuggestionAfterError()
  .showHelpAfterError('(tidegate --help lists the commands)')
  .exitOverride();
addOperating(program, shell);
addServing(program, shell);
addCredentials(program, shell);
addBeside(program, shell);

const fail = (error: unknown): void => {
  if (error instanceof CommanderError) {
    // Help and version are no failure; commander has printed the rest.
    process.exitCode = error.exitCode === 0 ? 0 : ERRORS.ERR_USAGE.exit;
    return;
  }
  const code = error instanceof Fault ? error.code : null;
  process.stderr.write(`tidegate: ${code === null ? '' : `${code} `}${safeLines(errorText(error))}\n`);
  process.exitCode = code === null ? 1 : ERRORS[code].exit;
};

await program.parseAsync().catch(fail);

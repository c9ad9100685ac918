#!/usr/bin/env node
// The command line, and the only place that builds real ports. Data goes to stdout, everything else to stderr; exit codes are those of src/errors.ts.
// The commands are in src/cli, a file for each kind of user.
import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { addBeside } from './cli/beside.ts';
import { addServing } from './cli/serving.ts';
import type { Shell } from './cli/shell.ts';
import { ERRORS, errorText, Fault } from './errors.ts';
import { realPorts } from './ports.ts';

const version = (): string => {
  const manifest: unknown = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
  return typeof manifest === 'object' && manifest !== null && 'version' in manifest ? String(manifest.version) : 'unknown';
};

const say: Shell['say'] = {
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
};

const confirm = async (question: string): Promise<boolean> => {
  const { createInterface } = await import('node:readline/promises');
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return (await terminal.question(`${question} [y/N] `)).trim().toLowerCase() === 'y';
  } finally {
    terminal.close();
  }
};

const shell: Shell = {
  version: version(),
  ports: realPorts,
  say,
  desk: () => ({ ports: realPorts(), ...say, confirm: process.stdin.isTTY === true ? confirm : null }),
};

const program = new Command('tidegate')
  .description('Global health-routing control plane: regional probers, a quorum, fenced writes, measured convergence.')
  .version(shell.version)
  .showSuggestionAfterError()
  .showHelpAfterError('(tidegate --help lists the commands)')
  .exitOverride();
addServing(program, shell);
addBeside(program, shell);

const fail = (error: unknown): void => {
  if (error instanceof CommanderError) {
    // Help and version are no failure; commander has printed the rest.
    process.exitCode = error.exitCode === 0 ? 0 : ERRORS.ERR_USAGE.exit;
    return;
  }
  const code = error instanceof Fault ? error.code : null;
  process.stderr.write(`tidegate: ${code === null ? '' : `${code} `}${errorText(error)}\n`);
  process.exitCode = code === null ? 1 : ERRORS[code].exit;
};

await program.parseAsync().catch(fail);

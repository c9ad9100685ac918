// Completion as bash does it, from the script that the tree of commands makes.
import { execFileSync } from 'node:child_process';
import { Command } from 'commander';
import { expect, test } from 'vitest';
import { completion } from '../../src/cli/completion.ts';
import { addOperating } from '../../src/cli/operating.ts';
import type { Shell } from '../../src/cli/shell.ts';

const program = new Command('tidegate');
addOperating(program, {} as Shell);
program.command('secret-thing', { hidden: true });

const complete = (...words: string[]): readonly string[] => {
  const array = words.map((word) => `'${word}'`).join(' ');
  const script = `${completion(program, 'bash')}\nCOMP_WORDS=(tidegate ${array}); COMP_CWORD=${words.length}; _tidegate; echo "\${COMPREPLY[@]}"`;
  return execFileSync('bash', ['-c', script], { encoding: 'utf8' }).trim().split(' ');
};

test.each<[readonly string[], readonly string[]]>([
  [['un'], ['undrain', 'unfreeze', 'unsettle', 'undo-run']],
  [['failo'], ['failover']],
  [['failover', 'shop', '--un'], ['--ungraceful']],
  [['approve'], ['approve-run']],
  [['run', 'r', '--wa'], ['--watch']],
  [['answer', 'r', 's', 're'], ['retry']],
  [['override', 'ap'], ['approve']],
  [['pages', 're'], ['replay']],
  [['pages', 'list', '--st'], ['--state']],
  [['pages', 'replay', '--ch'], ['--channel']],
  [['pages', 'ack', '--ow'], ['--owner']],
  [['override', 'end', '--js'], ['--json']],
  [['drain', 'eu-west', '--break'], ['--break-glass']],
  [['completion', 'z'], ['zsh']],
  [['secret'], ['']],
])('bash: tidegate %j', (words, expected) => {
  expect(complete(...words)).toEqual(expected);
});

test('every command and every option is in each script, and nothing hidden', () => {
  for (const shell of ['bash', 'zsh', 'fish'] as const) {
    const script = completion(program, shell);
    for (const { name } of program.commands.map((command) => ({ name: command.name() })).filter(({ name }) => name !== 'secret-thing'))
      expect(script).toContain(name);
    for (const option of ['break-glass', 'token-file', 'since-id', 'region-down', 'no-color']) expect(script).toContain(option);
    expect(script).not.toContain('secret-thing');
  }
});

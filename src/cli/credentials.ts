// Commands that make credentials: `token` and `breakglass`. None of them needs a running Tidegate.
import type { Command } from 'commander';
import type { BreakGlassKeygenOptions, BreakGlassSignOptions } from '../command/breakglass.ts';
import type { TokenFileOptions, TokenListOptions, TokenNewOptions } from '../command/token.ts';
import { exitWith, type Shell } from './shell.ts';

const FILE = ['--file <file>', 'the file that api.auth.tokensFile names'] as const;
const ROLE = ['--role <role>', 'viewer, operator, approver or admin'] as const;
const SERVICES = ['-s, --service <names...>', 'only orders about these services; all unless said'] as const;

export const addCredentials = (program: Command, shell: Shell): void => {
  const token = program.command('token').description('tokens of people and machines for the API; the file knows their hashes only');
  token
    .command('new')
    .description('make a token: printed once, its hash goes to the file')
    .requiredOption('--name <name>', 'whose it is; it is recorded with every order')
    .requiredOption(...ROLE)
    .option(...SERVICES)
    .option('--ttl <duration>', 'how long it is good for, e.g. 90d; without an end unless said')
    .requiredOption(...FILE)
    .action(async (options: TokenNewOptions) => exitWith((await import('../command/token.ts')).tokenNew(options, shell.desk())));
  token
    .command('list')
    .description('who has a token, for what and until when')
    .requiredOption(...FILE)
    .option('--json', 'one object on stdout')
    .action(async (options: TokenListOptions) => exitWith((await import('../command/token.ts')).tokenList(options, shell.desk())));
  token
    .command('revoke')
    .description('take a token back')
    .argument('<name>', 'whose')
    .requiredOption(...FILE)
    .action(async (name: string, options: TokenFileOptions) =>
      exitWith((await import('../command/token.ts')).tokenRevoke(name, options, shell.desk())),
    );
  const glass = program.command('breakglass').description('tokens for one act, signed offline, for when nobody else can vouch for you');
  glass
    .command('keygen')
    .description('make the key that signs them; prints the public half')
    .requiredOption('-o, --out <file>', 'where the private half goes; never over an older file')
    .action(async (options: BreakGlassKeygenOptions) =>
      exitWith((await import('../command/breakglass.ts')).breakGlassKeygen(options, shell.desk())),
    );
  glass
    .command('sign')
    .description('sign a token for one act, on any machine')
    .requiredOption('--key <file>', 'the private half')
    .requiredOption('--cluster <name>', 'the cluster it is for, as its configuration calls it')
    .requiredOption('--name <who>', 'who uses it; it is recorded')
    .requiredOption(...ROLE)
    .requiredOption('--reason <text>', 'why; it is recorded')
    .option('--ttl <duration>', 'at most 1h', '30m')
    .option(...SERVICES)
    .action(async (options: BreakGlassSignOptions) =>
      exitWith((await import('../command/breakglass.ts')).breakGlassSign(options, shell.desk())),
    );
};

// The part of the command line that makes credentials: `token` and `breakglass`. None of it needs a running Tidegate.
import type { Command } from 'commander';
import type { Ports } from '../ports.ts';
import type { Saying } from './open.ts';

const FILE = ['--file <file>', 'the file that api.auth.tokensFile names'] as const;
const ROLE = ['--role <role>', 'viewer, operator, approver or admin'] as const;
const SERVICES = ['-s, --service <names...>', 'only orders about these services; all unless said'] as const;

export const addCredentialCommands = (program: Command, context: () => Saying & { ports: Ports }): void => {
  const token = program.command('token').description('tokens of people and machines for the API; the file knows their hashes only');
  token
    .command('new')
    .description('make a token: printed once, its hash goes to the file')
    .requiredOption('--name <name>', 'whose it is; it is recorded with every order')
    .requiredOption(...ROLE)
    .option(...SERVICES)
    .option('--ttl <duration>', 'how long it is good for, e.g. 90d; without an end unless said')
    .requiredOption(...FILE)
    .action(async (options) => {
      process.exitCode = (await import('./token.ts')).tokenNew(options, context());
    });
  token
    .command('list')
    .description('who has a token, for what and until when')
    .requiredOption(...FILE)
    .option('--json', 'one object on stdout')
    .action(async (options) => {
      process.exitCode = (await import('./token.ts')).tokenList(options, context());
    });
  token
    .command('revoke')
    .description('take a token back')
    .argument('<name>', 'whose')
    .requiredOption(...FILE)
    .action(async (name, options) => {
      process.exitCode = (await import('./token.ts')).tokenRevoke(name, options, context());
    });
  const glass = program.command('breakglass').description('tokens for one act, signed offline, for when nobody else can vouch for you');
  glass
    .command('keygen')
    .description('make the key that signs them; prints the public half')
    .requiredOption('-o, --out <file>', 'where the private half goes; never over an older file')
    .action(async (options) => {
      process.exitCode = (await import('./breakglass.ts')).breakGlassKeygen(options, context());
    });
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
    .action(async (options) => {
      process.exitCode = (await import('./breakglass.ts')).breakGlassSign(options, context());
    });
};

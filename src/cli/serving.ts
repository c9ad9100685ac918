// Commands of whoever runs a replica: serve it, judge its file, see the whole of it on one machine.
import type { Command } from 'commander';
import type { HealthOptions } from '../command/health.ts';
import type { Loaded } from '../config/load.ts';
import type { Problem } from '../config/problem.ts';
import type { ReplicaConfig } from '../config/schema.ts';
import { ERRORS, errorText, Fault } from '../errors.ts';
import { createLog } from '../log.ts';
import { exitWith, type Shell } from './shell.ts';

/** A checked configuration, or the report of everything wrong with it and the end of the process. The loaders are loaded only here: they are slow. */
const configOrExit = async (
  path: string,
  loadWith: (path: string) => Promise<Loaded>,
): Promise<{ config: ReplicaConfig; warnings: readonly Problem[] }> => {
  const loaded = await loadWith(path);
  if (loaded.ok) return loaded;
  const { reportProblems } = await import('../config/report.ts');
  process.stderr.write(reportProblems(loaded.problems));
  process.exit(ERRORS.ERR_CONFIG.exit);
};

/** Also looks at the files that the configuration names: `check` is run where it will serve. */
const check = async (options: { config: string }, { ports }: Shell): Promise<void> => {
  const { report } = await import('../config/report.ts');
  const { config, warnings } = await configOrExit(options.config, async (path) => {
    const loaded = (await import('../config/files.ts')).examineConfig(path);
    return (await import('../config/paging-files.ts')).examinePaging(loaded, ports());
  });
  process.stdout.write(report(config, warnings));
};

/** A name for a replica that does not stand in its file. Throws Fault ERR_USAGE. */
const replicaNamed = async (given: string | undefined): Promise<string | undefined> => {
  if (given === undefined || (await import('../config/fields.ts')).name.safeParse(given).success) return given;
  throw new Fault(
    'ERR_USAGE',
    `--replica ${given}: expected a name of a-z, 0-9, ".", "_" and "-", with a letter in it; write one like tidegate-0`,
  );
};

const serve = async (options: { config: string; replica?: string }, { ports: portsOf, version }: Shell): Promise<void> => {
  const replica = await replicaNamed(options.replica);
  const { config, warnings } = await configOrExit(options.config, async (path) =>
    (await import('../config/load.ts')).loadServed(path, replica),
  );
  const ports = portsOf();
  const log = createLog({ level: config.log.level, clock: ports.clock });
  // Slow to load, and `check` does not need it.
  const [service, { tellWarnings }] = await Promise.all([import('../serve.ts'), import('../serve/configuration.ts')]);
  tellWarnings(log, warnings);
  let stopping = false;
  const end = async (why: Record<string, unknown>, exit: number): Promise<void> => {
    if (stopping) return;
    stopping = true;
    log.info('stopping', why);
    const inTime = await service.stopWithin(ports, await starting);
    log.info('stopped', { inTime });
    process.exit(inTime ? exit : 1);
  };
  const stop = (signal: string): Promise<void> => end({ signal }, 0);
  const onFatal = (fault: Fault): void => {
    log.error('fatal', { code: fault.code, because: fault.message });
    void end({ fault: fault.code }, ERRORS[fault.code].exit);
  };
  const starting = service.serve(config, { ports, log, version, onFatal, ownsProcess: true });
  const reload = async (): Promise<void> => {
    const { ok, said } = await (await starting).reload();
    if (ok) log.info('config.reloaded', { said });
    else log.error('config.refused', { because: said, running: 'unchanged' });
  };
  // From the first moment on: a signal that comes while the service starts must neither end it in mid-start nor be lost.
  const failedToStart = (): void => undefined;
  process.on('SIGTERM', () => void stop('SIGTERM').catch(failedToStart));
  process.on('SIGINT', () => void stop('SIGINT').catch(failedToStart));
  process.on(
    'SIGHUP',
    () => void reload().catch((error: unknown) => log.error('config.refused', { because: errorText(error), running: 'unchanged' })),
  );
  await starting;
};

interface DemoOptions {
  fast?: boolean;
  cluster?: boolean;
  stay?: boolean;
  json?: boolean;
  provider: string;
}

const demo = async (options: DemoOptions, { ports, version }: Shell): Promise<void> => {
  const [{ runDemo }, { isRoomName, providerRooms }] = await Promise.all([import('../drill/demo.ts'), import('../drill/provider-room.ts')]);
  const { provider } = options;
  if (!isRoomName(provider))
    throw new Fault('ERR_USAGE', `--provider ${provider}: expected one of ${Object.keys(providerRooms).join(', ')}`);
  process.exitCode = await runDemo({
    ports: ports(),
    fast: options.fast === true,
    cluster: options.cluster === true,
    provider,
    stay: options.stay === true,
    json: options.json === true,
    version,
  });
};

interface RegionOptions {
  config: string;
  appHost: string;
  appPort: string;
}

const demoRegion = async (options: RegionOptions, { ports, version }: Shell): Promise<void> => {
  const { runRegion } = await import('../drill/region.ts');
  const { config } = await configOrExit(options.config, async (path) => (await import('../config/load.ts')).loadConfig(path));
  await runRegion({
    ports: ports(),
    config,
    appHost: options.appHost,
    appPort: Number(options.appPort),
    version,
  });
};

export const addServing = (program: Command, shell: Shell): void => {
  program
    .command('serve')
    .description('run this replica until SIGTERM; SIGHUP reloads the file')
    .requiredOption('-c, --config <file>', 'configuration file')
    .option('--replica <name>', "this replica's name instead of the file's, where several share a file")
    .action((options) => serve(options, shell));
  program
    .command('check')
    .description('judge a configuration file: electorates, worst cases, every problem at its place')
    .requiredOption('-c, --config <file>', 'configuration file')
    .action((options) => check(options, shell));
  program
    .command('health')
    .description('does the process of this file answer, on this machine? For the health check of a container; needs no token')
    .requiredOption('-c, --config <file>', 'configuration file; only api is read')
    .action(async (options: HealthOptions) =>
      exitWith((await import('../command/health.ts')).health(options, { ...shell.say, ports: shell.ports() })),
    );
  program
    .command('demo')
    .description('three regions on this machine: one dies with its coordinator, returns; then a vantage goes blind')
    .option('--fast', '1 s probes and short holds: within a minute')
    .option('--cluster', 'the store is a real etcd with a member in each region; the one that leads dies too')
    .option('--provider <kind>', 'what serves users: builtin, a real server (rfc2136) or the stand-in of a vendor', 'builtin')
    .option('--stay', 'leave it running and print what to try')
    .option('--json', 'the last line of stdout is one JSON object')
    .action((options) => demo(options, shell));
  program
    .command('demo-region', { hidden: true })
    .requiredOption('-c, --config <file>')
    .requiredOption('--app-host <host>')
    .requiredOption('--app-port <port>')
    .action((options) => demoRegion(options, shell));
};

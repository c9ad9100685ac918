#!/usr/bin/env node
// The command line, and the only place that builds real ports. Data goes to stdout, everything else to stderr; exit codes are those of src/errors.ts.
import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import type { AckOptions } from './command/ack.ts';
import type { AdoptOptions } from './command/adopt.ts';
import type { ApplyOptions } from './command/apply.ts';
import type { AuditExportOptions, AuditListOptions, AuditVerifyOptions } from './command/audit.ts';
import type { ImportOptions } from './command/import.ts';
import { type Given, type Importer, importers } from './command/importers.ts';
import type { KeygenOptions } from './command/keygen.ts';
import type { OwnOptions } from './command/own.ts';
import type { PlanOptions } from './command/plan.ts';
import type { PromoteOptions } from './command/promote.ts';
import type { ReplayOptions } from './command/replay.ts';
import type { ReportOptions } from './command/report.ts';
import type { RouteSetOptions, RouteShowOptions } from './command/route.ts';
import { loadConfig, loadServed } from './config/load.ts';
import type { Problem } from './config/problem.ts';
import { report, reportProblems } from './config/report.ts';
import type { ReplicaConfig } from './config/schema.ts';
import { ERRORS, errorText, Fault } from './errors.ts';
import { createLog } from './log.ts';
import { realPorts } from './ports.ts';

const version = (): string => {
  const manifest: unknown = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
  return typeof manifest === 'object' && manifest !== null && 'version' in manifest ? String(manifest.version) : 'unknown';
};

/** A checked configuration, or the report of everything wrong with it and the end of the process. */
const configOrExit = (path: string, load = loadConfig): { config: ReplicaConfig; warnings: readonly Problem[] } => {
  const loaded = load(path);
  if (loaded.ok) return loaded;
  process.stderr.write(reportProblems(loaded.problems));
  process.exit(ERRORS.ERR_CONFIG.exit);
};

/** Also looks at the files that the configuration names: `check` is run where it will serve. */
const check = async (options: { config: string }): Promise<void> => {
  const { examineConfig } = await import('./config/files.ts');
  const { config, warnings } = configOrExit(options.config, examineConfig);
  process.stdout.write(report(config, warnings));
};

const serve = async (options: { config: string }): Promise<void> => {
  const { config, warnings } = configOrExit(options.config, loadServed);
  const ports = realPorts();
  const log = createLog({ level: config.log.level, clock: ports.clock });
  // Slow to load, and `check` does not need it.
  const service = await import('./serve.ts');
  service.warn(log, warnings);
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
  const starting = service.serve(config, { ports, log, version: version(), onFatal });
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

const demo = async (options: { fast?: boolean; cluster?: boolean; stay?: boolean; json?: boolean; provider: string }): Promise<void> => {
  const [{ runDemo }, { isRoomName, providerRooms }] = await Promise.all([import('./drill/demo.ts'), import('./drill/provider-room.ts')]);
  const { provider } = options;
  if (!isRoomName(provider))
    throw new Fault('ERR_USAGE', `--provider ${provider}: expected one of ${Object.keys(providerRooms).join(', ')}`);
  process.exitCode = await runDemo({
    ports: realPorts(),
    fast: options.fast === true,
    cluster: options.cluster === true,
    provider,
    stay: options.stay === true,
    json: options.json === true,
    version: version(),
  });
};

const demoRegion = async (options: { config: string; appHost: string; appPort: string }): Promise<void> => {
  const { runRegion } = await import('./drill/region.ts');
  await runRegion({
    ports: realPorts(),
    config: configOrExit(options.config).config,
    appHost: options.appHost,
    appPort: Number(options.appPort),
    version: version(),
  });
};

const say = {
  out: (text: string): void => void process.stdout.write(text),
  err: (text: string): void => void process.stderr.write(text),
};

/** What the commands that work beside the service are given. Nobody to ask: no terminal. */
const desk = () => ({ ports: realPorts(), ...say, confirm: process.stdin.isTTY === true ? confirm : null });

const confirm = async (question: string): Promise<boolean> => {
  const { createInterface } = await import('node:readline/promises');
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return (await terminal.question(`${question} [y/N] `)).trim().toLowerCase() === 'y';
  } finally {
    terminal.close();
  }
};

const apply = async (options: ApplyOptions): Promise<void> => {
  process.exitCode = await (await import('./command/apply.ts')).apply(options, desk());
};
const keygen = async (options: KeygenOptions): Promise<void> => {
  process.exitCode = (await import('./command/keygen.ts')).keygen(options, say);
};
const adopt = async (options: AdoptOptions): Promise<void> => {
  process.exitCode = await (await import('./command/adopt.ts')).adopt(options, desk());
};
const ack = async (options: AckOptions): Promise<void> => {
  process.exitCode = await (await import('./command/ack.ts')).ack(options, desk());
};
const routeShow = async (options: RouteShowOptions): Promise<void> => {
  process.exitCode = await (await import('./command/route.ts')).routeShow(options, desk());
};
const routeSet = async (options: RouteSetOptions): Promise<void> => {
  process.exitCode = await (await import('./command/route.ts')).routeSet(options, desk());
};

const auditVerify = async (options: AuditVerifyOptions): Promise<void> => {
  process.exitCode = await (await import('./command/audit.ts')).auditVerify(options, desk());
};
const auditExport = async (options: AuditExportOptions): Promise<void> => {
  process.exitCode = await (await import('./command/audit.ts')).auditExport(options, desk());
};
const auditList = async (options: AuditListOptions): Promise<void> => {
  process.exitCode = await (await import('./command/audit.ts')).auditList(options, desk());
};

const replay = async (options: ReplayOptions): Promise<void> => {
  process.exitCode = await (await import('./command/replay.ts')).replay(options, say);
};

const reportServices = async (options: ReportOptions): Promise<void> => {
  process.exitCode = await (await import('./command/report.ts')).report(options, desk());
};
const promote = async (options: PromoteOptions): Promise<void> => {
  process.exitCode = await (await import('./command/promote.ts')).promote(options, desk());
};

const plan = async (options: PlanOptions): Promise<void> => {
  process.exitCode = await (await import('./command/plan.ts')).plan(options, desk());
};
const own = async (options: OwnOptions): Promise<void> => {
  process.exitCode = await (await import('./command/own.ts')).own(options, desk());
};
const importWith =
  (importer: Importer) =>
  async (options: ImportOptions & Given): Promise<void> => {
    process.exitCode = await (await import('./command/import.ts')).importFrom(importer, options, options, desk());
  };

const program = new Command('tidegate')
  .description('Global health-routing control plane: regional probers, a quorum, fenced writes, measured convergence.')
  .version(version())
  .showSuggestionAfterError()
  .showHelpAfterError('(tidegate --help lists the commands)')
  .exitOverride();

program
  .command('serve')
  .description('run this replica until SIGTERM; SIGHUP reloads the file')
  .requiredOption('-c, --config <file>', 'configuration file')
  .action(serve);
program
  .command('check')
  .description('judge a configuration file: electorates, worst cases, every problem at its place')
  .requiredOption('-c, --config <file>', 'configuration file')
  .action(check);
program
  .command('apply')
  .description('make the cluster section of a file the configuration of the cluster: says what changes, refuses what is unsafe')
  .requiredOption('-c, --config <file>', "a replica's file: which store, and how to reach it")
  .requiredOption('-f, --file <file>', 'a file with a cluster section')
  .option('--dry-run', 'say what would change and write nothing')
  .option('--reason <text>', 'recorded beside the change')
  .option('--owner <name>', 'recorded as its author')
  .option('--allow-advise-only', 'let a cluster that can decide become one that only advises')
  .option('--json', 'one object on stdout')
  .action(apply);
program
  .command('keygen')
  .description("make the key that signs a region's votes; prints the public half")
  .requiredOption('-o, --out <file>', 'where the private half goes; never over an older file')
  .action(keygen);

const CONFIG = ['-c, --config <file>', "a replica's file: its store, its providers and their credentials"] as const;
const SERVICES = ['-s, --service <names...>', 'only these services'] as const;
const REASON = ['--reason <text>', 'why; it is recorded'] as const;
const OWNER = ['--owner <name>', 'who; it is recorded'] as const;
const JSON_OUT = ['--json', 'one object on stdout'] as const;
program
  .command('adopt')
  .description('after a store was restored or replaced: take what the providers serve as the truth, and let everybody go on')
  .requiredOption(...CONFIG)
  .requiredOption(...REASON)
  .requiredOption(...OWNER)
  .option(...SERVICES)
  .option('--dry-run', 'say what would be adopted and write nothing')
  .option(...JSON_OUT)
  .action(adopt);
program
  .command('ack')
  .description('after a route was set by hand: record it, and let automation go on from it')
  .requiredOption(...CONFIG)
  .requiredOption('-s, --service <names...>', 'the services whose route you have looked at')
  .requiredOption(...REASON)
  .requiredOption(...OWNER)
  .option('--hold <duration>', 'freeze the route for so long, e.g. 4h, so that automation does not undo it')
  .option('--journal <file>', 'what `route set` wrote on the machine it ran on, to be kept in the audit')
  .option('--dry-run', 'say what would be recorded and write nothing')
  .option(...JSON_OUT)
  .action(ack);
const route = program.command('route').description('what the providers serve, with no store and no running Tidegate');
const CLUSTER = ['-f, --file <file>', "a file with the cluster section, when the replica's own has none"] as const;
route
  .command('show')
  .description('what the providers serve now, and whose fence it carries')
  .requiredOption(...CONFIG)
  .option(...CLUSTER)
  .option(...SERVICES)
  .option(...JSON_OUT)
  .action(routeShow);
route
  .command('set')
  .description('break-glass: write a route straight to the providers; automation leaves it alone until `ack`')
  .requiredOption(...CONFIG)
  .option(...CLUSTER)
  .requiredOption('-s, --service <name>', 'the service')
  .requiredOption('--share <pool=percent...>', 'percent of each pool, together 100; pools that are not named get nothing')
  .requiredOption(...REASON)
  .requiredOption(...OWNER)
  .option('--provider <name>', 'only this path of the service; without it, every path')
  .option('--break-glass', 'yes, past the store and everything it guards')
  .option('-y, --yes', 'do not ask')
  .option(...JSON_OUT)
  .action(routeSet);
program
  .command('plan')
  .description('what publishing would do now: what is served beside what was decided, a sentence per service; writes nothing')
  .requiredOption(...CONFIG)
  .option(...SERVICES)
  .option('--route-from-config', 'the configured shares instead of the decided ones, without the store: before there is a decision')
  .option('-f, --file <file>', "with it: a file with the cluster section, when the replica's own has none")
  .option(...JSON_OUT)
  .action(plan);
program
  .command('own')
  .description("which of a vendor's objects and fields are written, and no others")
  .requiredOption(...CONFIG)
  .option(...CLUSTER)
  .option(...SERVICES)
  .option('--terraform', 'the lifecycle blocks that make Terraform ignore them')
  .option(...JSON_OUT)
  .action(own);
const imports = program
  .command('import')
  .description('a configuration in observe of what a vendor serves today; reads it and changes nothing there');
for (const [kind, importer] of Object.entries<Importer>(importers)) {
  const command = imports.command(kind).description(importer.says);
  for (const { flags, says, required } of importer.options) {
    if (required === true) command.requiredOption(flags, says);
    else command.option(flags, says);
  }
  command
    .option('-o, --out <file>', 'where the configuration goes; on stdout unless said')
    .option('--force', 'over a file that is there')
    .option('--regions <list>', 'region by pool, e.g. a=eu-west,b=eu-west,*=us-east; a pool is a region of its own unless said')
    .option('--probe <scheme>', 'how targets are guessed: https, http or http:8080', 'https')
    .option(...SERVICES)
    .option(...JSON_OUT)
    .action(importWith(importer));
}
program
  .command('replay')
  .description('what a recording would have been decided under another configuration: which moves, when, and how that differs')
  .requiredOption('--record <paths...>', 'recordings, or folders of them')
  .option('--config <file>', 'a file with a cluster section; without one, only what was recorded is replayed')
  .option(...JSON_OUT)
  .action(replay);
const SINCE = ['--since <duration>', 'how far back, e.g. 14d', '14d'] as const;
program
  .command('report')
  .description(
    'what services in observe and advise would have done, beside what their providers really did; what stands against promoting them',
  )
  .requiredOption(...CONFIG)
  .option('-s, --service <name>', 'only this one')
  .option(...SINCE)
  .option(...JSON_OUT)
  .action(reportServices);
program
  .command('promote')
  .description('let a service advise or act, if its report is clean')
  .requiredOption(...CONFIG)
  .requiredOption('-s, --service <name>', 'the service')
  .requiredOption('--to <mode>', 'advise or auto')
  .option(...SINCE)
  .option('--despite <text>', 'why, although the report is not clean; it is recorded')
  .option(...REASON)
  .option('--owner <name>', 'recorded as its author')
  .option('-y, --yes', 'do not ask')
  .option('--dry-run', 'say what would change and write nothing')
  .option(...JSON_OUT)
  .action(promote);
const audit = program
  .command('audit')
  .description('the records of every decision and every order: are they whole, take them elsewhere, look');
audit
  .command('verify')
  .description('follow both chains and say what was changed, left out, moved or forged; exit 0 when they are whole')
  .option('-c, --config <file>', "a replica's file: which store")
  .option('--file <file>', 'an export instead; with -c, the store has to hold what the export holds')
  .option(...JSON_OUT)
  .action(auditVerify);
audit
  .command('export')
  .description('NDJSON, one record a line with its hash, sealed at the end; audit verify --file proves it without the store')
  .requiredOption(...CONFIG)
  .option('--since <duration>', 'how far back, e.g. 30d; all there is unless said')
  .option('-o, --out <file>', 'where it goes; on stdout unless said')
  .action(auditExport);
audit
  .command('list')
  .description('who did what, and what was decided')
  .requiredOption(...CONFIG)
  .option('--since <duration>', 'how far back, e.g. 30d', '7d')
  .option('--kind <kinds...>', 'only these, e.g. decision override.put config.applied auth.refused')
  .option('--by <text>', 'only who has this in the name')
  .option(...JSON_OUT)
  .action(auditList);
program
  .command('demo')
  .description('three regions on this machine: one dies with its coordinator, returns; then a vantage goes blind')
  .option('--fast', '1 s probes and short holds: within a minute')
  .option('--cluster', 'the store is a real etcd with a member in each region; the one that leads dies too')
  .option('--provider <kind>', 'what serves users: builtin, a real server (rfc2136) or the stand-in of a vendor', 'builtin')
  .option('--stay', 'leave it running and print what to try')
  .option('--json', 'the last line of stdout is one JSON object')
  .action(demo);
program
  .command('demo-region', { hidden: true })
  .requiredOption('-c, --config <file>')
  .requiredOption('--app-host <host>')
  .requiredOption('--app-port <port>')
  .action(demoRegion);

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

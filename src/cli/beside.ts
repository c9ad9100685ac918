// Commands that work on the store and the providers themselves, beside the service or without one: what the cluster is, what is served, by hand if need be.
import type { Command } from 'commander';
import type { AckOptions } from '../command/ack.ts';
import type { AdoptOptions } from '../command/adopt.ts';
import type { AdviseOptions } from '../command/advise.ts';
import type { ApplyOptions } from '../command/apply.ts';
import type { AuditExportOptions, AuditListOptions, AuditVerifyOptions } from '../command/audit.ts';
import type { BackupOptions } from '../command/backup.ts';
import type { DoctorOptions } from '../command/doctor.ts';
import type { ImportOptions } from '../command/import.ts';
import { type Given, type Importer, importers } from '../command/importers.ts';
import type { KeygenOptions } from '../command/keygen.ts';
import type { OwnOptions } from '../command/own.ts';
import type { PlanOptions } from '../command/plan.ts';
import type { PromoteOptions } from '../command/promote.ts';
import type { ReplayOptions } from '../command/replay.ts';
import type { ReportOptions } from '../command/report.ts';
import type { RouteSetOptions, RouteShowOptions } from '../command/route.ts';
import { exitWith, type Shell } from './shell.ts';

const CONFIG = ['-c, --config <file>', "a replica's file: its store, its providers and their credentials"] as const;
const SERVICES = ['-s, --service <names...>', 'only these services'] as const;
const REASON = ['--reason <text>', 'why; it is recorded'] as const;
const OWNER = ['--owner <name>', 'who; it is recorded'] as const;
const JSON_OUT = ['--json', 'one object on stdout'] as const;
const CLUSTER = ['-f, --file <file>', "a file with the cluster section, when the replica's own has none"] as const;
const SINCE = ['--since <duration>', 'how far back, e.g. 14d', '14d'] as const;

export const addBeside = (program: Command, shell: Shell): void => {
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
    .action(async (options: ApplyOptions) => exitWith((await import('../command/apply.ts')).apply(options, shell.desk())));
  program
    .command('doctor')
    .description('check a live installation: clocks, store, grants, credentials, votes, versions, paging, what is stale; says what to fix')
    .requiredOption(...CONFIG)
    .option('--security', 'only what somebody could use: keys and certificates that end, open files and doors, unsigned votes, the audit')
    .option('--send-test', 'open an alert that is marked as a test at every channel, and end it')
    .option(...JSON_OUT)
    .action(async (options: DoctorOptions) =>
      exitWith((await import('../command/doctor.ts')).doctor(options, { ...shell.desk(), version: shell.version })),
    );
  program
    .command('keygen')
    .description("make the key that signs a region's votes; prints the public half")
    .requiredOption('-o, --out <file>', 'where the private half goes; never over an older file')
    .action(async (options: KeygenOptions) => exitWith((await import('../command/keygen.ts')).keygen(options, shell.say)));

  program
    .command('backup')
    .description('a copy of an embedded store in one file, also while a replica serves it; etcd has etcdctl snapshot save')
    .requiredOption(...CONFIG)
    .requiredOption('-o, --out <file>', 'where the copy goes; never over an older one')
    .option(...JSON_OUT)
    .action(async (options: BackupOptions) => exitWith((await import('../command/backup.ts')).backup(options, shell.desk())));
  program
    .command('adopt')
    .description('after a store was restored or replaced: take what the providers serve as the truth, and let everybody go on')
    .requiredOption(...CONFIG)
    .requiredOption(...REASON)
    .requiredOption(...OWNER)
    .option(...SERVICES)
    .option('--dry-run', 'say what would be adopted and write nothing')
    .option(...JSON_OUT)
    .action(async (options: AdoptOptions) => exitWith((await import('../command/adopt.ts')).adopt(options, shell.desk())));
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
    .action(async (options: AckOptions) => exitWith((await import('../command/ack.ts')).ack(options, shell.desk())));
  const audit = program
    .command('audit')
    .description('the records of every decision and every order: are they whole, take them elsewhere, look');
  audit
    .command('verify')
    .description('follow both chains and say what was changed, left out, moved or forged; exit 0 when they are whole')
    .option('-c, --config <file>', "a replica's file: which store")
    .option('--file <file>', 'an export instead; with -c, the store has to hold what the export holds')
    .option(...JSON_OUT)
    .action(async (options: AuditVerifyOptions) => exitWith((await import('../command/audit.ts')).auditVerify(options, shell.desk())));
  audit
    .command('export')
    .description('NDJSON, one record a line with its hash, sealed at the end; audit verify --file proves it without the store')
    .requiredOption(...CONFIG)
    .option('--since <duration>', 'how far back, e.g. 30d; all there is unless said')
    .option('-o, --out <file>', 'where it goes; on stdout unless said')
    .action(async (options: AuditExportOptions) => exitWith((await import('../command/audit.ts')).auditExport(options, shell.desk())));
  audit
    .command('list')
    .description('who did what, and what was decided')
    .requiredOption(...CONFIG)
    .option('--since <duration>', 'how far back, e.g. 30d', '7d')
    .option('--kind <kinds...>', 'only these, e.g. decision override.put config.applied auth.refused')
    .option('--by <text>', 'only who has this in the name')
    .option(...JSON_OUT)
    .action(async (options: AuditListOptions) => exitWith((await import('../command/audit.ts')).auditList(options, shell.desk())));
  const route = program.command('route').description('what the providers serve, with no store and no running Tidegate');
  route
    .command('show')
    .description('what the providers serve now, and whose fence it carries')
    .requiredOption(...CONFIG)
    .option(...CLUSTER)
    .option(...SERVICES)
    .option(...JSON_OUT)
    .action(async (options: RouteShowOptions) => exitWith((await import('../command/route.ts')).routeShow(options, shell.desk())));
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
    .action(async (options: RouteSetOptions) => exitWith((await import('../command/route.ts')).routeSet(options, shell.desk())));
  program
    .command('plan')
    .description('what publishing would do now: what is served beside what was decided, a sentence per service; writes nothing')
    .requiredOption(...CONFIG)
    .option(...SERVICES)
    .option('--route-from-config', 'the configured shares instead of the decided ones, without the store: before there is a decision')
    .option('-f, --file <file>', "with it: a file with the cluster section, when the replica's own has none")
    .option(...JSON_OUT)
    .action(async (options: PlanOptions) => exitWith((await import('../command/plan.ts')).plan(options, shell.desk())));
  program
    .command('own')
    .description("which of a vendor's objects and fields are written, and no others")
    .requiredOption(...CONFIG)
    .option(...CLUSTER)
    .option(...SERVICES)
    .option('--terraform', 'the lifecycle blocks that make Terraform ignore them')
    .option(...JSON_OUT)
    .action(async (options: OwnOptions) => exitWith((await import('../command/own.ts')).own(options, shell.desk())));
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
      .action(async (options: ImportOptions & Given) =>
        exitWith((await import('../command/import.ts')).importFrom(importer, options, options, shell.desk())),
      );
  }
  program
    .command('replay')
    .description('what a recording would have been decided under another configuration: which moves, when, and how that differs')
    .requiredOption('--record <paths...>', 'recordings, or folders of them')
    .option('--config <file>', 'a file with a cluster section; without one, only what was recorded is replayed')
    .option(...JSON_OUT)
    .action(async (options: ReplayOptions) => exitWith((await import('../command/replay.ts')).replay(options, shell.say)));
  program
    .command('advise')
    .description(
      'which deployment model fits a platform: a recommendation with reasons, what it costs, and what an answer that is missing would change',
    )
    .option('--rto <duration>', 'from the failure until the other region works, e.g. 60s')
    .option('--rtt <duration>', 'between the regions, there and back, e.g. 80ms')
    .option('--single-writer <yes|no>', 'does one database take all writes, in one region at a time?')
    .option('--consistency <yes|no>', 'is it declared what may be read in one region after a write in the other?')
    .option('--budget <fleets>', 'one-fleet or two-fleets')
    .option('--cold-start <duration>', 'until all is ready where nothing ran, p95 of drills, e.g. 4m')
    .option('--pinned <yes|no>', "do a region's fleets reach Temporal, codec servers and data by addresses of that region?")
    .option('--serve-both <yes|no>', 'do both regions have to serve users while all is well?')
    .option('--region-bound <yes|no>', 'is there data that may not leave its region?')
    .option(...JSON_OUT)
    .action(async (options: AdviseOptions) => exitWith((await import('../command/advise.ts')).advise(options, shell.say)));
  program
    .command('report')
    .description(
      'what services in observe and advise would have done, beside what their providers really did; what stands against promoting them',
    )
    .requiredOption(...CONFIG)
    .option('-s, --service <name>', 'only this one')
    .option(...SINCE)
    .option(...JSON_OUT)
    .action(async (options: ReportOptions) => exitWith((await import('../command/report.ts')).report(options, shell.desk())));
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
    .action(async (options: PromoteOptions) => exitWith((await import('../command/promote.ts')).promote(options, shell.desk())));
};

// `tidegate audit verify|export|list`: are the records whole, take them elsewhere, look at them. Reads the store that a replica's file names, or an export.
import { closeSync, existsSync, fsyncSync, openSync, readSync, renameSync, statSync, unlinkSync, writeSync } from 'node:fs';
import { StringDecoder } from 'node:string_decoder';
import { exportLines, untilStill, verifyStore } from '../audit/export.ts';
import { createFileVerifier } from '../audit/export-file.ts';
import type { AuditLine } from '../audit/lines.ts';
import { readAuditLines } from '../audit/read.ts';
import { contradictions, type Verified } from '../audit/verify.ts';
import { loadConfig } from '../config/load.ts';
import type { ReplicaConfig } from '../config/schema.ts';
import { errorText, Fault } from '../errors.ts';
import type { Ports } from '../ports.ts';
import type { Store } from '../store/store.ts';
import { type AuditRow, rowOf, tellRows, tellVerified } from './audit-text.ts';
import { openStoreToRead, type Saying } from './open.ts';
import { sayProblems } from './problems.ts';
import { sinceMs } from './report.ts';

export interface AuditVerifyOptions {
  /** A replica's file. At least one of the two. */
  config?: string;
  /** An export. With `config` as well: the store has to hold what the export holds. */
  file?: string;
  json?: boolean;
}

export interface AuditExportOptions {
  config: string;
  since?: string;
  /** Where it goes; on stdout unless said. */
  out?: string;
}

export interface AuditListOptions {
  config: string;
  since?: string;
  kind?: readonly string[];
  by?: string;
  json?: boolean;
}

export interface AuditContext extends Saying {
  ports: Ports;
  /** How the store is opened; as the replica's file says unless said. */
  open?: (config: ReplicaConfig, ports: Ports) => Promise<Store>;
}

/** Runs `work` with the store that the file names. Out: its exit code, or 78 when the file is not accepted. */
const withStore = async (
  path: string,
  json: boolean | undefined,
  context: AuditContext,
  work: (store: Store, nowMs: number) => Promise<number>,
): Promise<number> => {
  const loaded = loadConfig(path);
  if (!loaded.ok) return sayProblems(loaded.problems, json, context);
  const store = await (context.open ?? openStoreToRead)(loaded.config, context.ports);
  try {
    return await work(store, Math.round(context.ports.clock.wallMs()));
  } finally {
    await store.close();
  }
};

const CHUNK_BYTES = 256 * 1024;
/** A record may have 4 MiB; a line has little more than its record. */
const LINE_CHARS_MAX = 8 * 1024 * 1024;

const opened = (path: string): number => {
  try {
    if (statSync(path).isDirectory()) throw new Error('is a folder');
    return openSync(path, 'r');
  } catch (error) {
    throw new Fault('ERR_USAGE', `--file ${path}: ${errorText(error)}; name what tidegate audit export wrote`, { cause: error });
  }
};

/** The lines of a file, a piece of it in memory at a time. */
function* linesOf(path: string): Generator<string> {
  const fd = opened(path);
  try {
    const decoder = new StringDecoder('utf8');
    const chunk = Buffer.alloc(CHUNK_BYTES);
    let rest = '';
    for (let size = readSync(fd, chunk); size > 0; size = readSync(fd, chunk)) {
      const pieces = (rest + decoder.write(chunk.subarray(0, size))).split('\n');
      rest = pieces.pop() ?? '';
      if (rest.length > LINE_CHARS_MAX) throw new Fault('ERR_USAGE', `--file ${path}: a line of more than 4 MiB; this is no export`);
      yield* pieces;
    }
    rest += decoder.end();
    if (rest !== '') yield rest;
  } finally {
    closeSync(fd);
  }
}

const verifyFile = (path: string): Verified => {
  const verifier = createFileVerifier();
  for (const line of linesOf(path)) verifier.line(line);
  if (!verifier.any())
    throw new Fault('ERR_USAGE', `--file ${path}: not one line of it is of an export; name what tidegate audit export wrote`);
  return { report: verifier.end(), hashes: verifier.hashes };
};

const tell = (verified: Verified, what: string, { json }: AuditVerifyOptions, { out }: Saying): number => {
  const { text, data } = tellVerified(verified.report, what);
  out(json === true ? data : text);
  const [first] = verified.report.findings;
  if (first !== undefined) throw new Fault('ERR_AUDIT', `${what}: ${first.what}: ${first.because}`);
  return 0;
};

/** Verifies. Exit codes: 0 whole, 78 when the file is not accepted; throws Fault ERR_AUDIT with the first broken place, ERR_USAGE, and what the store throws. */
export const auditVerify = async (options: AuditVerifyOptions, context: AuditContext): Promise<number> => {
  const { config, file } = options;
  if (config === undefined && file === undefined)
    throw new Fault('ERR_USAGE', 'name the store with -c FILE, an export with --file FILE, or both');
  const then = file === undefined ? null : verifyFile(file);
  if (config === undefined) return tell(then as Verified, file ?? '', options, context);
  return withStore(config, options.json, context, async (store, nowMs) => {
    const now = await verifyStore(store, nowMs);
    if (then === null) return tell(now, 'the store', options, context);
    const findings = [
      ...now.report.findings,
      ...then.report.findings.map((finding) => ({ ...finding, because: `in the export, ${finding.because}` })),
      ...contradictions(then, now),
    ];
    const report = { ...now.report, ok: findings.length === 0, findings };
    return tell({ ...now, report }, 'the store beside the export', options, context);
  });
};

/** Whole and on the disk, or not there at all. */
const writeWhole = async (path: string, fill: (write: (text: string) => void) => Promise<void>): Promise<void> => {
  // What is no file would be replaced by one: a device, of all things, for the whole machine.
  if (existsSync(path) && !statSync(path).isFile())
    throw new Fault('ERR_USAGE', `-o ${path}: is there already and is no file; name a file, or leave -o out for stdout`);
  const part = `${path}.part`;
  const fd = openPart(part);
  try {
    await fill((text) => void writeSync(fd, text));
    fsyncSync(fd);
    renameSync(part, path);
  } catch (error) {
    unlinkSync(part);
    throw error;
  } finally {
    closeSync(fd);
  }
};

const openPart = (part: string): number => {
  try {
    return openSync(part, 'w', 0o600);
  } catch (error) {
    throw new Fault('ERR_USAGE', `-o: ${errorText(error)}; its folder must exist and be writable`, { cause: error });
  }
};

/** Exports. Exit codes: 0, 78 when the file is not accepted; throws Fault ERR_USAGE and what the store throws. */
export const auditExport = async (options: AuditExportOptions, context: AuditContext): Promise<number> => {
  const spanMs = options.since === undefined ? null : sinceMs(options.since);
  const { out: path } = options;
  return withStore(options.config, false, context, async (store, nowMs) => {
    const reading = { nowMs, sinceMs: spanMs === null ? null : nowMs - spanMs };
    let lines = 0;
    const copy = async (write: (text: string) => void): Promise<void> => {
      lines = 0;
      for await (const text of exportLines(store, reading)) {
        lines += 1;
        write(text);
      }
    };
    // What is on stdout already cannot be taken back: the line that would be its seal is missing then, which whoever verifies it is told.
    if (path === undefined) await copy(context.out);
    else await untilStill(() => writeWhole(path, copy));
    context.err(`${lines} lines${path === undefined ? '' : ` in ${path}, readable by its owner only`}\n`);
    return 0;
  });
};

const DEFAULT_SPAN = '7d';
/** Rows shown, the newest. */
const ROWS_MAX = 1_000;

const isWanted = (row: AuditRow, { kind, by }: AuditListOptions): boolean =>
  (kind === undefined || kind.includes(row.kind)) && (by === undefined || row.by.includes(by));

/** Lists. Exit codes: 0, 78 when the file is not accepted; throws Fault ERR_USAGE and what the store throws. */
export const auditList = async (options: AuditListOptions, context: AuditContext): Promise<number> => {
  const spanMs = sinceMs(options.since ?? DEFAULT_SPAN);
  return withStore(options.config, options.json, context, async (store, nowMs) => {
    const rows = await untilStill(async () => {
      const found: AuditRow[] = [];
      for await (const line of readAuditLines(store, { nowMs, sinceMs: nowMs - spanMs })) takeRow(found, line, options);
      return found;
    });
    rows.sort((a, b) => a.atMs - b.atMs);
    const { text, data } = tellRows(rows.slice(-ROWS_MAX), rows.length);
    context.out(options.json === true ? data : text);
    return 0;
  });
};

const takeRow = (rows: AuditRow[], line: AuditLine, options: AuditListOptions): void => {
  const row = rowOf(line);
  if (row !== null && isWanted(row, options)) rows.push(row);
};

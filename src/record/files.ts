// Recordings as files: compressed NDJSON in one folder, a file per recorder and hour. Each append is a gzip member of its own, so that what a crash cuts
// off is the last piece of one file and nothing else. The reader takes what is there up to such a cut; what is no recording it refuses with its place.
import { createReadStream, statSync } from 'node:fs';
import { mkdir, open, readdir, rm, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Readable } from 'node:stream';
import { promisify } from 'node:util';
import { constants, createGunzip, gzip } from 'node:zlib';
import { errorText, Fault } from '../errors.ts';
import { parseLine, type RecordLine } from './lines.ts';
import type { RecordDisk } from './recorder.ts';

const SUFFIX = '.ndjson.gz';

const compress = promisify(gzip);

/** The files of one recorder in `folder`, which is made if need be. They are their owner's only. */
export const fileRecordDisk = (folder: string, region: string, replica: string): RecordDisk => {
  const isOurs = (name: string): boolean => name.startsWith(`${region}+${replica}+`) && name.endsWith(SUFFIX);
  return {
    async list() {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      const names = (await readdir(folder)).filter(isOurs).sort();
      return Promise.all(names.map(async (name) => ({ name, bytes: (await stat(join(folder, name))).size })));
    },
    async append(name, text) {
      const bytes = await compress(text);
      const file = await open(join(folder, name), 'a', 0o600);
      try {
        await file.writeFile(bytes);
      } finally {
        await file.close();
      }
      return bytes.length;
    },
    remove: (name) => rm(join(folder, name), { force: true }),
  };
};

// ---- reading ----

/** A longer line is none of ours. */
const LINE_BYTES_MAX = 8 * 1024 * 1024;

export interface RecordFile {
  path: string;
  /** Reads it from its start. Throws Fault ERR_RECORD where it is no recording. */
  lines(): AsyncGenerator<RecordLine>;
  /** Known once it has been read: the last line was cut off in mid-write. */
  isCut(): boolean;
}

const refuse = (path: string, line: number | null, problem: string, cause?: unknown): Fault =>
  new Fault('ERR_RECORD', `${path}${line === null ? '' : `:${line}`}: ${problem}`, cause === undefined ? {} : { cause });

/** Text of the file as it was recorded, or as somebody unpacked it. A cut in the last piece is no error; other damage is. */
const textOf = (path: string): Readable => {
  const bytes = createReadStream(path);
  if (!path.endsWith('.gz')) return bytes;
  const unpacked = createGunzip({ finishFlush: constants.Z_SYNC_FLUSH });
  bytes.once('error', (error) => unpacked.destroy(error));
  return bytes.pipe(unpacked);
};

/** Whole lines with their numbers; what stands after the last line end is handed over as `rest`. */
async function* linesOf(path: string): AsyncGenerator<{ raw: string; number: number; isWhole: boolean }> {
  let rest = Buffer.alloc(0);
  let number = 0;
  try {
    for await (const chunk of textOf(path)) {
      let bytes: Buffer = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10)) {
        number += 1;
        yield { raw: bytes.toString('utf8', 0, end), number, isWhole: true };
        bytes = bytes.subarray(end + 1);
      }
      if (bytes.length > LINE_BYTES_MAX)
        throw refuse(path, number + 1, `found a line of more than ${LINE_BYTES_MAX} bytes, expected a recording`);
      rest = Buffer.from(bytes);
    }
  } catch (error) {
    if (error instanceof Fault) throw error;
    const found = `found bytes that cannot be ${path.endsWith('.gz') ? 'unpacked' : 'read'} (${errorText(error)})`;
    throw refuse(path, number + 1, `${found}, expected a recording; everything before this line is sound`, error);
  }
  if (rest.length > 0) yield { raw: rest.toString('utf8'), number: number + 1, isWhole: false };
}

export const recordFile = (path: string): RecordFile => {
  let cut = false;
  return {
    path,
    isCut: () => cut,
    async *lines() {
      let hasHeader = false;
      for await (const { raw, number, isWhole } of linesOf(path)) {
        const read = parseLine(raw);
        if ('problem' in read && !isWhole && hasHeader) {
          cut = true;
          return;
        }
        if ('problem' in read) throw refuse(path, number, read.problem);
        if ('skip' in read) continue;
        if (!hasHeader && read.line.kind !== 'header')
          throw refuse(path, number, `found a line of kind ${read.line.kind}, expected the header first`);
        hasHeader = true;
        yield read.line;
      }
      if (!hasHeader) throw refuse(path, null, 'found nothing in it, expected a recording');
    },
  };
};

const kindOf = (path: string): 'file' | 'folder' => {
  try {
    return statSync(path).isDirectory() ? 'folder' : 'file';
  } catch (error) {
    throw refuse(path, null, `found nothing readable (${errorText(error)}), expected a recording or a folder of them`, error);
  }
};

/** The files that these paths name: recordings, and folders of them. Throws Fault ERR_RECORD for a path that names none. */
export const recordFiles = async (paths: readonly string[]): Promise<readonly RecordFile[]> => {
  const found: string[] = [];
  for (const path of paths) {
    if (kindOf(path) === 'file') {
      found.push(path);
      continue;
    }
    const names = (await readdir(path)).filter((name) => name.endsWith(SUFFIX) || name.endsWith('.ndjson')).sort();
    if (names.length === 0) throw refuse(path, null, `found no file that ends in ${SUFFIX} in this folder, expected recordings`);
    found.push(...names.map((name) => join(path, name)));
  }
  return [...new Set(found)].map(recordFile);
};

/** Which recorder a file belongs to, by its name; a file that was renamed is a recorder of its own. */
const recorderOf = (path: string): string => /^([^+]+\+[^+]+)\+/.exec(basename(path))?.[1] ?? path;

/** A line and who recorded it. */
export interface Recorded {
  /** `region/replica`. */
  by: string;
  line: RecordLine;
}

/** One recorder's files, one after the other. */
async function* course(files: readonly RecordFile[]): AsyncGenerator<Recorded> {
  let by = '';
  for (const file of files)
    for await (const line of file.lines()) {
      if (line.kind === 'header') by = `${line.region}/${line.replica}`;
      yield { by, line };
    }
}

/** All lines of all recorders in the order of their instants. */
export async function* merged(files: readonly RecordFile[]): AsyncGenerator<Recorded> {
  const courses = [...Map.groupBy(files, (file) => recorderOf(file.path)).values()].map((own) => course(own));
  const heads: { next: Recorded; rest: AsyncGenerator<Recorded> }[] = [];
  for (const rest of courses) {
    const { value, done } = await rest.next();
    if (done !== true) heads.push({ next: value, rest });
  }
  while (heads.length > 0) {
    const first = heads.reduce((best, head) => (head.next.line.atMs < best.next.line.atMs ? head : best));
    yield first.next;
    const { value, done } = await first.rest.next();
    if (done === true) heads.splice(heads.indexOf(first), 1);
    else first.next = value;
  }
}

// Where a region keeps its own pages while the store does not take them: lines of JSON in a local file, each on disk before anybody is told. A restart
// goes on where this one stopped. A line that cannot be read (a crash in mid-write) is skipped and said. When every page is in the outbox and nothing is
// open any more, the file is emptied. A disk that fails keeps nobody from being paged: what it did not take stays in memory and is written with the next.
// One process per file: the replica's name is its lock.
import type { Disk } from '../disk.ts';
import { errorText } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Page } from '../model.ts';
import { type Ports, withDeadline } from '../ports.ts';
import type { OpenSubject } from './alone.ts';
import { isPage } from './retention.ts';

export interface SpooledPage {
  subject: string;
  /** Takes the subject back. */
  ends: boolean;
  /** Instant from which the subject counts; cluster time. */
  sinceAtMs: number;
  page: Page;
}

export interface Spool {
  /** Not in the outbox as far as is known, oldest first, with the marks of who was told. */
  pages(): readonly SpooledPage[];
  open(): ReadonlyMap<string, OpenSubject>;
  /** Pages adopted since the store was last lost. */
  adopted(): number;
  /** No room for subjects that begin; what ends one is always taken. */
  isFull(): boolean;
  add(entries: readonly SpooledPage[]): Promise<void>;
  told(id: string, channel: string): Promise<void>;
  /** The outbox is known to have these. */
  adopt(ids: readonly string[]): Promise<void>;
}

type Line =
  | ({ kind: 'page' } & SpooledPage)
  | { kind: 'told'; id: string; channel: string }
  | { kind: 'adopted'; ids: readonly string[] }
  | { kind: 'count'; adopted: number };

/** Pages that wait. Each is some kilobytes, so that the file stays below a few megabytes. */
const PAGES_MAX = 200;
/** The file is written anew when it has grown past this. */
const BYTES_MAX = 2 * 1024 * 1024;
/** A disk that hangs must not keep a page. */
const DISK_MS = 2_000;

const isLine = (value: unknown): value is Line => {
  if (typeof value !== 'object' || value === null || !('kind' in value)) return false;
  const line = value as Partial<Record<string, unknown>>;
  switch (line.kind) {
    case 'page':
      return typeof line.subject === 'string' && typeof line.ends === 'boolean' && typeof line.sinceAtMs === 'number' && isPage(line.page);
    case 'told':
      return typeof line.id === 'string' && typeof line.channel === 'string';
    case 'adopted':
      return Array.isArray(line.ids);
    case 'count':
      return typeof line.adopted === 'number';
    default:
      return false;
  }
};

const parsed = (text: string): Line | null => {
  try {
    const value: unknown = JSON.parse(text);
    return isLine(value) ? value : null;
  } catch {
    return null;
  }
};

/** What the lines say together. */
interface Kept {
  pages: Map<string, SpooledPage>;
  open: Map<string, SpooledPage>;
  adopted: number;
}

const apply = (kept: Kept, line: Line): void => {
  switch (line.kind) {
    case 'page': {
      const { kind: _, ...entry } = line;
      if (kept.pages.has(entry.page.id)) return;
      kept.pages.set(entry.page.id, entry);
      if (entry.ends) kept.open.delete(entry.subject);
      else kept.open.set(entry.subject, entry);
      if (entry.subject === 'store' && !entry.ends) kept.adopted = 0;
      return;
    }
    case 'told': {
      const entry = kept.pages.get(line.id);
      if (entry === undefined || entry.page.delivered.includes(line.channel)) return;
      kept.pages.set(line.id, { ...entry, page: { ...entry.page, delivered: [...entry.page.delivered, line.channel] } });
      return;
    }
    case 'adopted':
      for (const id of line.ids) if (kept.pages.delete(id)) kept.adopted += 1;
      return;
    case 'count':
      kept.adopted = line.adopted;
  }
};

/** The fewest lines that say the same. */
const linesOf = (kept: Kept): readonly Line[] => {
  const gone = [...kept.open.values()].filter(({ page }) => !kept.pages.has(page.id));
  const lines: Line[] = [...gone, ...kept.pages.values()].map((entry) => ({ kind: 'page', ...entry }));
  if (gone.length > 0) lines.push({ kind: 'adopted', ids: gone.map(({ page }) => page.id) });
  return lines.length === 0 ? [] : [...lines, { kind: 'count', adopted: kept.adopted }];
};

const textOf = (lines: readonly Line[]): string => lines.map((line) => `${JSON.stringify(line)}\n`).join('');

export interface SpoolOptions {
  disk: Disk;
  ports: Pick<Ports, 'timers'>;
  log: Log;
}

/** Reads what an earlier process left, and writes it anew without what could not be read. Never throws: a disk that fails is said and done without. */
export const openSpool = async ({ disk, ports, log }: SpoolOptions): Promise<Spool> => {
  const kept: Kept = { pages: new Map(), open: new Map(), adopted: 0 };
  let bytes = 0;
  /** The file does not have what memory has. */
  let behind = false;

  const onDisk = async (what: string, work: () => Promise<void>): Promise<void> => {
    try {
      await withDeadline(ports.timers, DISK_MS, what, work);
      behind = false;
    } catch (error) {
      behind = true;
      log.error('spool.failed', { what, because: errorText(error), meanwhile: 'pages are kept in memory only' });
    }
  };
  const rewrite = (): Promise<void> => {
    const text = textOf(linesOf(kept));
    bytes = Buffer.byteLength(text);
    return onDisk('writing the spool anew', () => disk.replace(text));
  };
  // One after the other: an append that passes a rewrite would be lost.
  let tail: Promise<void> = Promise.resolve();
  const write = (lines: readonly Line[]): Promise<void> => {
    if (lines.length === 0) return tail;
    for (const line of lines) apply(kept, line);
    tail = tail.then(() => {
      const text = textOf(lines);
      const isOver = kept.pages.size === 0 && kept.open.size === 0;
      bytes += Buffer.byteLength(text);
      return isOver || behind || bytes > BYTES_MAX ? rewrite() : onDisk('writing to the spool', () => disk.append(text));
    });
    return tail;
  };

  const load = async (): Promise<void> => {
    const text = await withDeadline(ports.timers, DISK_MS, 'reading the spool', () => disk.read());
    if (text === '') return;
    const skipped = text
      .split('\n')
      .filter((raw) => raw !== '')
      .filter((raw) => {
        const line = parsed(raw);
        if (line !== null) apply(kept, line);
        return line === null;
      });
    if (skipped.length > 0)
      log.error('spool.unreadable', { lines: skipped.length, because: 'a write did not end, or the file was changed by others' });
  };
  await load().catch((error: unknown) => log.error('spool.failed', { what: 'reading the spool', because: errorText(error) }));
  // So that nothing is appended to half a line, and a file that cannot be written is noticed now.
  await rewrite();

  return {
    pages: () => [...kept.pages.values()],
    open: () => new Map([...kept.open].map(([subject, { page, sinceAtMs }]) => [subject, { dedupKey: page.dedupKey, sinceAtMs }])),
    adopted: () => kept.adopted,
    isFull: () => kept.pages.size >= PAGES_MAX,
    add: (entries) => write(entries.map((entry) => ({ kind: 'page', ...entry }))),
    told: (id, channel) => write([{ kind: 'told', id, channel }]),
    adopt: (ids) => write([{ kind: 'adopted', ids }]),
  };
};

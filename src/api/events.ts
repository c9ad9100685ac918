// The stream of events of one replica. The store is read once per change, whoever listens; what was read lately is kept in a ring, from which clients are
// served and replayed at their own pace. Nobody waits for a client: one that does not read is dropped, and comes back with the id of what it had.
// Ids are cursors over the two chains and hold on every replica. What only this replica saw (verdicts, say) is told once, under the id of the last record.
import type { ServerResponse } from 'node:http';
import { type Cursor, cursorText, type FeedItem, isAtLeast, parseCursor, readAfter, readNewest } from '../audit/feed.ts';
import type { Sight } from '../coordinate/read.ts';
import { errorText, Fault } from '../errors.ts';
import { type Log, mask } from '../log.ts';
import type { PoolTally } from '../model.ts';
import { type Ports, type Timer, withDeadline } from '../ports.ts';
import type { Run } from '../runbook/model.ts';
import type { PlatformConfig } from '../runbook/platform.ts';
import type { Store } from '../store/store.ts';
import { CONFIDENTIAL, type EventType } from './event-types.ts';
import { type EventView, eventsBetween, eventView, type Happening, happeningsAt, recordHappening, runsBetween } from './events-between.ts';

export interface EventLimits {
  clients: number;
  /** Records kept for replay, in number and in bytes. */
  ring: number;
  ringBytes: number;
  /** Unsent bytes in a client's socket from which it is dropped; what it is sent waits here until the socket has room. */
  dropBytes: number;
  /** Of what only this replica saw, which waits for a client in front of the ring: one that is further behind is dropped. All wait for the same text. */
  waitingBytes: number;
  heartbeatMs: number;
  /** A stream ends after so long, so that whoever listens shows his credentials again. */
  lifeMs: number;
}

const EVENT_LIMITS: EventLimits = {
  clients: 1_000,
  ring: 1_000,
  ringBytes: 4 * 1024 * 1024,
  dropBytes: 256 * 1024,
  // Three regions that die in one look, of 200 services in 20 regions, are 0.4 MB; all of it at once is ten times as much.
  waitingBytes: 8 * 1024 * 1024,
  heartbeatMs: 15_000,
  lifeMs: 3_600_000,
};

export interface EventHubOptions {
  ports: Pick<Ports, 'clock' | 'timers'>;
  log: Log;
  store: Pick<Store, 'get'>;
  region: string;
  replica: string;
  limits?: Partial<EventLimits>;
}

export interface Subscription {
  /** Of the header; null: it was not sent. */
  lastEventId: string | null;
  /** null: all. */
  types: ReadonlySet<EventType> | null;
  service: string | null;
  /** May see what names people's addresses. */
  confidential: boolean;
}

export interface EventHub {
  /** At every look at the store. `tallies` is only asked while somebody listens, and at most once a second. */
  look(sight: Sight, tallies: () => readonly PoolTally[], nowMs: number): void;
  /** At every look at the runs: what changed since the last one is told. */
  lookAtRuns(runs: readonly Run[]): void;
  /** Throws Fault ERR_TOO_MANY, ERR_STOPPING, or ERR_STORE_UNREACHABLE while nothing is known yet; `answer` is asked for the reply when it goes ahead. */
  open(subscription: Subscription, answer: () => ServerResponse): Promise<void>;
  clients(): number;
  /** Ends all streams with a last event. */
  close(): void;
}

interface Kept {
  cursor: Cursor;
  item: Pick<FeedItem, 'chain'> & { number: number };
  happening: Happening;
  frame: string;
}

interface Client extends Subscription {
  res: ServerResponse;
  /** Records up to here are not sent: the client has them. */
  since: Cursor;
  /** Of what it was sent or spared; the id of what comes between records. */
  cursor: Cursor;
  /** Number, within the ring's count, of the record to send next. */
  next: number;
  /** What is no record, oldest first, and how much it is. */
  waiting: string[];
  waitingBytes: number;
  openedAtMs: number;
  /** Bytes that its socket had taken at the last heartbeat, if it was behind then; else null. */
  stuckAt: number | null;
}

const READ_AT_ONCE = 200;
const READ_MS = 3_000;
const RETRY_MS = 1_000;
const LOOK_EVERY_MS = 1_000;
/** Another region's replica may have been so far ahead of this one. */
const AHEAD_MAX = 16;
/** A stream that was ended has so long to be read to its end. */
const LINGER_MS = 250;
/** Written at once: much less than what a client is dropped for. */
const WRITE_CHARS = 32 * 1024;
const RETRY_FRAME = 'retry: 2000\n\n';
const HEARTBEAT_FRAME = ': still here\n\n';

const bodyOf = ({ event }: Happening): string => `event: ${event.type}\ndata: ${JSON.stringify(mask(event))}\n\n`;
const frameOf = (cursor: Cursor, body: string): string => `id: ${cursorText(cursor)}\n${body}`;

const wants = ({ types, service, confidential }: Subscription, { event, services }: Happening): boolean =>
  (types === null || types.has(event.type)) &&
  (service === null || services === null || services.includes(service)) &&
  (confidential || !CONFIDENTIAL.has(event.type));

export const createEventHub = ({ ports, log, store, region, replica, limits: given = {} }: EventHubOptions): EventHub => {
  const limits: EventLimits = { ...EVENT_LIMITS, ...given };
  const clients = new Set<Client>();
  let ring: Kept[] = [];
  /** How many records were taken out of the ring: the number of its first one. */
  let gone = 0;
  let bytes = 0;
  let floor: Cursor = { v: 0, n: 0 };
  let known: Cursor | null = null;
  let wanted: Cursor | null = null;
  let reading: Promise<void> | null = null;
  let retryAtMs = 0;
  let before: EventView | null = null;
  let platforms: readonly PlatformConfig[] = [];
  let runsBefore: readonly Run[] | null = null;
  let lookedAtMs = Number.NEGATIVE_INFINITY;
  let nowMs = 0;
  let heartbeat: Timer | null = null;
  let isClosed = false;

  // ---- one client ----

  const write = (client: Client, text: string): void => {
    if (client.res.writableLength + text.length > limits.dropBytes)
      end(client, 'it was not read fast enough: come back with Last-Event-ID');
    else client.res.write(text);
  };
  const tell = (client: Client, happening: Happening): void => write(client, frameOf(client.cursor, bodyOf(happening)));

  const end = (client: Client, because: string): void => {
    if (!clients.delete(client)) return;
    const { res } = client;
    res.end(frameOf(client.cursor, bodyOf(happeningsAt(nowMs)('stream.closed', { because }))));
    ports.timers.after(LINGER_MS, () => res.destroy(), { background: true });
  };

  const startOf = ({ next }: Pick<Client, 'next'>): Cursor => (next <= gone ? floor : (known ?? floor));

  const reset = (client: Client, from: string | null, because: string): void => {
    client.cursor = startOf(client);
    tell(client, happeningsAt(nowMs)('stream.reset', { from, to: cursorText(client.cursor), because }));
  };

  const has = ({ since }: Client, { item }: Kept): boolean => item.number <= (item.chain === 'decisions' ? since.v : since.n);

  /** Sends what waits for a client, as many at once as fill its buffer. */
  const flush = (client: Client): void => {
    while (clients.has(client) && client.waiting.length > 0 && !client.res.writableNeedDrain) {
      let text = '';
      let sent = 0;
      for (const body of client.waiting) {
        if (text.length >= WRITE_CHARS) break;
        text += frameOf(client.cursor, body);
        client.waitingBytes -= body.length;
        sent += 1;
      }
      client.waiting.splice(0, sent);
      write(client, text);
    }
  };

  /** Sends what there is for a client until its buffer is full; it goes on when that is empty. */
  const pump = (client: Client): void => {
    flush(client);
    if (client.waiting.length > 0) return;
    if (client.next < gone) {
      const from = cursorText(client.cursor);
      client.next = gone;
      reset(client, from, 'more happened than is kept here');
    }
    while (clients.has(client) && client.next < gone + ring.length && !client.res.writableNeedDrain) {
      const kept = ring[client.next - gone];
      client.next += 1;
      if (kept === undefined || has(client, kept)) continue;
      client.cursor = kept.cursor;
      if (wants(client, kept.happening)) write(client, kept.frame);
    }
  };

  const beat = (): void => {
    for (const client of clients) {
      const isBehind = client.waiting.length > 0 || client.next < gone + ring.length || client.res.writableNeedDrain;
      const { bytesWritten = 0, writableLength = 0 } = client.res.socket ?? {};
      const taken = bytesWritten - writableLength;
      if (isBehind && client.stuckAt === taken) end(client, 'it was not read for too long: come back with Last-Event-ID');
      else if (ports.clock.monoMs() - client.openedAtMs > limits.lifeMs)
        end(client, 'a stream ends after an hour: come back with Last-Event-ID');
      else if (!isBehind) write(client, HEARTBEAT_FRAME);
      client.stuckAt = isBehind ? taken : null;
    }
    heartbeat = clients.size > 0 ? ports.timers.after(limits.heartbeatMs, beat, { background: true }) : null;
  };

  // ---- the records ----

  const keep = (items: readonly FeedItem[]): void => {
    for (const item of items) {
      const happening = happeningOf(item);
      if (happening === null) continue;
      const number = item.chain === 'decisions' ? item.record.v : item.record.n;
      const frame = frameOf(item.cursor, bodyOf(happening));
      ring.push({ cursor: item.cursor, item: { chain: item.chain, number }, happening, frame });
      bytes += frame.length;
    }
    while (ring.length > limits.ring || (bytes > limits.ringBytes && ring.length > 0)) {
      const oldest = ring.shift();
      if (oldest === undefined) break;
      gone += 1;
      bytes -= oldest.frame.length;
      floor = oldest.cursor;
    }
  };

  const happeningOf = (item: FeedItem): Happening | null => {
    try {
      return recordHappening(item);
    } catch (error) {
      log.warn('events.record', { id: cursorText(item.cursor), because: errorText(error) });
      return null;
    }
  };

  const loadNewest = async (heads: Cursor, signal: AbortSignal): Promise<void> => {
    const page = await readNewest(store, heads, Math.ceil(limits.ring / 2), signal);
    const isRestored = known !== null;
    gone += ring.length;
    ring = [];
    bytes = 0;
    floor = page.floor;
    keep(page.items);
    const from = known;
    known = heads;
    for (const client of clients) {
      client.since = heads;
      client.next = gone + ring.length;
      if (isRestored && from !== null) reset(client, cursorText(from), 'the store went back to an earlier state');
    }
  };

  const readOn = async (signal: AbortSignal): Promise<void> => {
    for (let heads = wanted; heads !== null && (known === null || known.v !== heads.v || known.n !== heads.n); heads = wanted) {
      if (known === null || !isAtLeast(heads, known)) await loadNewest(heads, signal);
      else {
        const page = await readAfter(store, known, heads, READ_AT_ONCE, signal);
        keep(page.items);
        known = page.cursor;
      }
      for (const client of clients) pump(client);
    }
  };

  const catchUp = (): void => {
    if (reading !== null || isClosed || wanted === null || ports.clock.monoMs() < retryAtMs) return;
    if (known !== null && known.v === wanted.v && known.n === wanted.n) return;
    reading = withDeadline(ports.timers, READ_MS, 'reading what happened', readOn)
      .catch((error: unknown) => {
        retryAtMs = ports.clock.monoMs() + RETRY_MS;
        log.debug('events.unread', { because: errorText(error) });
      })
      .finally(() => {
        reading = null;
      });
  };

  /** What nobody listened to is not compared with: it would all be told at once. */
  const compare = (sight: Sight, tallies: () => readonly PoolTally[]): void => {
    if (clients.size === 0) {
      before = null;
      return;
    }
    const at = ports.clock.monoMs();
    if (before !== null && at - lookedAtMs < LOOK_EVERY_MS) return;
    lookedAtMs = at;
    const after = eventView(sight, tallies(), nowMs);
    const happened = before === null || after === null ? [] : eventsBetween(before, after);
    before = after;
    tellAll(happened);
  };

  /** Thousands of targets change together when regions die: each change is put into words once for all, and leaves at each client's own pace. */
  const tellAll = (happened: readonly Happening[]): void => {
    const told = happened.map((happening) => ({ happening, body: bodyOf(happening) }));
    for (const client of clients) {
      for (const { happening, body } of told) {
        if (!wants(client, happening)) continue;
        client.waiting.push(body);
        client.waitingBytes += body.length;
      }
      if (client.waitingBytes > limits.waitingBytes) end(client, 'it was not read fast enough: come back with Last-Event-ID');
      else flush(client);
    }
  };

  // ---- coming and going ----

  const admit = (): void => {
    if (isClosed) throw new Fault('ERR_STOPPING', 'this process is stopping: listen to another replica');
    if (clients.size >= limits.clients)
      throw new Fault('ERR_TOO_MANY', `${clients.size} listen here already (limit ${limits.clients}): listen to another replica`);
  };

  /** Where a client that has `lastEventId` begins. */
  const placeOf = (
    lastEventId: string | null,
    now: Cursor,
  ): Pick<Client, 'since' | 'cursor' | 'next'> & { lost: string | null; from: string | null } => {
    const live = { since: now, cursor: now, next: gone + ring.length };
    if (lastEventId === null) return { ...live, lost: null, from: null };
    const asked = parseCursor(lastEventId);
    if (asked === null) return { ...live, lost: 'the id is none of ours', from: null };
    const from = cursorText(asked);
    if (asked.v > now.v + AHEAD_MAX || asked.n > now.n + AHEAD_MAX)
      return { ...live, lost: 'the id is ahead of everything that is known here', from };
    const isKept = isAtLeast(asked, floor);
    return { since: asked, cursor: asked, next: gone, lost: isKept ? null : 'more happened than is kept here', from };
  };

  return {
    look(sight, tallies, atMs) {
      nowMs = atMs;
      platforms = sight.cluster?.platforms ?? [];
      wanted = { v: sight.routing?.v ?? 0, n: sight.journal?.n ?? 0 };
      catchUp();
      compare(sight, tallies);
    },
    lookAtRuns(runs) {
      if (runsBefore !== null && clients.size > 0) tellAll(runsBetween(runsBefore, runs, platforms, nowMs));
      runsBefore = runs;
    },
    async open(subscription, answer) {
      admit();
      catchUp();
      if (known === null) await reading;
      if (known === null) throw new Fault('ERR_STORE_UNREACHABLE', 'nothing is known here yet; it is read from the store: try again');
      // Others may have come in the meantime.
      admit();
      const { lost, from, ...place } = placeOf(subscription.lastEventId, known);
      const res = answer();
      const begun = { waiting: [], waitingBytes: 0, openedAtMs: ports.clock.monoMs(), stuckAt: null };
      const client: Client = { ...subscription, ...place, ...begun, res };
      clients.add(client);
      res.once('close', () => clients.delete(client));
      res.on('drain', () => pump(client));
      write(client, RETRY_FRAME);
      if (lost !== null) client.cursor = startOf(client);
      tell(client, happeningsAt(nowMs)('stream.opened', { cursor: cursorText(client.cursor), region, replica }));
      if (lost !== null) reset(client, from, lost);
      pump(client);
      heartbeat ??= ports.timers.after(limits.heartbeatMs, beat, { background: true });
    },
    clients: () => clients.size,
    close() {
      isClosed = true;
      heartbeat?.cancel();
      for (const client of clients) end(client, 'this process is stopping: listen to another replica');
    },
  };
};

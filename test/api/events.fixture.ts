// Readers of the event stream, and replicas of one cluster over one store: what a hub sees is what a coordinator's loop would read.
import http from 'node:http';
import { createEventHub, type EventHub, type EventLimits } from '../../src/api/events.ts';
import { type Api, createApi } from '../../src/api/server.ts';
import { append } from '../../src/audit/append.ts';
import { decisionHash } from '../../src/audit/lines.ts';
import { auditKey, KEYS } from '../../src/coordinate/keys.ts';
import { SIGHT_QUERY, type Sight, sightOf } from '../../src/coordinate/read.ts';
import { createRevisionClock } from '../../src/coordinate/revision-clock.ts';
import type { Audit, PoolTally } from '../../src/model.ts';
import { realPorts } from '../../src/ports.ts';
import type { Store } from '../../src/store/store.ts';
import { decisionsOf } from '../audit/chains.ts';
import { AUTHORIZED, NOW_MS, type Opened, openApi } from './fixture.ts';

export const ports = realPorts();

export const sightNow = async (store: Store): Promise<Sight> =>
  sightOf(await store.get(SIGHT_QUERY), createRevisionClock(), ports.clock.monoMs(), new Map());

export interface Frame {
  id: string;
  event: string;
  data: { type: string; timestamp: string; data: Record<string, unknown> };
}

export interface Reader {
  readonly frames: Frame[];
  readonly comments: string[];
  status: number;
  headers: http.IncomingHttpHeaders;
  ended: boolean;
  /** Stops reading, so that the other side's buffers fill. */
  pause(): void;
  resume(): void;
  until(when: (frames: readonly Frame[]) => boolean): Promise<void>;
  close(): void;
}

const frameOf = (block: string): Frame | null => {
  const fields = new Map(block.split('\n').map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)] as const));
  const data = fields.get('data');
  return data === undefined ? null : { id: fields.get('id') ?? '', event: fields.get('event') ?? '', data: JSON.parse(data) };
};

/** Resolves when the reply has begun. */
export const listen = (port: number, given: { path?: string; headers?: Record<string, string> } = {}): Promise<Reader> =>
  new Promise((resolve, reject) => {
    const headers = { accept: 'text/event-stream', ...given.headers };
    const sent = http.get({ host: '127.0.0.1', port, path: given.path ?? '/v1/events', headers, agent: false }, (reply) => {
      let rest = '';
      const waiting = new Set<() => void>();
      const reader: Reader = {
        frames: [],
        comments: [],
        status: reply.statusCode ?? 0,
        headers: reply.headers,
        ended: false,
        pause: () => void reply.pause(),
        resume: () => void reply.resume(),
        until: (when) =>
          new Promise((done, failed) => {
            const look = (): void => {
              if (!when(reader.frames)) {
                if (reader.ended) failed(new Error(`ended with ${JSON.stringify(reader.frames.slice(-3))}`));
                return;
              }
              waiting.delete(look);
              done();
            };
            waiting.add(look);
            look();
          }),
        close: () => void sent.destroy(),
      };
      const tellAll = (): void => {
        for (const look of waiting) look();
      };
      reply.setEncoding('utf8');
      reply.on('data', (text: string) => {
        const blocks = (rest + text).split('\n\n');
        rest = blocks.pop() ?? '';
        for (const block of blocks) {
          const frame = frameOf(block);
          if (frame === null) reader.comments.push(block);
          else reader.frames.push(frame);
        }
        tellAll();
      });
      const over = (): void => {
        reader.ended = true;
        tellAll();
      };
      reply.on('end', over);
      reply.on('error', over);
      reply.on('close', over);
      resolve(reader);
    });
    sent.on('error', reject);
  });

export interface Site {
  hub: EventHub;
  api: Api;
  /** Lets this replica look at the store, a second after it last did. */
  look(tallies?: readonly PoolTally[]): Promise<void>;
}

/** Replicas over one store. */
export const openSites = async (names: readonly string[], limits: Partial<EventLimits> = {}) => {
  const base: Opened = openApi();
  const { store } = base;
  const hubs: Site[] = [];
  let laterMs = 0;
  const clock = { ...ports.clock, monoMs: () => ports.clock.monoMs() + laterMs };
  for (const name of names) {
    const hub = createEventHub({ ports: { ...ports, clock }, log: base.log, store, region: name, replica: 'a', limits });
    const api = await createApi({ ...base.options, events: hub, port: 0 });
    const look = async (tallies: readonly PoolTally[] = []): Promise<void> => {
      laterMs += 1_000;
      hub.look(await sightNow(store), () => tallies, NOW_MS);
    };
    hubs.push({ hub, api, look });
  }
  let last: Audit | null = null;
  return {
    store,
    sites: hubs as [Site, Site],
    /** The next `count` decisions; with a sentence of one's own they are no chain. */
    async decide(count = 1, because?: string) {
      for (const audit of decisionsOf(count, (last?.v ?? 0) + 1, last === null ? '' : decisionHash(last))) {
        last = audit;
        await store.txn({
          if: [],
          then: [
            { put: auditKey(audit.v), value: because === undefined ? audit : { ...audit, because } },
            { put: KEYS.routing, value: { v: audit.v, auditHash: decisionHash(audit), services: {}, open: {} } },
          ],
        });
      }
    },
    enter: (because: string, kind: 'override.put' | 'auth.refused' = 'override.put') =>
      append(store, ports, { kind, by: 'ana', how: 'token', because, detail: { service: 'web' }, atMs: NOW_MS, nonce: because }),
    look: (tallies?: readonly PoolTally[]) => Promise.all(hubs.map(({ look }) => look(tallies))),
    async close() {
      for (const { api } of hubs) await api.close(100);
      await base.close();
    },
  };
};

export { AUTHORIZED };

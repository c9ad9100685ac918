// The stream of events: parsed however it is cut, continued at the next endpoint from the last event seen, each told once.
import type { ServerResponse } from 'node:http';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { eventParser, followEvents, type StreamEvent } from '../../src/client/events.ts';
import { realPorts } from '../../src/ports.ts';
import { type Answering, caller, endpoint, hang, problem } from './servers.ts';

const STREAM =
  ': hello\r\nretry: 2000\r\n\r\nid: 7\nevent: override.created\ndata: {"a":1}\ndata: {"b":2}\n\nid: 8\r\ndata: x\r\n\r\n\nevent: none\n\ndata:y\n\n';
const PARSED: readonly StreamEvent[] = [
  { id: '7', type: 'override.created', data: '{"a":1}\n{"b":2}' },
  { id: '8', type: 'message', data: 'x' },
  { id: '8', type: 'message', data: 'y' },
];

test('a stream is the same however it is cut', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: STREAM.length }), { maxLength: 12 }), (cuts) => {
      const at = [0, ...cuts.toSorted((a, b) => a - b), STREAM.length];
      const parser = eventParser();
      expect(at.slice(1).flatMap((end, n) => [...parser.push(STREAM.slice(at[n], end))])).toEqual(PARSED);
    }),
  );
});

test('a line without end is not gathered for ever', () => {
  const parser = eventParser();
  expect(() => parser.push('x'.repeat(1024 * 1024 + 1))).toThrow('longer');
});

const stream =
  (send: (reply: ServerResponse, lastId: string | undefined) => void): Answering =>
  ({ headers }, reply) => {
    reply.writeHead(200, { 'content-type': 'text/event-stream' });
    send(reply, headers['last-event-id'] as string | undefined);
  };
const say = (reply: ServerResponse, id: number): void => void reply.write(`id: ${id}\nevent: tick\ndata: {"n":${id}}\n\n`);

test('it goes on at the next endpoint from the last event, and tells each once', async () => {
  const stop = new AbortController();
  await using first = await endpoint(
    stream((reply) => {
      say(reply, 1);
      say(reply, 2);
      reply.end();
    }),
  );
  await using second = await endpoint(
    stream((reply, lastId) => {
      // It replays one too many, as a server that cannot tell would.
      for (let id = Number(lastId ?? 0); id <= 4; id += 1) say(reply, id);
    }),
  );
  await using asking = caller([first.url, second.url]);
  const told: StreamEvent[] = [];
  await followEvents({
    exchange: asking.exchange,
    ports: realPorts(),
    path: '/v1/events',
    sinceId: null,
    signal: stop.signal,
    note: () => undefined,
    pauseMs: 1,
    onEvent: (event) => {
      told.push(event);
      if (event.id === '4') stop.abort();
    },
  });
  expect(told.map(({ id }) => id)).toEqual(['1', '2', '3', '4']);
  expect(second.asked[0]?.headers['last-event-id']).toBe('2');
  expect(first.asked[0]?.headers.accept).toBe('text/event-stream');
});

test('a stream that falls silent is given up for the next', async () => {
  const stop = new AbortController();
  await using first = await endpoint(stream((reply) => say(reply, 1)));
  await using second = await endpoint(stream((reply) => say(reply, 2)));
  await using asking = caller([first.url, second.url]);
  const told: (string | null)[] = [];
  await followEvents({
    exchange: asking.exchange,
    ports: realPorts(),
    path: '/v1/events',
    sinceId: '0',
    signal: stop.signal,
    note: () => undefined,
    pauseMs: 1,
    silenceMs: 200,
    onEvent: ({ id }) => {
      told.push(id);
      if (id === '2') stop.abort();
    },
  });
  expect(told).toEqual(['1', '2']);
});

test('what no endpoint would answer better ends it; an endpoint that hangs does not', async () => {
  const following = {
    ports: realPorts(),
    path: '/v1/events',
    sinceId: null,
    signal: new AbortController().signal,
    note: () => undefined,
    pauseMs: 1,
    onEvent: () => undefined,
  };
  await using hanging = await endpoint(hang);
  await using strict = await endpoint((_asked, reply) => problem(reply, 401, 'ERR_UNAUTHORIZED'));
  await using asking = caller([hanging.url, strict.url], { tryMs: 300 });
  await expect(followEvents({ ...following, exchange: asking.exchange })).rejects.toMatchObject({ code: 'ERR_UNAUTHORIZED' });
});

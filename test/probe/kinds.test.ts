// What holds for every kind of probe in the table. A new kind adds its scheme here and passes, or the test says so.
import { getEventListeners } from 'node:events';
import net from 'node:net';
import { describe, expect, test } from 'vitest';
import type { ProbeSpec } from '../../src/model.ts';
import { PROBE_KINDS } from '../../src/probe/index.ts';
import { userAgentOf } from '../../src/probe/kind.ts';
import { startGrpcOrigin } from './grpc-origin.ts';
import { answer, deadPort, lookAt, type Origin, startOrigin } from './origin.ts';

const SPECS: { [S in ProbeSpec as S['kind']]: (host: string, port: number) => S } = {
  http: (host, port) => ({ kind: 'http', url: `http://${host}:${port}/`, status: [[200, 299]] }),
  tcp: (host, port) => ({ kind: 'tcp', url: `tcp://${host}:${port}` }),
  grpc: (host, port) => ({ kind: 'grpc', url: `grpc://${host}:${port}` }),
};

/** A target that is well. */
const ok = (): Promise<Origin> => startOrigin(answer('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n'));
const GOOD: { [S in ProbeSpec as S['kind']]: () => Promise<Pick<Origin, 'port' | typeof Symbol.asyncDispose>> } = {
  http: ok,
  tcp: ok,
  grpc: () => startGrpcOrigin(),
};

describe.each(Object.entries(PROBE_KINDS))('%s', (name, kind) => {
  const spec = SPECS[name as keyof typeof SPECS];
  const good = GOOD[name as keyof typeof GOOD];

  test('is entered under its own name', () => {
    expect(kind.kind).toBe(name);
  });

  test('sees a good target, by address and by name', async () => {
    await using origin = await good();
    expect((await lookAt(spec('127.0.0.1', origin.port))).outcome.saw).toBe('ok');
    const resolve = () => Promise.resolve({ addresses: ['127.0.0.1'], stale: null });
    expect((await lookAt(spec('app.test', origin.port), { resolve })).outcome.saw).toBe('ok');
  });

  test('calls a closed port refused', async () => {
    expect((await lookAt(spec('127.0.0.1', await deadPort()))).outcome).toMatchObject({ saw: 'fault', reason: 'refused' });
  });

  test('a name that never resolved is no evidence', async () => {
    const resolve = () => Promise.resolve({ addresses: [], stale: 'NXDOMAIN' });
    expect((await lookAt(spec('app.test', 80), { resolve })).outcome.saw).toBe('nothing');
  });

  test('an aborted look is no evidence and opens nothing', async () => {
    const { outcome, sockets } = await lookAt(spec('127.0.0.1', 80), { signal: AbortSignal.abort() });
    expect(outcome.saw).toBe('nothing');
    expect(sockets).toEqual([]);
  });

  test('leaves nobody listening to its signal, which a later look may be given', async () => {
    await using origin = await good();
    const { signal } = new AbortController();
    for (const port of [origin.port, await deadPort()]) await lookAt(spec('127.0.0.1', port), { signal });
    expect(getEventListeners(signal, 'abort')).toEqual([]);
  });

  test('reads the default port and odd spellings of a host as the configuration does', async () => {
    await using origin = await good();
    expect((await lookAt(spec('0x7f.1', origin.port))).outcome.saw).toBe('ok');
    const refused = () => new net.Socket().destroy(Object.assign(new Error('refused'), { code: 'ECONNREFUSED' }));
    const { outcome } = await lookAt(spec('127.0.0.1', 80), { tcp: refused });
    expect(outcome).toMatchObject({ reason: 'refused', detail: 'ECONNREFUSED at 127.0.0.1 port 80' });
  });
});

test('a probe says who asks and from where', () => {
  expect(userAgentOf('1.2.3', 'eu-west')).toBe('tidegate-probe/1.2.3 (+region=eu-west)');
});

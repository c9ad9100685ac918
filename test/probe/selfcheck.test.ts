import { expect, test } from 'vitest';
import type { Outcome, ProbeSpec } from '../../src/model.ts';
import type { ProbeContext } from '../../src/probe/kind.ts';
import { anchorSpec, type SelfCheckFacts, startSelfCheck } from '../../src/probe/selfcheck.ts';
import { createVirtual } from '../virtual.ts';
import { answer, deadPort, lookAt, startOrigin } from './origin.ts';

const OK: Outcome = { saw: 'ok', tookMs: 1 };
const TIMEOUT: Outcome = { saw: 'fault', reason: 'timeout', tookMs: 1000, detail: 'no connection within 1000 ms' };

const start = (anchors: readonly string[], see: (url: string) => Outcome) => {
  const world = createVirtual({ startWallMs: 0, seed: 1 });
  const { ports } = world;
  const facts: SelfCheckFacts[] = [];
  const looked: { url: string; atMs: number }[] = [];
  const context: ProbeContext = {
    ports,
    resolve: () => Promise.reject(new Error('not used')),
    timeoutMs: 2000,
    connectTimeoutMs: 1000,
    userAgent: 'test',
    tlsContext: () => {
      throw new Error('not used');
    },
  };
  const check = startSelfCheck({
    ports,
    anchors,
    context,
    onFacts: (told) => facts.push(told),
    look: (spec: ProbeSpec) => {
      looked.push({ url: spec.url, atMs: world.now() });
      return Promise.resolve(see(spec.url));
    },
  });
  return { world, check, facts, looked };
};

test('every anchor is looked at at once and then every 2 s, and facts follow at that pace', async () => {
  const { world, looked, facts } = start(['tcp://192.0.2.1:53', 'https://anchor.test/'], () => OK);
  await world.advance(10_000);
  for (const url of ['tcp://192.0.2.1:53', 'https://anchor.test/']) {
    const times = looked.filter((look) => look.url === url).map((look) => look.atMs);
    expect(times[0]).toBe(0);
    expect(times.slice(2).map((at, i) => at - (times[i + 1] as number))).toEqual([2000, 2000, 2000, ...times.slice(5).map(() => 2000)]);
  }
  expect(facts.map((fact) => fact.atMonoMs)).toEqual([2000, 4000, 6000, 8000, 10_000]);
  expect(facts.at(-1)).toEqual({ anchorsConfigured: 2, anchorsUnreachable: [], loopDelayP99Ms: 0, atMonoMs: 10_000 });
});

test('an anchor is unreachable from its first failed look to its next good one, and each change is told at once', async () => {
  let down = false;
  const { world, facts } = start(['tcp://192.0.2.1:53', 'tcp://192.0.2.2:53'], (url) => (down && url.includes('2.1') ? TIMEOUT : OK));
  await world.advance(3900);
  down = true;
  await world.advance(200);
  expect(facts.at(-1)).toMatchObject({ anchorsUnreachable: ['tcp://192.0.2.1:53'], atMonoMs: 4000 });
  await world.advance(1800);
  expect(facts.at(-1)).toMatchObject({ anchorsUnreachable: ['tcp://192.0.2.1:53'] });
  down = false;
  await world.advance(200);
  expect(facts.at(-1)).toMatchObject({ anchorsUnreachable: [], atMonoMs: 6000 });
});

test('no exchange for want of our own means is no exchange', async () => {
  const { world, facts } = start(['https://anchor.test/'], () => ({ saw: 'nothing', detail: 'no address was ever resolved' }));
  await world.advance(2000);
  expect(facts.at(-1)?.anchorsUnreachable).toEqual(['https://anchor.test/']);
});

test('without anchors the lateness of the event loop is still told, each stretch once', async () => {
  const { world, facts } = start([], () => OK);
  await world.advance(1000);
  world.pause();
  await world.advance(700);
  world.resume();
  await world.advance(3000);
  expect(facts.map((fact) => [fact.anchorsConfigured, fact.loopDelayP99Ms])).toEqual([
    [0, 700],
    [0, 0],
  ]);
});

test('stopping leaves nothing behind', async () => {
  const { world, check, facts } = start(['tcp://192.0.2.1:53'], () => OK);
  await world.advance(2500);
  await check.stop();
  await world.advance(10_000);
  expect(facts).toHaveLength(1);
  expect(world.pendingTimers()).toBe(0);
});

test('any answer of an anchor counts, a 500 and a redirect included; a closed port does not', async () => {
  for (const status of ['500 Internal Server Error', '301 Moved', '404 Not Found']) {
    await using origin = await startOrigin(answer(`HTTP/1.1 ${status}\r\ncontent-length: 0\r\n\r\n`));
    expect((await lookAt(anchorSpec(`http://127.0.0.1:${origin.port}/`))).outcome.saw).toBe('ok');
    expect((await lookAt(anchorSpec(`tcp://127.0.0.1:${origin.port}`))).outcome.saw).toBe('ok');
  }
  expect((await lookAt(anchorSpec(`tcp://127.0.0.1:${await deadPort()}`))).outcome.saw).toBe('fault');
});

// The front of a proxied load balancer: every visit goes where the weights say, and one to a dead region fails and names it.
import { expect, onTestFinished, test } from 'vitest';
import { serveApp } from '../../src/drill/app.ts';
import { type Front, openFront, pick, sampleFront } from '../../src/drill/front.ts';
import { freePort } from '../../src/drill/port.ts';
import { FRONT } from '../../src/drill/provider-room.ts';
import { PLACES, SERVICE } from '../../src/drill/scene.ts';
import { realPorts } from '../../src/ports.ts';

const ports = realPorts();
const patience = (): AbortSignal => AbortSignal.timeout(20_000);

/** Apps in eu-west and us-east, none in ap-south, and a front before them. */
const world = async (): Promise<{ front: Front; visit(): Promise<readonly string[]>; port: number }> => {
  const port = await freePort(ports, [FRONT, ...PLACES.map(({ address }) => address)]);
  const apps = await Promise.all(PLACES.slice(0, 2).map(({ region, address }) => serveApp({ host: address, port, region })));
  const front = await openFront({ ports, host: FRONT, port, places: PLACES });
  onTestFinished(async () => void (await Promise.all([front.close(), ...apps.map((app) => app.close())])));
  const sample = sampleFront(ports, { host: FRONT, port }, SERVICE);
  return { front, visit: () => sample(patience()), port };
};

test('visits land by the weights, and one to a region that is dead says which it was', async () => {
  const { front, visit, port } = await world();
  front.show({ 'eu-west': 1000, 'us-east': 0, 'ap-south': 0 });
  expect(await visit()).toEqual(['eu-west']);
  front.show({ 'eu-west': 1, 'us-east': 1 });
  const visits = (await Promise.all(Array.from({ length: 60 }, visit))).flat();
  expect(new Set(visits)).toEqual(new Set(['eu-west', 'us-east']));
  front.show({ 'ap-south': 7 });
  expect(await visit()).toEqual(['ap-south']);
  const reply = await fetch(`http://${FRONT}:${port}/`);
  expect([reply.status, reply.headers.get('x-region'), reply.headers.get('x-sent-to')]).toEqual([502, null, 'ap-south']);
  front.show({ 'us-east': 1 });
  const good = await fetch(`http://${FRONT}:${port}/`);
  expect([good.status, good.headers.get('x-region'), await good.text()]).toEqual([200, 'us-east', 'This is us-east.\n']);
});

test('with nobody to serve every visit is refused, and a sample of it tells no region', async () => {
  const { front, visit, port } = await world();
  expect((await fetch(`http://${FRONT}:${port}/`)).status).toBe(503);
  front.show({ 'eu-west': 0 });
  await expect(visit()).rejects.toThrow('names no region');
});

test('a pick follows the weights to the end of the range', () => {
  const weights = { a: 1, b: 0, c: 3 };
  expect([0, 0.24, 0.25, 0.999].map((unit) => pick(weights, unit))).toEqual(['a', 'a', 'c', 'c']);
  expect(pick({ a: 0 }, 0)).toBeNull();
  expect(pick({}, 0.5)).toBeNull();
});

test('an address that is taken is named', async () => {
  const { port } = await world();
  await expect(openFront({ ports, host: FRONT, port, places: PLACES })).rejects.toMatchObject({
    code: 'ERR_LISTEN',
    message: expect.stringContaining(`${FRONT}:${port}`),
  });
});

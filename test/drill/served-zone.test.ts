// The zone behind a stand-in: users are answered as the stand-in says they are served.
import { expect, onTestFinished, test } from 'vitest';
import { sampleDns } from '../../src/drill/answers.ts';
import { PLACES, SERVICE, ZONE } from '../../src/drill/scene.ts';
import { openServedZone } from '../../src/drill/served-zone.ts';
import { realPorts } from '../../src/ports.ts';

const ports = realPorts();
const [eu, us] = PLACES.map(({ address }) => address) as [string, string];

const world = async () => {
  const zone = await openServedZone({ ports, zone: ZONE, name: SERVICE, ttlS: 2 });
  onTestFinished(() => zone.close());
  const sample = sampleDns(ports, { host: '127.0.0.1', port: zone.port }, SERVICE);
  const counts = async (n: number): Promise<Record<string, number>> => {
    const regions = (await Promise.all(Array.from({ length: n }, () => sample(AbortSignal.timeout(20_000))))).flat();
    return Object.fromEntries([...Map.groupBy(regions, (r) => r)].map(([r, all]) => [r, all.length]));
  };
  return { zone, counts };
};

test('answers by weight of whatever scale, and by nothing else than what was shown last', async () => {
  const { zone, counts } = await world();
  zone.show({ [eu]: 3, [us]: 1 });
  const first = await counts(80);
  expect(first['eu-west']).toBeGreaterThan(first['us-east'] ?? 0);
  expect((first['eu-west'] ?? 0) + (first['us-east'] ?? 0)).toBe(80);
  zone.show({ [eu]: 0, [us]: 255 });
  expect(await counts(20)).toEqual({ 'us-east': 20 });
});

test('nothing shown, or all weights zero: the name has no address', async () => {
  const { zone, counts } = await world();
  expect(await counts(3)).toEqual({});
  zone.show({ [eu]: 1 });
  expect(await counts(3)).toEqual({ 'eu-west': 3 });
  zone.show({ [eu]: 0 });
  expect(await counts(3)).toEqual({});
});

// Every room that serves the demo's users: its regions' files are accepted by check together with the demo's cluster, nobody is told what it must not know,
// and nothing of it is left. Real servers are opened by the system tests; a machine without them is told what to install.
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, onTestFinished, test, vi } from 'vitest';
import { checkDraft } from '../../src/config/check.ts';
import { parseConfig } from '../../src/config/load.ts';
import { measurable } from '../../src/converge/landing.ts';
import { isRoomName, providerRooms, type RoomName } from '../../src/drill/provider-room.ts';
import { openRooms } from '../../src/drill/rooms.ts';
import { FAST_PACE, PLACES } from '../../src/drill/scene.ts';
import { realPorts } from '../../src/ports.ts';

afterEach(() => {
  vi.unstubAllEnvs();
});

const REAL: readonly RoomName[] = ['rfc2136', 'powerdns'];
const STAND_INS = (Object.keys(providerRooms) as RoomName[]).filter((name) => !REAL.includes(name) && name !== 'builtin');

test.each(STAND_INS)('%s says that a stand-in of ours plays, and where', async (provider) => {
  expect(providerRooms[provider].says).toContain('stand-in of ours');
  expect(providerRooms[provider].behind).toBe('stand-in');
  const rooms = await openRooms(realPorts(), FAST_PACE, { provider });
  onTestFinished(() => rooms.close());
  expect(rooms.provider.where).toMatch(/a stand-in for .*127\.0\.0\.1:\d+/);
  // Where users land is measured in every room.
  for (const service of rooms.cluster.services) expect(measurable(service).landing).toBe(true);
  for (const { region } of PLACES) {
    const file = rooms.configFile(region);
    const loaded = parseConfig(readFileSync(file, 'utf8'), file);
    if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
    const { store, providers, paging } = loaded.config;
    expect(checkDraft({ region, cluster: rooms.cluster, store, signs: false, providers, paging, broken: () => false })).toEqual([]);
  }
  for (const file of readdirSync(rooms.folder).filter((name) => !name.startsWith('store.sqlite')))
    expect(statSync(join(rooms.folder, file)).mode & 0o077, file).toBe(0);
  await rooms.close();
  expect(existsSync(rooms.folder)).toBe(false);
});

test.each([
  ['rfc2136', 'apt-get install bind9'],
  ['powerdns', 'apt-get install pdns-server pdns-backend-sqlite3'],
] as const)('%s on a machine without it says what to install, and leaves nothing', async (provider, part) => {
  vi.stubEnv('PATH', '/nowhere');
  vi.doMock('../../src/drill/providers/server.ts', async (load) => ({ ...(await load<object>()), SBIN: [] }));
  vi.resetModules();
  onTestFinished(() => void vi.doUnmock('../../src/drill/providers/server.ts'));
  const { openRooms: open } = await import('../../src/drill/rooms.ts');
  await expect(open(realPorts(), FAST_PACE, { provider })).rejects.toMatchObject({
    code: 'ERR_DEMO',
    message: expect.stringContaining(part),
  });
});

test('names of rooms are those of the table, and no property of every object', () => {
  expect(isRoomName('route53')).toBe(true);
  expect(isRoomName('constructor')).toBe(false);
});

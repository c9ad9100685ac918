import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { openRooms } from '../../src/drill/rooms.ts';
import { PACE, PLACES } from '../../src/drill/scene.ts';
import { type Ports, realPorts } from '../../src/ports.ts';

test('the rooms hold a file for each region that only its owner can read, and nothing of them is left', async () => {
  const rooms = await openRooms(realPorts(), PACE);
  onTestFinished(() => rooms.close());
  const files = readdirSync(rooms.folder);
  for (const file of files.filter((name) => name.endsWith('.token') || name.endsWith('.yaml')))
    expect(statSync(join(rooms.folder, file)).mode & 0o077, file).toBe(0);
  expect(PLACES.every(({ region }) => existsSync(rooms.configFile(region)))).toBe(true);
  expect((await rooms.store.get({ prefixes: [''] })).kvs).toEqual([]);
  await rooms.configure();
  expect((await rooms.store.get({ prefixes: [''] })).kvs.map(({ key }) => key)).toEqual([
    'audit/config-0000000001',
    'journal',
    'journal/0000000001',
    'members',
  ]);
  await rooms.close();
  expect(existsSync(rooms.folder)).toBe(false);
});

/** A machine whose loopback interface lacks the second region's address: 192.0.2.0/24 is nobody's. */
const lacking = (real: Ports): Ports => ({
  ...real,
  net: {
    ...real.net,
    listenTcp(onConnection) {
      const server = real.net.listenTcp(onConnection);
      const listen = server.listen.bind(server) as (port: number, host: string, then: () => void) => typeof server;
      server.listen = ((port: number, host: string, then: () => void) =>
        listen(port, host === PLACES[1]?.address ? '192.0.2.1' : host, then)) as typeof server.listen;
      return server;
    },
  },
});

test('an address that the machine lacks is named, with the commands that add it', async () => {
  const opening = openRooms(lacking(realPorts()), PACE);
  await expect(opening).rejects.toThrow(/^127\.0\.1\.2: .*EADDRNOTAVAIL.*on macOS/);
  await expect(opening).rejects.toThrow('sudo ifconfig lo0 alias 127.0.1.2 up');
  await expect(opening).rejects.toMatchObject({ code: 'ERR_LISTEN' });
});

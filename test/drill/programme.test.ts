// What is said while the demo is left running: where the page is comes first, with what lets one act there.
import { expect, test } from 'vitest';
import type { Child } from '../../src/drill/child.ts';
import { whatToTry } from '../../src/drill/programme.ts';
import type { Rooms } from '../../src/drill/rooms.ts';

const rooms = { folder: '/demo', members: null, provider: { dnsPort: 7753 } } as unknown as Rooms;
const child = (region: string, apiPort: number): Child => ({ region, apiPort, pid: apiPort + 1 }) as Child;

test('the page comes first: an address for each region that runs, then the token, then everything else', () => {
  const lines = whatToTry(rooms, [child('eu-west', 21_001), child('us-east', 21_002)], { width: 80, colour: false })
    .split('\n')
    .map((line) => line.trim());
  expect(lines.slice(0, 5)).toEqual([
    expect.stringMatching(/^# the page:/),
    'http://127.0.0.1:21001/   # eu-west',
    'http://127.0.0.1:21002/   # us-east',
    expect.stringMatching(/^# to give orders there: .*"Sign in"/),
    'cat /demo/operator.token',
  ]);
  expect(lines).toContain('export TIDEGATE_ENDPOINTS="http://127.0.0.1:21001 http://127.0.0.1:21002"');
  expect(lines).toContain('kill -9 21002   # eu-west');
});

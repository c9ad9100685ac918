// The builtin server as the tool of every DNS operator sees it.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { serviceOf, startBuiltin, ZONE } from '../providers/builtin.fixture.ts';

const DIG = '/usr/bin/dig';
const web = serviceOf(
  `web.${ZONE}`,
  [
    { pool: 'eu', share: 500, answers: ['192.0.2.1', '2001:db8::1'] },
    { pool: 'us', share: 500, answers: ['192.0.2.2', '2001:db8::2'] },
  ],
  'v=1;fence=7;epoch=2;writer=eu-west/a;nonce=ab12;hash=ff00',
);
const wide = serviceOf(`wide.${ZONE}`, [{ pool: 'eu', share: 1000, answers: Array.from({ length: 64 }, (_, i) => `192.0.2.${i}`) }]);

describe.skipIf(!existsSync(DIG))('dig', { timeout: 60_000 }, () => {
  const dig = async (port: number, ...args: string[]): Promise<string> => {
    const { stdout } = await promisify(execFile)(DIG, ['@127.0.0.1', '-p', String(port), '+tries=1', '+time=20', ...args]);
    return stdout;
  };
  const lines = (text: string): string[] => text.trim().split('\n').sort();

  test('finds addresses, fence, SOA and NS without a warning', async () => {
    await using server = await startBuiltin();
    await server.put({ service: web, ifFence: null });
    const { dnsPort } = server;
    expect(lines(`${await dig(dnsPort, '+short', web.name, 'A')}${await dig(dnsPort, '+short', web.name, 'A')}`)).toEqual([
      '192.0.2.1',
      '192.0.2.2',
    ]);
    expect(lines(await dig(dnsPort, '+short', '+tcp', web.name, 'AAAA'))).toEqual(['2001:db8::1']);
    expect(await dig(dnsPort, '+short', `_tidegate.${web.name}`, 'TXT')).toBe(`"${web.fence}"\n`);
    expect(await dig(dnsPort, '+short', ZONE, 'SOA')).toBe(`ns.${ZONE}. hostmaster.${ZONE}. 2 3600 600 86400 5\n`);
    expect(await dig(dnsPort, '+short', ZONE, 'NS')).toBe(`ns.${ZONE}.\n`);
    const whole = await dig(dnsPort, web.name, 'A');
    expect(whole).toMatch(/status: NOERROR.*\n;; flags: qr aa rd;/);
    expect(whole).toContain('EDNS: version: 0, flags:; udp: 1232');
    expect(whole).toMatch(new RegExp(`^${web.name.replaceAll('.', '\\.')}\\.\\s+10\\s+IN\\s+A\\s+192\\.0\\.2\\.1$`, 'm'));
    expect(whole).not.toMatch(/malformed|Got bad packet|Messages? has|extra bytes/i);
  });

  test('is sent to TCP by a reply too large for UDP, and gets it whole there', async () => {
    await using server = await startBuiltin();
    await server.put({ service: wide, ifFence: null });
    const { dnsPort } = server;
    expect(await dig(dnsPort, '+ignore', wide.name, 'A')).toMatch(/flags: qr aa tc rd;.*ANSWER: 0/);
    expect(lines(await dig(dnsPort, '+short', wide.name, 'A')).length).toBe(64);
  });

  test('is told apart what does not exist, has no such type, is not served here, and what ANY means', async () => {
    await using server = await startBuiltin();
    await server.put({ service: web, ifFence: null });
    const { dnsPort } = server;
    expect(await dig(dnsPort, `no.${ZONE}`, 'A')).toMatch(/status: NXDOMAIN[\s\S]*AUTHORITY SECTION:\n[^\n]*SOA/);
    expect(await dig(dnsPort, web.name, 'MX')).toMatch(/status: NOERROR[\s\S]*ANSWER: 0[\s\S]*AUTHORITY SECTION:\n[^\n]*SOA/);
    expect(await dig(dnsPort, 'example.org', 'A')).toContain('status: REFUSED');
    expect(await dig(dnsPort, '+edns=1', '+noednsnegotiation', web.name, 'A')).toContain('status: BADVERS');
    expect(await dig(dnsPort, '+short', '+notcp', web.name, 'ANY')).toBe('"RFC8482" ""\n');
    expect(await dig(dnsPort, ZONE, 'AXFR')).toContain('Transfer failed');
  });
});

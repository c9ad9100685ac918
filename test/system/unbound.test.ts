import { expect, test } from 'vitest';
import { query } from '../../src/dns/exchange.ts';
import { realPorts } from '../../src/ports.ts';
import { startBind } from './bind.ts';
import { startUnbound } from './unbound.ts';

test('unbound answers from the zone, keeps the answer for its TTL, then notices the change', { timeout: 60_000 }, async () => {
  await using bind = await startBind({ records: ['web 2 A 192.0.2.1', 'long 600 A 192.0.2.1'] });
  await using unbound = await startUnbound([{ zone: bind.zone, host: bind.host, port: bind.port }]);
  const ports = realPorts();
  const ask = async (name: string, server: { host: string; port: number }, recursionDesired: boolean) => {
    const reply = await query({ ports, server, name: `${name}.${bind.zone}`, type: 'A', timeoutMs: 5000, recursionDesired });
    return { rcode: reply.rcode, authoritative: reply.authoritative, addresses: reply.answers.map((answer) => answer.data) };
  };
  expect(await ask('web', bind, false)).toEqual({ rcode: 'NOERROR', authoritative: true, addresses: ['192.0.2.1'] });
  for (const name of ['web', 'long']) {
    expect(await ask(name, unbound, true)).toEqual({ rcode: 'NOERROR', authoritative: false, addresses: ['192.0.2.1'] });
  }
  for (const name of ['web', 'long']) {
    await bind.change(`delete ${name}.${bind.zone} A`, `add ${name}.${bind.zone} 2 A 192.0.2.2`);
    expect((await ask(name, bind, false)).addresses).toEqual(['192.0.2.2']);
  }
  await expect.poll(async () => (await ask('web', unbound, true)).addresses, { timeout: 20_000, interval: 100 }).toEqual(['192.0.2.2']);
  expect((await ask('long', unbound, true)).addresses).toEqual(['192.0.2.1']);
});

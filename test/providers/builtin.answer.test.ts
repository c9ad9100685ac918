import { decode, encode } from 'dns-packet';
import { describe, expect, test } from 'vitest';
import { answerQuery, QUERY_BYTES_MAX } from '../../providers/builtin/answer.ts';
import { createRotation } from '../../providers/builtin/rotation.ts';
import { emptyZone, swap } from '../../providers/builtin/zone.ts';
import { queryOf, type Reply, serviceOf } from './builtin.fixture.ts';

const many = Array.from({ length: 64 }, (_, i) => `192.0.2.${i}`);
const filled = swap(emptyZone('example.test', '127.0.0.1'), [
  { service: serviceOf('example.test', [{ pool: 'a', share: 1000, answers: ['192.0.2.200'] }]), ifFence: null },
  {
    service: serviceOf('web.example.test', [{ pool: 'a', share: 1000, answers: ['192.0.2.1', '192.0.2.2'] }], 'f'.repeat(300)),
    ifFence: null,
  },
  { service: serviceOf('deep.er.example.test', [{ pool: 'a', share: 1000, answers: ['2001:db8::1'] }], 'fence-9', 7), ifFence: null },
  { service: serviceOf('wide.example.test', [{ pool: 'a', share: 1000, answers: many }]), ifFence: null },
]);
if (filled.outcome !== 'swapped') throw new Error(JSON.stringify(filled));
const zone = filled.zone;

const raw = (packet: Buffer, over: 'udp' | 'tcp' = 'udp'): Buffer | null => answerQuery(packet, over, zone, createRotation());
const reply = (packet: Buffer, over: 'udp' | 'tcp' = 'udp'): Reply => decode(raw(packet, over) ?? Buffer.alloc(0)) as Reply;
const ask = (name: string, type: Parameters<typeof queryOf>[1]): Reply => reply(queryOf(name, type));
const opt = (more: object = {}): object => ({
  additionals: [
    { type: 'OPT', name: '.', udpPayloadSize: 4096, extendedRcode: 0, ednsVersion: 0, flags: 0, flag_do: false, options: [], ...more },
  ],
});
/** The type ANY has no name in the library's types. */
const withType = (packet: Buffer, type: number): Buffer => {
  const changed = Buffer.from(packet);
  changed.writeUInt16BE(type, packet.length - 4);
  return changed;
};

describe('answers', () => {
  test('an address is answered with authority, the service’s TTL, no recursion and the id of the query', () => {
    const { id, flag_aa, flag_ra, flag_rd, rcode, answers } = ask('web.example.test', 'A');
    expect({ id, flag_aa, flag_ra, flag_rd, rcode }).toEqual({ id: 4711, flag_aa: true, flag_ra: false, flag_rd: true, rcode: 'NOERROR' });
    expect(answers).toMatchObject([
      { name: 'web.example.test', type: 'A', ttl: 10, data: '192.0.2.1' },
      { name: 'web.example.test', type: 'A', ttl: 10, data: '192.0.2.2' },
    ]);
    expect(ask('deep.er.example.test', 'AAAA').answers).toMatchObject([{ type: 'AAAA', ttl: 7, data: '2001:db8::1' }]);
    expect(ask('example.test', 'A').answers).toMatchObject([{ data: '192.0.2.200' }]);
  });

  test('the question comes back in the spelling in which it was asked', () => {
    const { questions, answers } = ask('wEb.ExAmPlE.tEsT', 'A');
    expect(questions).toMatchObject([{ name: 'wEb.ExAmPlE.tEsT', type: 'A' }]);
    expect(answers?.length).toBe(2);
  });

  test('the apex answers SOA with the zone’s serial, NS, and the name server its address', () => {
    expect(ask('example.test', 'SOA').answers).toMatchObject([{ type: 'SOA', data: { mname: 'ns.example.test', serial: zone.serial } }]);
    expect(ask('example.test', 'NS').answers).toMatchObject([{ type: 'NS', data: 'ns.example.test' }]);
    expect(ask('ns.example.test', 'A').answers).toMatchObject([{ data: '127.0.0.1' }]);
  });

  test('the fence is a TXT record beside the service, in strings of at most 255 bytes', () => {
    const [short] = ask('_tidegate.deep.er.example.test', 'TXT').answers ?? [];
    expect(short).toMatchObject({ type: 'TXT', ttl: 7, data: [Buffer.from('fence-9')] });
    const [long] = ask('_tidegate.web.example.test', 'TXT').answers ?? [];
    expect(long).toMatchObject({ data: [Buffer.from('f'.repeat(255)), Buffer.from('f'.repeat(45))] });
  });

  test('a name that exists without the asked type is NODATA, empty non-terminals included', () => {
    for (const [name, type] of [
      ['web.example.test', 'AAAA'],
      ['web.example.test', 'TXT'],
      ['deep.er.example.test', 'A'],
      ['er.example.test', 'A'],
      ['_tidegate.web.example.test', 'A'],
      ['ns.example.test', 'AAAA'],
      ['example.test', 'MX'],
    ] as const) {
      const { rcode, answers, authorities, flag_aa } = ask(name, type);
      expect({ rcode, answers, flag_aa }, `${name} ${type}`).toEqual({ rcode: 'NOERROR', answers: [], flag_aa: true });
      expect(authorities).toMatchObject([{ type: 'SOA', ttl: 5, data: { minimum: 5 } }]);
    }
  });

  test('a name that does not exist is NXDOMAIN with the SOA that limits how long it is remembered', () => {
    for (const name of ['no.example.test', 'below.web.example.test', '_tidegate.no.example.test', 'example.example.test']) {
      const { rcode, flag_aa, authorities } = ask(name, 'A');
      expect({ rcode, flag_aa }, name).toEqual({ rcode: 'NXDOMAIN', flag_aa: true });
      expect(authorities).toMatchObject([{ name: 'example.test', type: 'SOA', ttl: 5 }]);
    }
  });

  test('a dot inside a label is not a dot between labels', () => {
    const labels = [Buffer.from('web.example'), Buffer.from('test')];
    const name = Buffer.concat([...labels.flatMap((label) => [Buffer.of(label.length), label]), Buffer.of(0, 0, 1, 0, 1)]);
    const head = queryOf('.', 'A').subarray(0, 12);
    expect(reply(Buffer.concat([head, name])).rcode).toBe('REFUSED');
  });

  test('names outside the zone and other classes are refused without authority', () => {
    for (const name of ['example.org', 'test', 'webexample.test', '.'])
      expect(ask(name, 'A'), name).toMatchObject({ rcode: 'REFUSED', flag_aa: false });
    expect(reply(queryOf('x', 'A', { questions: [{ name: 'web.example.test', type: 'A', class: 'CH' }] })).rcode).toBe('REFUSED');
  });

  test('ANY gets one small record', () => {
    expect(reply(withType(queryOf('wide.example.test', 'A'), 255)).answers).toMatchObject([{ type: 'HINFO', data: { cpu: 'RFC8482' } }]);
  });

  test('transfers, other opcodes and meta types are not implemented', () => {
    for (const type of [252, 251, 249, 41]) expect(reply(withType(queryOf('example.test', 'A'), type)).rcode, `${type}`).toBe('NOTIMP');
    for (const opcode of [1, 2, 4, 5]) {
      const packet = queryOf('example.test', 'A', { flags: opcode << 11 });
      expect(raw(packet)?.readUInt16BE(2)).toBe(0x8004 | (opcode << 11));
    }
  });
});

describe('sizes and EDNS', () => {
  test('a UDP reply that does not fit says so, and TCP carries it whole', () => {
    const plain = reply(queryOf('wide.example.test', 'A'));
    expect(plain).toMatchObject({ flag_tc: true, flag_aa: true, answers: [], rcode: 'NOERROR' });
    expect(raw(queryOf('wide.example.test', 'A'))?.length).toBeLessThanOrEqual(512);
    expect(reply(queryOf('wide.example.test', 'A'), 'tcp').answers?.map((a) => 'data' in a && a.data)).toEqual(many);
  });

  test('a larger EDNS size is honoured up to 1232 bytes and a smaller one than 512 is read as 512', () => {
    const fence = (size: number): Reply => reply(queryOf('_tidegate.web.example.test', 'TXT', opt({ udpPayloadSize: size })));
    expect(fence(512).flag_tc).toBe(false);
    expect(fence(0).flag_tc).toBe(false);
    expect(reply(queryOf('wide.example.test', 'A', opt({ udpPayloadSize: 65_535 }))).flag_tc).toBe(true);
    const wideZone = swap(zone, [
      { service: serviceOf('mid.example.test', [{ pool: 'a', share: 1000, answers: many.slice(0, 30) }]), ifFence: null },
    ]);
    if (wideZone.outcome !== 'swapped') throw new Error('refused');
    const sized = (size: number): Buffer =>
      answerQuery(queryOf('mid.example.test', 'A', opt({ udpPayloadSize: size })), 'udp', wideZone.zone, createRotation()) ??
      Buffer.alloc(0);
    expect(sized(1232).length).toBeGreaterThan(512);
    expect((decode(sized(1232)) as Reply).flag_tc).toBe(false);
    expect((decode(sized(600)) as Reply).flag_tc).toBe(true);
  });

  test('who asks with EDNS is answered with it, the DO bit copied and options dropped; who does not is not', () => {
    const [echoed] =
      reply(queryOf('web.example.test', 'A', opt({ flags: 0x8000, options: [{ code: 'COOKIE', data: Buffer.alloc(8, 1) }] })))
        .additionals ?? [];
    expect(echoed).toMatchObject({ type: 'OPT', udpPayloadSize: 1232, ednsVersion: 0, flag_do: true, options: [] });
    expect(ask('web.example.test', 'A').additionals).toEqual([]);
  });

  test('an EDNS version that nobody has defined yet gets BADVERS', () => {
    const { additionals, rcode, answers } = reply(queryOf('web.example.test', 'A', opt({ ednsVersion: 1 })));
    expect({ rcode, answers }).toEqual({ rcode: 'NOERROR', answers: [] });
    expect(additionals).toMatchObject([{ type: 'OPT', extendedRcode: 1, ednsVersion: 0 }]);
  });

  test('two OPT records are malformed', () => {
    const [one] = (opt() as { additionals: object[] }).additionals;
    expect(reply(queryOf('web.example.test', 'A', { additionals: [one, one] })).rcode).toBe('FORMERR');
  });
});

describe('malformed packets', () => {
  const good = queryOf('web.example.test', 'A', opt());

  test('too short for a header, or a reply: silence, so that two servers never talk to each other', () => {
    for (let length = 0; length < 12; length++) expect(raw(good.subarray(0, length))).toBeNull();
    expect(raw(encode({ type: 'response', id: 1, questions: [{ name: 'web.example.test', type: 'A' }] }))).toBeNull();
  });

  test('cut anywhere after the header: FORMERR with the id of the query', () => {
    for (let length = 12; length < good.length; length++) {
      expect(reply(good.subarray(0, length)), `${length} bytes`).toMatchObject({ id: 4711, rcode: 'FORMERR', questions: [] });
    }
  });

  test('no question, two questions, a compressed question and an oversized query: FORMERR', () => {
    const counts = (n: number): Buffer => {
      const packet = Buffer.from(good);
      packet.writeUInt16BE(n, 4);
      return packet;
    };
    const compressed = Buffer.concat([queryOf('.', 'A').subarray(0, 12), Buffer.of(0xc0, 4, 0, 1, 0, 1)]);
    const loop = Buffer.concat([queryOf('.', 'A').subarray(0, 12), Buffer.of(0xc0, 12, 0, 1, 0, 1)]);
    const huge = Buffer.concat([good, Buffer.alloc(QUERY_BYTES_MAX)]);
    for (const packet of [counts(0), counts(2), counts(65_535), compressed, loop, huge]) expect(reply(packet).rcode).toBe('FORMERR');
  });

  test('a name longer than 255 bytes: FORMERR', () => {
    const label = Buffer.concat([Buffer.of(63), Buffer.alloc(63, 97)]);
    const packet = Buffer.concat([queryOf('.', 'A').subarray(0, 12), label, label, label, label, Buffer.of(0, 0, 1, 0, 1)]);
    expect(reply(packet).rcode).toBe('FORMERR');
  });
});

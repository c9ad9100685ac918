import dnsPacket, { type Answer as LibraryAnswer } from 'dns-packet';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type AskType, decodeReply, encodeQuery, follow, repliesTo } from '../../src/dns/codec.ts';
import { verify } from '../../src/dns/tsig.ts';
import { decodeUpdate } from '../../src/dns/update.ts';
import { canonicalName, nameBytes, readEnvelope, reader } from '../../src/dns/wire.ts';
import { Fault } from '../../src/errors.ts';
import { replyTo } from './fake-dns.ts';

const hex = (text: string): Buffer => Buffer.from(text.replace(/\s+/g, ''), 'hex');
const ask = (name: string, type: AskType = 'A'): Buffer => encodeQuery({ id: 0x1234, name, type, recursionDesired: true });

const label = fc.stringMatching(/^[a-z0-9_-]{1,20}$/);
const names = fc.array(label, { minLength: 1, maxLength: 6 }).map((labels) => labels.join('.'));

describe('questions', () => {
  test('a question is written byte for byte as RFC 1035 and RFC 6891 say', () => {
    expect(ask('Web.Tide.test.', 'AAAA')).toEqual(
      hex(`1234 0100 0001 0000 0000 0001
           03 776562 04 74696465 04 74657374 00 001c 0001
           00 0029 04d0 00000000 0000`),
    );
  });

  test('a library reads every question as it was meant', () => {
    const types = fc.constantFrom<AskType>('A', 'AAAA', 'CNAME', 'NS', 'SOA', 'TXT');
    fc.assert(
      fc.property(fc.nat(65535), names, types, fc.boolean(), (id, name, type, recursionDesired) => {
        const read = dnsPacket.decode(encodeQuery({ id, name, type, recursionDesired }));
        expect(read).toMatchObject({ id, type: 'query', flag_rd: recursionDesired, questions: [{ name, type, class: 'IN' }] });
      }),
    );
  });

  test('what is not a name is a Fault that shows it', () => {
    for (const bad of [
      '',
      '..',
      'a..b',
      '.a',
      `${'x'.repeat(64)}.test`,
      'a b',
      'a\\.b',
      'ä.test',
      '\u212a.test',
      Array(130).fill('a').join('.'),
    ]) {
      expect(() => ask(bad), bad).toThrow(Fault);
    }
    expect(() => ask('a b.test')).toThrow('"a b.test" is not a DNS name');
    expect(nameBytes('.')).toEqual(Buffer.of(0));
    expect(nameBytes(`${'x'.repeat(63)}.`.repeat(3) + 'x'.repeat(61))).toHaveLength(255);
    expect(() => nameBytes(`${'x'.repeat(63)}.`.repeat(3) + 'x'.repeat(62))).toThrow('at most 255');
  });
});

describe('replies', () => {
  test('everything we ask for is read as a library wrote it', () => {
    const request = ask('web.tide.test');
    const answers: LibraryAnswer[] = [
      { type: 'CNAME', name: 'WEB.tide.test', ttl: 20, data: 'edge.tide.test' },
      { type: 'A', name: 'edge.tide.test', ttl: 30, data: '192.0.2.1' },
      { type: 'AAAA', name: 'edge.tide.test', ttl: 31, data: '2001:db8::1' },
      { type: 'NS', name: 'tide.test', ttl: 32, data: 'ns1.tide.test' },
      { type: 'MX', name: 'tide.test', ttl: 32, data: { exchange: 'mail.tide.test', preference: 1 } },
      { type: 'TXT', name: '_tidegate.web.tide.test', ttl: 33, data: [Buffer.from('one'), Buffer.from([0xff, 0x00])] },
      {
        type: 'SOA',
        name: 'tide.test',
        ttl: 34,
        data: { mname: 'ns1.tide.test', rname: 'ops.tide.test', serial: 4294967295, refresh: 2, retry: 3, expire: 4, minimum: 5 },
      },
    ];
    const soa = { mname: 'ns1.tide.test', rname: 'ops.tide.test', serial: 4294967295, refreshS: 2, retryS: 3, expireS: 4, minimumS: 5 };
    expect(decodeReply(replyTo(request, { answers, authoritative: true }))).toEqual({
      id: 0x1234,
      rcode: 'NOERROR',
      authoritative: true,
      truncated: false,
      recursionAvailable: true,
      question: { name: 'web.tide.test', type: 1, class: 1 },
      answers: [
        { name: 'web.tide.test', type: 'CNAME', ttlS: 20, data: 'edge.tide.test' },
        { name: 'edge.tide.test', type: 'A', ttlS: 30, data: '192.0.2.1' },
        { name: 'edge.tide.test', type: 'AAAA', ttlS: 31, data: '2001:db8::1' },
        { name: 'tide.test', type: 'NS', ttlS: 32, data: 'ns1.tide.test' },
        { name: '_tidegate.web.tide.test', type: 'TXT', ttlS: 33, data: ['one', '\u00ff\u0000'] },
        { name: 'tide.test', type: 'SOA', ttlS: 34, data: soa },
      ],
      negativeTtlS: null,
      ednsBytes: null,
    });
  });

  test('flags, error codes and the time a denial may be believed are read', () => {
    const soa: LibraryAnswer = { type: 'SOA', name: 'tide.test', ttl: 60, data: { mname: 'a', rname: 'b', minimum: 5 } };
    const reply = decodeReply(replyTo(ask('x.tide.test'), { rcode: 'NXDOMAIN', authorities: [soa], truncated: true }));
    expect(reply).toMatchObject({ rcode: 'NXDOMAIN', truncated: true, authoritative: false, negativeTtlS: 5, answers: [] });
    // BADVERS: 1 in the upper part, kept in the OPT record, and 0 in the header.
    const badVersion = hex('1234 8180 0000 0000 0000 0001 00 0029 04d0 01000000 0000');
    expect(decodeReply(badVersion)).toMatchObject({ rcode: 'BADVERS', ednsBytes: 1232 });
  });

  test('compressed names are followed backwards only, and a loop is a Fault, not a hang', () => {
    const message = (name: string): Buffer => hex(`1234 8180 0001 0000 0000 0000 ${name} 0001 0001`);
    expect(readEnvelope(message('0161 0162 00')).questions[0]?.name).toBe('a.b');
    for (const loop of ['c00c', 'c00e', '0161 c00c', 'c0ff', 'ffff']) expect(() => readEnvelope(message(loop)), loop).toThrow(Fault);
    expect(() => readEnvelope(message('41'))).toThrow('unknown kind');
    const twice = hex('1234 8180 0001 0001 0000 0000 0161 00 0001 0001 0162 c00c 0001 0001 0000003c 0004 c0000201');
    expect(decodeReply(twice).answers).toEqual([{ name: 'b.a', type: 'A', ttlS: 60, data: '192.0.2.1' }]);
  });

  test('labels that only look alike stay different', () => {
    const name = (bytes: string): string => reader(hex(bytes), 0).name();
    expect(name('03612e62 00')).toBe('a\\.b');
    expect(name('0161 0162 00')).toBe('a.b');
    expect(name('0261 20 00')).toBe('a\\032');
    expect(name('02 c3a4 00')).toBe('\\195\\164');
    expect(name('00')).toBe('.');
    expect([canonicalName('A.b.'), canonicalName('.'), canonicalName('a.b')]).toEqual(['a.b', '.', 'a.b']);
  });

  test('a name is at most 255 bytes, pointers followed', () => {
    const label63 = `3f${'61'.repeat(63)}`;
    const name = (bytes: string, at = 0): string => reader(hex(bytes), at).name();
    expect(name(`${label63.repeat(3)} 3d${'61'.repeat(61)} 00`)).toHaveLength(253);
    expect(() => name(`${label63.repeat(3)} 3e${'61'.repeat(62)} 00`)).toThrow('longer than 255 bytes');
    expect(() => name(`${label63.repeat(3)} 00 ${label63} c000`, 193)).toThrow('longer than 255 bytes');
  });

  test('a record whose data is longer or shorter than its type allows is a Fault', () => {
    const record = (type: string, length: string, data: string): Buffer =>
      hex(`1234 8180 0000 0001 0000 0000 00 ${type} 0001 00000001 ${length} ${data}`);
    expect(decodeReply(record('0001', '0004', 'c0000201')).answers).toHaveLength(1);
    for (const [type, length, data] of [
      ['0001', '0005', 'c000020100'],
      ['0001', '0003', 'c00002'],
      ['001c', '0004', 'c0000201'],
      ['0010', '0002', '0561'],
      ['0010', '0003', '016105'],
      ['0005', '0002', '0000'],
      ['0002', '0001', '0161'],
      ['0006', '0004', '00000000'],
    ] as const) {
      expect(() => decodeReply(record(type, length, data)), `${type} ${data}`).toThrow(Fault);
    }
    expect(() => decodeReply(record('0001', '0004', 'c000020100'))).toThrow('1 bytes follow the last record');
  });

  test('a question is not taken for a reply', () => {
    expect(() => decodeReply(ask('web.tide.test'))).toThrow('a question where a reply was expected');
  });
});

describe('which reply belongs to which question', () => {
  const request = ask('web.tide.test');
  test('same id, opcode and question, whatever the case of the name', () => {
    expect(repliesTo(request, replyTo(request))).toBe(true);
    expect(repliesTo(request, replyTo(ask('WEB.tide.test')))).toBe(true);
  });
  test('another id, type, name, opcode, a question, or garbage does not', () => {
    const wrongId = replyTo(request);
    wrongId.writeUInt16BE(1, 0);
    const wrongOpcode = replyTo(request);
    wrongOpcode.writeUInt16BE(wrongOpcode.readUInt16BE(2) | 0x2800, 2);
    for (const stray of [
      wrongId,
      wrongOpcode,
      replyTo(ask('web.tide.test', 'AAAA')),
      replyTo(ask('www.tide.test')),
      request,
      Buffer.alloc(0),
      Buffer.alloc(11),
    ]) {
      expect(repliesTo(request, stray), stray.toString('hex')).toBe(false);
    }
  });
  test('without a question only an error, or the reply to an update, belongs', () => {
    const bare = (flags: number): Buffer => hex(`1234 ${flags.toString(16)} 0000 0000 0000 0000`);
    expect(repliesTo(request, bare(0x8181))).toBe(true);
    expect(repliesTo(request, bare(0x8180))).toBe(false);
    const update = Buffer.from(request);
    update.writeUInt16BE(0x2800, 2);
    expect(repliesTo(update, bare(0xa800))).toBe(true);
  });
});

describe('following aliases', () => {
  const chain = (...answers: LibraryAnswer[]) => decodeReply(replyTo(ask('a.test'), { answers }));
  const alias = (name: string, data: string, ttl: number): LibraryAnswer => ({ type: 'CNAME', name, ttl, data });
  const address = (name: string, data: string, ttl: number): LibraryAnswer => ({ type: 'A', name, ttl, data });

  test('the least TTL on the way counts, and records of other names do not', () => {
    const reply = chain(
      address('c.test', '192.0.2.1', 9),
      alias('a.test', 'b.test', 7),
      alias('b.test', 'c.test', 8),
      address('x.test', '192.0.2.66', 1),
    );
    expect(follow(reply, 'A.test.', 'A')).toEqual({ addresses: ['192.0.2.1'], ttlS: 7 });
    expect(follow(reply, 'a.test', 'AAAA')).toEqual({ addresses: [], ttlS: null });
  });

  test('a circle of aliases ends without an address', () => {
    expect(follow(chain(alias('a.test', 'b.test', 1), alias('b.test', 'a.test', 1)), 'a.test', 'A')).toEqual({ addresses: [], ttlS: null });
  });
});

describe('hostile input', () => {
  const key = { name: 'k', algorithm: 'hmac-sha256', secret: Buffer.alloc(32) } as const;
  /** All that reads bytes from the network. Anything thrown but a Fault is a bug. */
  const readEverything = (message: Buffer): void => {
    for (const read of [() => decodeReply(message), () => decodeUpdate(message), () => verify(message, key, 0)]) {
      try {
        read();
      } catch (error) {
        if (!(error instanceof Fault)) throw error;
        expect(['ERR_DNS', 'ERR_TSIG']).toContain(error.code);
      }
    }
    expect(typeof repliesTo(message, message)).toBe('boolean');
  };

  const good = [
    replyTo(ask('web.tide.test'), {
      answers: [
        { type: 'CNAME', name: 'web.tide.test', ttl: 1, data: 'b.test' },
        { type: 'TXT', name: 'b.test', ttl: 1, data: ['one', 'two'] },
        { type: 'SOA', name: 'b.test', ttl: 1, data: { mname: 'a', rname: 'b' } },
      ],
    }),
    // nsupdate's own, signed and compressed.
    hex(`320528000001000100040001047469646504746573740000060001095f746964656761746503776562047469646504746573740000100001000000000004036f6c64c01b001000ff
         000000000000c01b001000010000003c0004036e6577c025000100ff000000000000c025000100010000001e0004c0000202046b3235360000fa00ff00000000003d0b686d61632d
         7368613235360000006b028f7e012c002063abb30a733facc7d40ab5e7bb59146279ef6a44fcc59771d98c3f9f5fdf1672320500000000`),
  ];

  test('random bytes throw nothing but a Fault', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => readEverything(Buffer.from(bytes))),
      { numRuns: 3000 },
    );
  });

  test('good messages cut anywhere, or with a byte or two changed, throw nothing but a Fault', () => {
    for (const message of good) for (let end = 0; end <= message.length; end++) readEverything(message.subarray(0, end));
    const edits = fc.array(fc.tuple(fc.nat(400), fc.nat(255)), { minLength: 1, maxLength: 3 });
    fc.assert(
      fc.property(fc.constantFrom(...good), edits, (message, changes) => {
        const copy = Buffer.from(message);
        for (const [at, value] of changes) copy[at % copy.length] = value;
        readEverything(copy);
      }),
      { numRuns: 5000 },
    );
  });

  test('a header that promises 65535 records in 12 bytes is refused at once', () => {
    expect(() => readEnvelope(hex('1234 8180 ffff ffff ffff ffff'))).toThrow(Fault);
  });
});

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FUDGE_S, secretFromText, sign, type TsigKey, verify } from '../../src/dns/tsig.ts';
import { readEnvelope } from '../../src/dns/wire.ts';
import { Fault } from '../../src/errors.ts';

const hex = (text: string): Buffer => Buffer.from(text.replace(/\s+/g, ''), 'hex');
const k256: TsigKey = { name: 'k256', algorithm: 'hmac-sha256', secret: Buffer.from(Array.from({ length: 32 }, (_, n) => n)) };
const k512: TsigKey = { name: 'k512', algorithm: 'hmac-sha512', secret: Buffer.from(Array.from({ length: 64 }, (_, n) => 255 - n)) };

// Recorded between nsupdate and named of BIND 9.18.49, with the keys above.
const SIGNED_AT_S = 0x6b028f7e;
const applied = {
  request:
    hex(`320528000001000100040001047469646504746573740000060001095f746964656761746503776562047469646504746573740000100001000000000004036f6c64c01b001000ff
    000000000000c01b001000010000003c0004036e6577c025000100ff000000000000c025000100010000001e0004c0000202046b3235360000fa00ff00000000003d0b686d61632d7368
    613235360000006b028f7e012c002063abb30a733facc7d40ab5e7bb59146279ef6a44fcc59771d98c3f9f5fdf1672320500000000`),
  reply:
    hex(`3205a8000001000000000001047469646504746573740000060001046b3235360000fa00ff00000000003d0b686d61632d7368613235360000006b028f7e012c00203e4b726a2d57
    b35326d127cf40b91779cfd3d4fb801a355812321f9f43d4ba55320500000000`),
};
const conflict = {
  request:
    hex(`73422800000100010001000104746964650474657374000006000103776562c00c000100fe000000000000c01b000100010000001e0004c0000202046b3531320000fa00ff000000
    00005d0b686d61632d7368613531320000006b028f7e012c0040e9120405bf6c80849c2fd63ffebd29933ca32916618db6395a55607fc877bafb9149ea84d9d68af9465892fb2aaa0b64
    ff11af4c0f9fcd86620a19f1d62fcea1734200000000`),
  reply:
    hex(`7342a8070001000000000001047469646504746573740000060001046b3531320000fa00ff00000000005d0b686d61632d7368613531320000006b028f7e012c00402e886f4891b9
    91ab535595aca259641f59918c96c785b34c49f175e3158b28ef62ed1978181a2b578d0785836ed79d21b01e766a0cccadcf1f55d05a4f49cfb0734200000000`),
};
const badSig = hex(
  '0a81a8090001000000000001047469646504746573740000060001046b3235360000fa00ff00000000001d0b686d61632d7368613235360000006b028f7e012c00000a8100100000',
);
const badKey = hex(
  '3ba7a8090001000000000001047469646504746573740000060001046b3939390000fa00ff00000000001d0b686d61632d7368613235360000006b028f7e012c00003ba700110000',
);

const macOf = (request: Buffer, key: TsigKey): Buffer => {
  const verified = verify(request, key, SIGNED_AT_S);
  if (!verified.ok) throw new Error(verified.because);
  return verified.mac;
};

describe('against messages of BIND', () => {
  test('its requests and replies verify, the replies over the MAC of the request', () => {
    for (const [pair, key] of [
      [applied, k256],
      [conflict, k512],
    ] as const) {
      const mac = macOf(pair.request, key);
      expect(verify(pair.reply, key, SIGNED_AT_S, mac)).toMatchObject({ ok: true, error: 'NOERROR', peerTimeS: null });
    }
  });

  test('a reply does not verify for another request, nor as a request', () => {
    const other = macOf(conflict.request, k512);
    for (const mac of [undefined, other, Buffer.alloc(32)])
      expect(verify(applied.reply, k256, SIGNED_AT_S, mac)).toMatchObject({ ok: false, problem: 'BADSIG' });
  });

  test('signing what BIND signed gives the very same bytes', () => {
    const bare = Buffer.from(applied.request.subarray(0, readEnvelope(applied.request).records.at(-1)!.startsAt));
    bare.writeUInt16BE(0, 10);
    expect(sign(bare, { ...k256, name: 'K256.' }, SIGNED_AT_S).message).toEqual(applied.request);
  });

  test('its unsigned refusals are told apart and not trusted', () => {
    expect(verify(badSig, k256, SIGNED_AT_S, Buffer.alloc(32))).toMatchObject({ ok: false, problem: 'unsigned', claim: 'BADSIG' });
    expect(verify(badKey, { ...k256, name: 'k999' }, SIGNED_AT_S, Buffer.alloc(32))).toMatchObject({
      ok: false,
      problem: 'unsigned',
      claim: 'BADKEY',
    });
  });
});

const bare = hex('0001 2800 0001 0000 0000 0000 01 7a 00 0006 0001');
const keys = fc.constantFrom(k256, k512);
const times = fc.nat(2 ** 31);

describe('sign and verify', () => {
  test('what is signed verifies, and its reply over its MAC, even when a proxy changed the message id', () => {
    fc.assert(
      fc.property(keys, times, fc.nat(65535), fc.integer({ min: -FUDGE_S, max: FUDGE_S }), (key, nowS, id, skewS) => {
        const request = sign(bare, key, nowS);
        const passed = Buffer.from(request.message);
        passed.writeUInt16BE(id, 0);
        expect(verify(passed, key, Math.max(0, nowS + skewS))).toMatchObject({ ok: true, mac: request.mac, error: 'NOERROR' });
        const reply = sign(bare, key, nowS, { requestMac: request.mac });
        expect(verify(reply.message, key, nowS, request.mac)).toMatchObject({ ok: true });
        expect(verify(reply.message, key, nowS)).toMatchObject({ ok: false, problem: 'BADSIG' });
      }),
    );
  });

  test('any other byte changed anywhere is noticed', () => {
    const { message } = sign(bare, k256, 1000);
    for (let at = 2; at < message.length; at++) {
      const changed = Buffer.from(message);
      changed[at]! ^= 1;
      let trusted = false;
      try {
        trusted = verify(changed, k256, 1000).ok;
      } catch (error) {
        expect(error).toBeInstanceOf(Fault);
      }
      expect(trusted, `byte ${at}`).toBe(false);
    }
  });

  test('more than the fudge away is BADTIME, though the signature is right; exactly the fudge is not', () => {
    const { message } = sign(bare, k256, 10_000);
    for (const nowS of [10_000 - FUDGE_S, 10_000 + FUDGE_S]) expect(verify(message, k256, nowS)).toMatchObject({ ok: true });
    expect(verify(message, k256, 10_000 + FUDGE_S + 1)).toMatchObject({
      ok: false,
      problem: 'BADTIME',
      because: 'signed 301 s ago, at most 300 s',
    });
    expect(verify(message, k256, 10_000 - FUDGE_S - 1)).toMatchObject({
      ok: false,
      problem: 'BADTIME',
      because: 'signed 301 s in the future, at most 300 s',
    });
  });

  test('a server that dislikes our time says so under its signature, with its own time', () => {
    const request = sign(bare, k256, 10_000);
    const serverTime = Buffer.alloc(6);
    serverTime.writeUIntBE(99_999, 0, 6);
    const reply = sign(bare, k256, 10_000, { requestMac: request.mac, error: 'BADTIME', other: serverTime });
    expect(verify(reply.message, k256, 10_000, request.mac)).toMatchObject({ ok: true, error: 'BADTIME', peerTimeS: 99_999 });
  });

  test('another key, another algorithm, no signature and a shortened one are refused by name', () => {
    const { message } = sign(bare, k256, 1000);
    expect(verify(message, { ...k256, name: 'other' }, 1000)).toMatchObject({ ok: false, problem: 'BADKEY' });
    expect(verify(message, { ...k512, name: 'k256' }, 1000)).toMatchObject({ ok: false, problem: 'BADKEY' });
    expect(verify(message, { ...k256, secret: k512.secret }, 1000)).toMatchObject({ ok: false, problem: 'BADSIG' });
    expect(verify(bare, k256, 1000)).toMatchObject({ ok: false, problem: 'unsigned' });
    // 16 of the 32 bytes of the MAC: allowed by RFC 8945 in principle, never asked for by us.
    const { dataAt } = readEnvelope(message).records.at(-1)!;
    const macAt = dataAt + 13 + 6 + 2 + 2;
    const short = Buffer.concat([message.subarray(0, macAt + 16), message.subarray(macAt + 32)]);
    short.writeUInt16BE(16, macAt - 2);
    short.writeUInt16BE(short.readUInt16BE(dataAt - 2) - 16, dataAt - 2);
    expect(verify(short, k256, 1000)).toMatchObject({ ok: false, problem: 'BADSIG' });
  });

  test('a signature that is not the last record is malformed', () => {
    const { message } = sign(bare, k256, 1000);
    const more = Buffer.concat([message, hex('00 0001 0001 00000000 0000')]);
    more.writeUInt16BE(2, 10);
    expect(() => verify(more, k256, 1000)).toThrow('not its last record');
  });
});

describe('the secret file', () => {
  const text = k256.secret.toString('base64');
  test('base64 is read with white space around and within', () => {
    expect(secretFromText(`  ${text.slice(0, 20)}\n${text.slice(20)}\n`, 'dns.key')).toEqual(k256.secret);
  });
  test('anything else is a Fault that names the file and never the text', () => {
    for (const bad of ['', 'short', 'c2hvcnQ=', `${text}!`, `secret "${text}";`, text.slice(1)]) {
      const attempt = (): Buffer => secretFromText(bad, '/etc/tidegate/dns.key');
      expect(attempt, bad).toThrow(Fault);
      expect(attempt).toThrow('/etc/tidegate/dns.key: expected the base64 text');
      if (bad.length > 4) expect(attempt).not.toThrow(bad);
    }
  });
});

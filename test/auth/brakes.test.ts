// Waits of addresses, and what is told of them: bounded whatever comes. Tokens that are signed offline, against every change of a byte.
import { createPublicKey } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ADDRESSES_MAX, addressOf, createBrakes, createTally, TOLD_MAX } from '../../src/auth/brakes.ts';
import { breakGlassKey, verifyBreakGlass } from '../../src/auth/break-glass.ts';
import { newGlassKey } from './credentials.ts';

describe('an address', () => {
  test.each([
    ['192.0.2.1', '192.0.2.1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['::1', '0:0:0:0::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['2001:DB8:0001:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['2001:db8:1:2::', '2001:db8:1:2::/64'],
    ['', ''],
  ])('%s counts as %s', (remote, address) => expect(addressOf(remote)).toBe(address));
});

describe('waits', () => {
  test('never go beyond five minutes, are forgotten after fifteen quiet ones, and are remembered for a bounded number of addresses', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 0, max: 600_000 }), fc.integer({ min: 0, max: 20 })), { maxLength: 300 }),
        (steps) => {
          const brakes = createBrakes();
          let nowMs = 0;
          for (const [waitMs, who] of steps) {
            nowMs += waitMs;
            brakes.failed(`a${who}`, nowMs);
            expect(brakes.waitMs(`a${who}`, nowMs)).toBeLessThanOrEqual(300_000);
          }
          for (let who = 0; who <= 20; who += 1) expect(brakes.waitMs(`a${who}`, nowMs + 900_001)).toBe(0);
        },
      ),
    );
    const brakes = createBrakes();
    for (let i = 0; i < 3 * ADDRESSES_MAX; i += 1) brakes.failed(`a${i}`, i);
    expect(brakes.size).toBe(ADDRESSES_MAX);
  });

  test('one who never stops makes the wait no longer for those behind the same address', () => {
    const brakes = createBrakes();
    for (let i = 0; i < 11; i += 1) brakes.failed('a', 0);
    expect(brakes.waitMs('a', 0)).toBe(1_000);
    for (let i = 0; i < 1_000; i += 1) brakes.failed('a', 500);
    expect(brakes.waitMs('a', 500)).toBe(500);
  });
});

test('what is told is bounded, and no failure is lost from the count', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 500 }), { maxLength: 2_000 }), (from) => {
      const tally = createTally();
      for (const who of from) tally.add(`a${who}`, 'token', 'x');
      const told = tally.take();
      expect(told.length).toBeLessThanOrEqual(TOLD_MAX + 1);
      expect(told.reduce((sum, { count }) => sum + count, 0)).toBe(from.length);
      expect(tally.take()).toEqual([]);
    }),
  );
});

describe('a break-glass token', () => {
  const key = newGlassKey();
  const publicKey = breakGlassKey(key.publicKey) ?? createPublicKey('');
  const nowMs = Date.now();

  test('is good for either of two keys, and worth nothing with any byte changed', () => {
    const other = breakGlassKey(newGlassKey().publicKey);
    if (other === null) throw new Error('no key');
    const token = key.sign({ nowMs });
    expect(verifyBreakGlass(token, [other, publicKey], 'test', nowMs).name).toBe('ann');
    expect(() => verifyBreakGlass(token, [other], 'test', nowMs)).toThrow();
    expect(() => verifyBreakGlass(token, [], 'test', nowMs)).toThrow();
    fc.assert(
      fc.property(fc.nat(token.length - 1), fc.string({ minLength: 1, maxLength: 1 }), (at, char) => {
        fc.pre(token[at] !== char);
        expect(() => verifyBreakGlass(token.slice(0, at) + char + token.slice(at + 1), [publicKey], 'test', nowMs)).toThrow();
      }),
      { numRuns: 500 },
    );
    expect(() => verifyBreakGlass(`${token}A`, [publicKey], 'test', nowMs)).toThrow();
    fc.assert(
      fc.property(fc.string(), (text) => void expect(() => verifyBreakGlass(`tgbg.${text}`, [publicKey], 'test', nowMs)).toThrow()),
    );
  });

  test.each<[string, object]>([
    ['an id that is none', { id: '../x' }],
    ['a name that would break a log', { name: 'a\nb' }],
    ['a role that is none', { role: 'root' }],
    ['services that are none', { services: [] }],
    ['services that are everything', { services: ['*'] }],
    ['no reason', { reason: '' }],
    ['an end before its start', { exp: 1 }],
    ['a life of more than an hour', { exp: Math.floor(nowMs / 1000) + 3601 }],
    ['an end that is no number', { exp: '9999999999' }],
    ['another cluster', { cluster: 'prod' }],
  ])('with %s is refused although it is signed', (_, claims) => {
    expect(() => verifyBreakGlass(key.sign({ nowMs, ...claims }), [publicKey], 'test', nowMs)).toThrow();
  });

  test('whose cluster nobody knows yet is refused', () => {
    expect(() => verifyBreakGlass(key.sign({ nowMs, cluster: null as never }), [publicKey], null, nowMs)).toThrow();
  });
});

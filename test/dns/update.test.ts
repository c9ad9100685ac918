import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeUpdate, encodeUpdate, type Prerequisite, UPDATE_BYTES_MAX, type Update } from '../../src/dns/update.ts';
import { TYPE, txtBytes } from '../../src/dns/wire.ts';

const hex = (text: string): Buffer => Buffer.from(text.replace(/\s+/g, ''), 'hex');

test('a fenced replacement is written byte for byte as RFC 2136 says (2.3 zone, 2.4.2 exactly, 2.5.2 delete a set, 2.5.1 add)', () => {
  const message = encodeUpdate({
    id: 0xbeef,
    zone: 'Tide.Test.',
    prerequisites: [
      { rule: 'exactly', name: '_tidegate.web.tide.test', type: TYPE.TXT, data: [txtBytes('old')] },
      { rule: 'absent', name: 'new.tide.test', type: TYPE.A },
    ],
    updates: [
      { act: 'delete', name: 'web.tide.test', type: TYPE.A },
      { act: 'add', name: 'web.tide.test', type: TYPE.A, ttlS: 30, data: hex('c0000202') },
    ],
  });
  const zone = '04 74696465 04 74657374 00';
  expect(message).toEqual(
    hex(`beef 2800 0001 0002 0002 0000
         ${zone} 0006 0001
         09 5f7469646567617465 03 776562 ${zone} 0010 0001 00000000 0004 03 6f6c64
         03 6e6577 ${zone} 0001 00fe 00000000 0000
         03 776562 ${zone} 0001 00ff 00000000 0000
         03 776562 ${zone} 0001 0001 0000001e 0004 c0000202`),
  );
});

test('what nsupdate writes, compressed and signed, is read as it was typed', () => {
  // prereq yxrrset _tidegate.web.tide.test TXT "old"; delete that TXT; add "new"; delete web A; add web 30 A 192.0.2.2 (BIND 9.18.49).
  const captured =
    hex(`3205 2800 0001 0001 0004 0001 0474696465 0474657374 00 0006 0001 095f7469646567617465 03776562 0474696465 0474657374 00 0010 0001 00000000 0004 036f6c64
         c01b 0010 00ff 00000000 0000 c01b 0010 0001 0000003c 0004 036e6577 c025 0001 00ff 00000000 0000 c025 0001 0001 0000001e 0004 c0000202
         046b323536 00 00fa 00ff 00000000 003d 0b686d61632d736861323536 00 00006b028f7e 012c 0020
         63abb30a733facc7d40ab5e7bb59146279ef6a44fcc59771d98c3f9f5fdf1672 3205 0000 0000`);
  expect(decodeUpdate(captured)).toEqual({
    id: 0x3205,
    zone: 'tide.test',
    prerequisites: [{ rule: 'exactly', name: '_tidegate.web.tide.test', type: TYPE.TXT, data: [txtBytes('old')] }],
    updates: [
      { act: 'delete', name: '_tidegate.web.tide.test', type: TYPE.TXT },
      { act: 'add', name: '_tidegate.web.tide.test', type: TYPE.TXT, ttlS: 60, data: txtBytes('new') },
      { act: 'delete', name: 'web.tide.test', type: TYPE.A },
      { act: 'add', name: 'web.tide.test', type: TYPE.A, ttlS: 30, data: hex('c0000202') },
    ],
  });
});

const name = fc.array(fc.stringMatching(/^[a-z0-9_-]{1,12}$/), { minLength: 1, maxLength: 5 }).map((labels) => labels.join('.'));
const type = fc.constantFrom<number>(TYPE.A, TYPE.AAAA, TYPE.TXT);
const data = fc.uint8Array({ minLength: 1, maxLength: 40 }).map((bytes) => Buffer.from(bytes));
const prerequisite = fc.oneof(
  fc.record({ rule: fc.constant('absent' as const), name, type }),
  fc.record({ rule: fc.constant('exactly' as const), name, type, data: fc.array(data, { minLength: 1, maxLength: 3 }) }),
);
const update = fc.oneof(
  fc.record({ act: fc.constant('delete' as const), name, type }),
  fc.record({ act: fc.constant('add' as const), name, type, ttlS: fc.nat(2 ** 31 - 1), data }),
);
const ownerOf = (rule: Prerequisite): string => `${rule.rule} ${rule.name} ${rule.type}`;

test('every update is read back as it was meant', () => {
  const messages = fc.record({
    id: fc.nat(65535),
    zone: name,
    // One rule for each set: the wire form has no way to say the same thing twice.
    prerequisites: fc.uniqueArray(prerequisite as fc.Arbitrary<Prerequisite>, { selector: ownerOf, maxLength: 6 }),
    updates: fc.array(update as fc.Arbitrary<Update>, { maxLength: 8 }),
  });
  fc.assert(
    fc.property(messages, (message) => {
      expect(decodeUpdate(encodeUpdate(message))).toEqual(message);
    }),
  );
});

test('an update that leaves no room for its signature is refused with its size', () => {
  const add = (n: number): Update => ({ act: 'add', name: `n${n}`, type: TYPE.TXT, ttlS: 1, data: Buffer.alloc(1000) });
  const of = (count: number): Buffer =>
    encodeUpdate({ id: 1, zone: 'z', prerequisites: [], updates: Array.from({ length: count }, (_, n) => add(n)) });
  expect(of(63).length).toBeLessThanOrEqual(UPDATE_BYTES_MAX);
  expect(() => of(65)).toThrow(/takes 6\d{4} bytes, at most 65023; change fewer/);
});

test('a message that is no update, or one with rules unknown here, is refused', () => {
  const update = (section: string): Buffer => hex(`0001 2800 0001 ${section}`);
  const zone = '01 7a 00 0006 0001';
  expect(decodeUpdate(update(`0000 0000 0000 ${zone}`))).toMatchObject({ zone: 'z', prerequisites: [], updates: [] });
  for (const [bad, why] of [
    [hex(`0001 0000 0001 0000 0000 0000 ${zone}`), 'a query'],
    [hex(`0001 a800 0001 0000 0000 0000 ${zone}`), 'a reply'],
    [update('0000 0000 0000 01 7a 00 0001 0001'), 'a zone by another type'],
    [update(`0001 0000 0000 ${zone} 00 00ff 00ff 00000000 0000`), 'prerequisite of class ANY (name is in use)'],
    [update(`0001 0000 0000 ${zone} 00 0001 0001 00000001 0000`), 'prerequisite with a TTL'],
    [update(`0000 0001 0000 ${zone} 00 00ff 00ff 00000000 0000`), 'delete all sets of a name'],
    [update(`0000 0001 0000 ${zone} 00 0001 00fe 00000000 0004 c0000201`), 'delete one record'],
  ] as const) {
    expect(() => decodeUpdate(bad), why).toThrow();
  }
});

import { isIP, SocketAddress } from 'node:net';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { addressBytes, addressText, canonicalAddress, familyOf } from '../../src/dns/address.ts';

test('the canonical text is that of RFC 5952', () => {
  for (const [text, canonical] of [
    ['192.0.2.1', '192.0.2.1'],
    ['0.0.0.0', '0.0.0.0'],
    ['::', '::'],
    ['::1', '::1'],
    ['1::', '1::'],
    ['2001:0DB8:0:0:0:0:0:1', '2001:db8::1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['::ffff:192.0.2.1', '::ffff:c000:201'],
    ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0'],
  ]) {
    expect(canonicalAddress(text!), text).toBe(canonical);
  }
});

test('whatever is not an address is null', () => {
  for (const text of [
    '',
    ' ',
    'localhost',
    '1.2.3',
    '1.2.3.4.5',
    '01.2.3.4',
    '256.1.1.1',
    '1.2.3.4 ',
    '1.2.3.-4',
    '0x1.2.3.4',
    ':',
    ':::',
    '1::2::3',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '1:2:3:4:5:6:7:8::',
    '12345::',
    'g::',
    '1.2.3.4::',
    '::1.2.3',
    'fe80::1%eth0',
    '[::1]',
    '::1/64',
    ':1::',
    '1:',
  ]) {
    expect(canonicalAddress(text), text).toBeNull();
  }
});

test('every address there is survives the way to text and back, and Node reads the text as the same address', () => {
  const bytes = fc.oneof(fc.uint8Array({ minLength: 4, maxLength: 4 }), fc.uint8Array({ minLength: 16, maxLength: 16 }), zeroish);
  fc.assert(
    fc.property(bytes, (all) => {
      const text = addressText(all);
      const family = all.length === 4 ? 4 : 6;
      expect(isIP(text)).toBe(family);
      expect(familyOf(text)).toBe(family);
      expect(addressBytes(text)).toEqual(Buffer.from(all));
      expect(canonicalAddress(new SocketAddress({ address: text, family: `ipv${family}` }).address)).toBe(text);
    }),
    { numRuns: 2000 },
  );
});

/** IPv6 addresses with runs of zeros, where the abbreviation is decided. */
const zeroish = fc
  .array(fc.constantFrom(0, 0, 0, 1, 0xffff), { minLength: 8, maxLength: 8 })
  .map((groups) => Uint8Array.from(groups.flatMap((group) => [group >> 8, group & 255])));

test('what Node does not take for an address, we do not either, and the other way round', () => {
  const texts = fc.oneof(fc.ipV4(), fc.ipV6(), fc.stringMatching(/^[0-9a-f:.]{0,20}$/), fc.string());
  fc.assert(
    fc.property(texts, (text) => {
      // Node takes a zone index; we have no use for one.
      fc.pre(!text.includes('%'));
      expect(familyOf(text) ?? 0).toBe(isIP(text));
    }),
    { numRuns: 5000 },
  );
});

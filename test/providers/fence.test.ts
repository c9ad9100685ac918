import fc from 'fast-check';
import { expect, test } from 'vitest';
import { canaryWriter, formatFence, isCanary, isManual, manualWriter, parseFence, stateHash } from '../../providers/fence.ts';

const fences = fc.record({
  v: fc.nat(),
  epoch: fc.maxSafeNat(),
  writer: fc.stringMatching(/^[a-z0-9/.#-]{1,40}$/),
  nonce: fc.stringMatching(/^[0-9a-f]{1,32}$/),
  hash: fc.stringMatching(/^[0-9a-f]{1,32}$/),
});

test('a fence is read back as it was written', () => {
  fc.assert(
    fc.property(fences, (fence) => {
      expect(parseFence(formatFence(fence))).toEqual(fence);
    }),
  );
});

test('whoever sets a route by hand is named in a fence that can be written, and known by it', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', maxLength: 300 }), (owner) => {
      const fence = { v: 1, epoch: 1, writer: manualWriter(owner), nonce: 'n', hash: 'f' };
      expect(parseFence(formatFence(fence))).toEqual(fence);
      expect(isManual(fence)).toBe(true);
    }),
  );
  expect(manualWriter('alice@example.test')).toBe('manual/alice@example.test');
  expect(isManual({ v: 1, epoch: 1, writer: 'manually/a/b', nonce: 'n', hash: 'f' })).toBe(false);
});

test('the written form is the documented one', () => {
  expect(formatFence({ v: 7, epoch: 3, writer: 'eu-west/a', nonce: 'ab12', hash: 'ff00' })).toBe(
    'v=1;fence=7;epoch=3;writer=eu-west/a;nonce=ab12;hash=ff00',
  );
});

test('what could not be read back is refused when written', () => {
  const good = { v: 1, epoch: 1, writer: 'w', nonce: 'n', hash: 'f' };
  for (const bad of [
    { writer: 'a;fence=9' },
    { writer: '' },
    { writer: 'a b' },
    { v: -1 },
    { v: 1.5 },
    { epoch: 2 ** 60 },
    { nonce: '' },
    { hash: 'G' },
  ])
    expect(() => formatFence({ ...good, ...bad }), JSON.stringify(bad)).toThrow('cannot be written');
});

test('anything else is nobody’s fence', () => {
  const text = 'v=1;fence=7;epoch=3;writer=w;nonce=n;hash=f';
  expect(parseFence(text)).not.toBeNull();
  for (const bad of [
    '',
    'manual=1',
    'v=2;fence=7',
    `${text};x=1`,
    ` ${text}`,
    `${text}\n`,
    text.replace('=7', '=07'),
    text.replace('=7', '=9999999999999999'),
  ])
    expect(parseFence(bad), bad).toBeNull();
});

test('the hash depends on content, not on the order of keys', () => {
  expect(stateHash({ a: 1, b: { d: [1, 2], c: null } })).toBe(stateHash({ b: { c: null, d: [1, 2] }, a: 1 }));
  expect(stateHash({ a: [1, 2] })).not.toBe(stateHash({ a: [2, 1] }));
  expect(stateHash({ a: 1 })).not.toBe(stateHash({ a: 2 }));
  expect(stateHash('x')).toMatch(/^[0-9a-f]{32}$/);
});

test('the fence of a canary is told from that of a service, however long the name of its writer', () => {
  const fence = { v: 1, epoch: 1, writer: canaryWriter(`${'r'.repeat(90)}/a/0123`), nonce: 'n', hash: 'f' };
  expect(parseFence(formatFence(fence))).toEqual(fence);
  expect([isCanary(fence), isManual(fence)]).toEqual([true, false]);
  expect(isCanary({ ...fence, writer: 'canary-region/a/b' })).toBe(false);
});

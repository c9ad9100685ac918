// The memory of a gate on disk: what is believed of a file, and what is not.
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { recordOf } from '../../providers/gate/convert.ts';
import { gateFile, type Memory, memoryText, readMemory } from '../../src/gate/file.ts';
import { fenceOf, serviceOf, WEB } from '../providers/gate.fixture.ts';

const folder = mkdtempSync(join(tmpdir(), 'tidegate-gate-'));
afterAll(() => rmSync(folder, { recursive: true }));

const drained = serviceOf(WEB, { 'us-east': 500, 'ap-south': 500 });
const MEMORY: Memory = {
  known: {
    clusterId: 'c1',
    adopted: { nonce: 'n1', atMs: 1_600_000_000_000 },
    records: new Map([[WEB, recordOf({ desired: drained, fence: fenceOf(7, drained) })]]),
  },
  seenAtMs: 1_700_000_000_000,
};
const WHO = 'eu-west/a';
const TEXT = memoryText(MEMORY, WHO);

describe('what was written', () => {
  test('reads back the same, by the same replica', () => {
    expect(readMemory(TEXT, WHO)).toEqual(MEMORY);
    expect(readMemory(TEXT, 'us-east/a')).toBe('eu-west/a wrote it, and this is us-east/a');
  });

  test('cut off anywhere is not believed', () => {
    // Without its line end it is whole.
    for (let length = 0; length < TEXT.length - 1; length++)
      expect(readMemory(TEXT.slice(0, length), WHO), `${length}`).toEqual(expect.any(String));
  });

  test('with any one character changed is not believed, or says the very same', () => {
    fc.assert(
      fc.property(fc.nat(TEXT.length - 1), fc.string({ unit: 'grapheme-ascii', minLength: 1, maxLength: 1 }), (at, char) => {
        const read = readMemory(TEXT.slice(0, at) + char + TEXT.slice(at + 1), WHO);
        if (typeof read !== 'string') expect(read).toEqual(MEMORY);
      }),
      { numRuns: 2000 },
    );
  });

  test.each([
    '',
    '{}',
    'null',
    '[]',
    '{"tidegateGate":2}',
    '{"tidegateGate":1,"sum":"","memory":"{}"}',
    'region: eu-west\n',
    '\0'.repeat(100),
  ])('is none of ours: %j', (text) => {
    expect(readMemory(text, WHO)).toEqual(expect.any(String));
  });

  test('with a record that drains every pool is not believed, though its checksum is right', () => {
    const record = { ...MEMORY.known.records.get(WEB)!, pools: { 'eu-west': { open: false, region: 'eu-west' } } };
    const text = memoryText({ ...MEMORY, known: { ...MEMORY.known, records: new Map([[WEB, record]]) } }, WHO);
    expect(readMemory(text, WHO)).toBe(`its record of ${WEB} is not understood`);
  });
});

test('the file is replaced as a whole, is its owner’s only, and what is not ours is put aside', async () => {
  const path = join(folder, 'deep', 'gate.json');
  const file = gateFile(path);
  expect(await file.read()).toBe('');
  await file.replace('one');
  await file.replace(TEXT);
  expect(await file.read()).toBe(TEXT);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(readdirSync(join(folder, 'deep'))).toEqual(['gate.json']);
  writeFileSync(path, 'theirs');
  await file.setAside();
  expect(await file.read()).toBe('');
  expect(readFileSync(`${path}.refused`, 'utf8')).toBe('theirs');
});

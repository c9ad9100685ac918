// What `/v1/status`, the command and /metrics say of what micro-drills have proved.
import { expect, test } from 'vitest';
import { microDrillGauges, microDrillsOf } from '../../src/api/proofs.ts';
import { statusDocument } from '../../src/api/status.ts';
import { findingsOf } from '../../src/command/desk/findings.ts';
import { statusLines } from '../../src/command/desk/status-text.ts';
import type { MicroDrill, Proof } from '../../src/model.ts';
import { healthy, SCREEN } from '../command/desk/fixture.ts';
import { NOW_MS, statusInput } from './fixture.ts';

const drill = (agoMs: number, phasesMs: MicroDrill['phasesMs'], ok: boolean | null = true): MicroDrill => ({
  v: 7,
  from: 'a',
  to: 'b',
  t0AtMs: NOW_MS - agoMs - 10,
  t3AtMs: NOW_MS - agoMs,
  phasesMs,
  ok,
  because: ok === false ? 'not authoritative: 192.0.2.53:53: still answers 192.0.2.1' : '',
  by: 'eu-west/a/b1',
});

const proofOf = (agoMs: number, given: Partial<Proof> = {}): Proof => {
  const proven = [...Array(20).keys()].map((n) => drill(agoMs + n, { acknowledged: 100 * (n + 1), authoritative: 1000 * (n + 1) }));
  return {
    service: 'canary.example.test',
    everyMs: 300_000,
    last: proven[0] ?? drill(agoMs, {}),
    provenAtMs: NOW_MS - agoMs,
    proven,
    stale: false,
    nonce: 'n',
    ...given,
  };
};

const statusOf = (proof: Proof) => healthy({ proofs: new Map([['local', proof]]), paths: null });

test('p50 and p95 by nearest rank, of those that came through; a phase that is not measured is missing', () => {
  const [one] = microDrillsOf(new Map([['dns', proofOf(60_000)]]), NOW_MS);
  expect(one?.phases).toEqual({
    acknowledged: { p50Ms: 1000, p95Ms: 1900, count: 20 },
    authoritative: { p50Ms: 10_000, p95Ms: 19_000, count: 20 },
  });
});

test.each([
  [3 * 300_000, false],
  [3 * 300_000 + 1, true],
])('a proof of %d ms ago is stale: %j', (agoMs, stale) => {
  expect(microDrillsOf(new Map([['dns', proofOf(agoMs)]]), NOW_MS)[0]?.stale).toBe(stale);
});

test('a path that was never proved is stale, and nothing is said of what does not exist', () => {
  const [one] = microDrillsOf(new Map([['dns', proofOf(0, { provenAtMs: null, proven: [], last: drill(0, {}, null) })]]), NOW_MS);
  expect(one).toMatchObject({ stale: true, provenAtMs: null, phases: {} });
  expect(statusDocument(statusInput())).not.toHaveProperty('microDrills');
});

test('the screen has it from a replica that does not write, and what is wrong is a finding', () => {
  const lines = statusLines(statusOf(proofOf(120_000)), SCREEN).join('\n');
  expect(lines).toMatch(
    /MICRO-DRILL +PROVEN +WRITTEN p50\/p95 +SERVED +AT RESOLVERS\nlocal +(?:\S+ )?2m ago +1\.0s \/ 1\.9s +10\.0s \/ 19\.0s +-/,
  );
  expect(findingsOf(statusOf(proofOf(120_000)))).toEqual(findingsOf(healthy({ paths: null })));
  const failed = statusOf(proofOf(120_000, { last: drill(1000, {}, false) }));
  expect(findingsOf(failed).map(({ text }) => text)).toContain(
    'micro-drill of local failed: not authoritative: 192.0.2.53:53: still answers 192.0.2.1',
  );
  expect(findingsOf(statusOf(proofOf(4 * 300_000))).map(({ text }) => text)).toContain('a failover by local was not proven lately');
});

test('metrics show micro-drills that are configured now, as the holder of the office sees them, or as the store has them elsewhere', () => {
  const proofs = new Map([
    ['dns', proofOf(60_000)],
    ['lb', proofOf(60_000, { stale: true })],
    ['removed', proofOf(9_000_000, { stale: true })],
    ['plain', proofOf(9_000_000, { stale: true })],
  ]);
  const canaries = [{ path: 'dns', microDrill: true as const }, { path: 'lb', microDrill: true as const }, { path: 'plain' }];
  expect(microDrillGauges(canaries, proofs, [])).toEqual([
    { provider: 'dns', provenAtMs: NOW_MS - 60_000, isStale: false, isHeld: null },
    { provider: 'lb', provenAtMs: NOW_MS - 60_000, isStale: true, isHeld: null },
  ]);
  const flown = [{ provider: 'dns', isHeld: false, isStale: true }];
  expect(microDrillGauges(canaries, proofs, flown)[0]).toMatchObject({ isStale: true, isHeld: false });
  expect(microDrillGauges([{ path: 'new', microDrill: true }], proofs, [])).toEqual([
    { provider: 'new', provenAtMs: null, isStale: false, isHeld: null },
  ]);
});

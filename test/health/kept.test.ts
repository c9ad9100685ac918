// What a vantage keeps piece by piece (lists of its vote, suspects, bursts) beside a count of everything, whatever comes in.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { grayRuleOf } from '../../src/health/gray.ts';
import { isSuspect } from '../../src/health/opinion.ts';
import { listsOf } from '../../src/health/speech.ts';
import { newOwn, observe, type VantageInput } from '../../src/health/vantage.ts';
import type { VantageRules } from '../../src/health/watched.ts';
import { fault, key, nothing, ok, rulesOf, watching } from './machine.ts';

const NAMES = ['t1', 't2', 't3', 't4', 't5', 't6'];
const gray = grayRuleOf({ gray: { acceptable: 10, rejectable: 300, threshold: 2, cut: 0 }, intervalMs: 5000 });
if (gray === null) throw new Error('the rule is off');
const RULES: readonly VantageRules[] = [
  rulesOf(watching(NAMES), { gray }),
  rulesOf(watching(NAMES.slice(2)), { configVersion: 2, gray }),
  rulesOf(watching(NAMES).filter(({ endpoint }) => endpoint === 'healthz')),
];
const company = (peers: readonly string[], spellOut: boolean): VantageInput => ({
  kind: 'company',
  company: { peers, elder: null, spellOut },
});

const endpoint = fc.record({ name: fc.constantFrom(...NAMES), endpoint: fc.constantFrom('healthz' as const, 'readyz' as const) });
const keyIn = endpoint.map((e) => key(e.name, e.endpoint));
const inputIn = fc.oneof(
  {
    weight: 10,
    arbitrary: fc.record({ key: keyIn, saw: fc.constantFrom(ok, ok, fault, fault, nothing), agoMs: fc.nat(1500), scheduled: fc.boolean() }),
  },
  { weight: 1, arbitrary: fc.record({ pending: keyIn }) },
  { weight: 1, arbitrary: fc.record({ hint: keyIn }) },
  { weight: 1, arbitrary: fc.record({ rules: fc.constantFrom(...RULES) }) },
  { weight: 1, arbitrary: fc.record({ peers: fc.constantFrom(['a'], ['a', 'b']), spellOut: fc.boolean() }) },
  { weight: 2, arbitrary: fc.constant({}) },
);

test('the lists of a vote, the suspects and what is held down are those that a count of everything finds, after any input', () => {
  let said = 0;
  fc.assert(
    fc.property(fc.array(fc.tuple(inputIn, fc.nat(800)), { minLength: 30, maxLength: 150 }), (inputs) => {
      let own = newOwn('boot', 'a', RULES[0]!, 0);
      let nowMs = 0;
      for (const [drawn, passMs] of inputs) {
        nowMs += passMs;
        const step = observe(own, inputOf(drawn, nowMs), nowMs);
        own = step.own;
        expect(own.lists).toEqual(listsOf(own));
        const suspected = [...own.opinions].filter(([, o]) => isSuspect(o));
        const those = (down: boolean) => suspected.filter(([, { state }]) => (state === 'down') === down).map(([k]) => k);
        expect([...own.suspects].sort()).toEqual(those(false).sort());
        expect([...own.fallen].sort()).toEqual(those(true).sort());
        expect(own.vote).toMatchObject({ down: own.lists.down, unready: own.lists.unready, unknown: own.lists.unknown });
        said += own.vote.down.length + (own.vote.gray?.length ?? 0);
      }
    }),
    { numRuns: 200 },
  );
  expect(said).toBeGreaterThan(100);
});

type Drawn = typeof inputIn extends fc.Arbitrary<infer T> ? T : never;

const inputOf = (drawn: Drawn, nowMs: number): VantageInput => {
  if ('key' in drawn) {
    const observation = { key: drawn.key, startedAtMs: nowMs - drawn.agoMs, outcome: drawn.saw };
    return { kind: 'look', observation, late: false, scheduled: drawn.scheduled };
  }
  if ('pending' in drawn) return { kind: 'pending', key: drawn.pending, startedAtMs: nowMs - 1000 };
  if ('hint' in drawn) return { kind: 'hints', from: 'elsewhere', keys: [drawn.hint] };
  if ('rules' in drawn) return { kind: 'rules', rules: drawn.rules };
  if ('peers' in drawn) return company(drawn.peers, drawn.spellOut);
  return { kind: 'tick' };
};

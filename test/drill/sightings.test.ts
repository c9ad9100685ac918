import { expect, test } from 'vitest';
import { heldDown, NOTHING, sightings, type View, viewOf } from '../../src/drill/sightings.ts';
import type { Audit, Beat, Leader, Suspicion, Vote } from '../../src/model.ts';

const target = (region: string): string => `web/${region}/app`;
const vote = (fields: Partial<Vote> = {}): Vote => ({
  boot: 'b',
  seq: 1,
  configVersion: 1,
  self: { state: 'ok' },
  peers: ['a'],
  down: [],
  unready: [],
  unknown: [],
  ...fields,
});
const suspicion: Suspicion = { firstFaultAgeMs: 10, lastOkAgeMs: 500, faults: 1, reason: 'refused' };
const beat = (...suspects: readonly string[]): Beat => ({
  boot: 'b',
  seq: 1,
  n: 1,
  configVersion: 1,
  suspects: Object.fromEntries(suspects.map((key) => [key, suspicion])),
  loopDelayMs: 0,
  wallMs: 0,
});
const leader = (region: string, epoch: number, fields: Partial<Leader> = {}): Leader => ({
  region,
  replica: 'a',
  boot: 'b',
  epoch,
  n: 0,
  nonce: '',
  released: false,
  ...fields,
});
const view = (fields: Partial<View>): View => ({ ...NOTHING, ...fields });

test('a store is read by its keys, one replica per region', () => {
  const seen = viewOf({
    kvs: [
      { key: 'leader', value: leader('eu', 1), mod: 1 },
      { key: 'vote/eu/a', value: vote(), mod: 2 },
      { key: 'beat/us/a', value: beat(), mod: 3 },
      { key: 'applied/local/web', value: { fence: 2, atMs: 0, outcome: 'applied', because: '' }, mod: 4 },
    ],
  });
  expect(seen.leader?.region).toBe('eu');
  expect([...seen.votes.keys()]).toEqual(['eu']);
  expect([...seen.beats.keys()]).toEqual(['us']);
  expect(seen.applied.map(({ fence }) => fence)).toEqual([2]);
  expect(seen.routing).toBeNull();
});

test('a doubt is told once per region, however many endpoints share it, and again only after it ended', () => {
  const calm = view({ beats: new Map([['eu', beat()]]) });
  const one = view({ beats: new Map([['eu', beat(`${target('us')}#healthz`)]]) });
  const both = view({ beats: new Map([['eu', beat(`${target('us')}#healthz`, `${target('us')}#readyz`)]]) });
  const told = [{ kind: 'suspicion', by: 'eu', of: 'us', reason: 'refused' }];
  expect(sightings(calm, one)).toEqual(told);
  expect(sightings(calm, both)).toEqual(told);
  expect(sightings(one, both)).toEqual([]);
  expect(sightings(both, calm)).toEqual([]);
  expect(sightings(calm, both)).toEqual(told);
});

test('a vote is told by the endpoints that are new in it, its withdrawal when nothing is left of it', () => {
  const at = (fields: Partial<Vote>): View => view({ votes: new Map([['eu', vote(fields)]]) });
  const ready = at({ unready: [target('us')] });
  const both = at({ unready: [target('us')], down: [target('us')] });
  expect(sightings(at({}), ready)).toEqual([{ kind: 'vote', by: 'eu', of: 'us', endpoints: ['readyz'], mute: false }]);
  expect(sightings(ready, both)).toEqual([{ kind: 'vote', by: 'eu', of: 'us', endpoints: ['healthz'], mute: false }]);
  expect(sightings(at({}), both)).toEqual([{ kind: 'vote', by: 'eu', of: 'us', endpoints: ['readyz', 'healthz'], mute: false }]);
  expect(sightings(both, ready)).toEqual([]);
  expect(sightings(ready, at({}))).toEqual([{ kind: 'withdrawal', by: 'eu', of: 'us' }]);
  expect(heldDown(undefined).size).toBe(0);
});

test('who abstains has no vote to tell, and is heard again when it votes again', () => {
  const at = (fields: Partial<Vote>): View => view({ votes: new Map([['eu', vote(fields)]]) });
  const mute = { state: 'abstain', because: 'no anchor' } as const;
  expect(sightings(at({}), at({ self: mute }))).toEqual([{ kind: 'abstention', by: 'eu', because: 'no anchor' }]);
  expect(sightings(at({ self: mute }), at({ self: mute, down: [target('us')] }))).toEqual([
    { kind: 'vote', by: 'eu', of: 'us', endpoints: ['healthz'], mute: true },
  ]);
  expect(sightings(at({ self: mute }), at({ self: { state: 'abstain', because: 'another reason' } }))).toEqual([]);
  expect(sightings(at({ self: mute }), at({}))).toEqual([{ kind: 'voice', by: 'eu' }]);
});

test('a new term is told, renewals and a release are not', () => {
  const at = (record: Leader | null): View => view({ leader: record });
  expect(sightings(at(null), at(leader('eu', 1)))).toEqual([{ kind: 'leader', region: 'eu', epoch: 1 }]);
  expect(sightings(at(leader('eu', 1)), at(leader('eu', 1, { n: 7 })))).toEqual([]);
  expect(sightings(at(leader('eu', 1)), at(leader('eu', 1, { released: true })))).toEqual([]);
  expect(sightings(at(leader('eu', 1)), at(leader('us', 2)))).toEqual([{ kind: 'leader', region: 'us', epoch: 2 }]);
});

test('decisions are told each once, also when two came between two reads; so is what the provider acknowledged', () => {
  const audit = (v: number): Audit => ({
    v,
    epoch: 1,
    atMs: 0,
    by: 'eu/a',
    because: '',
    wouldChange: '',
    changes: [],
    holds: [],
    votes: {},
    prevHash: '',
  });
  const told = sightings(view({ audits: [audit(1)] }), view({ audits: [audit(1), audit(2), audit(3)] }));
  expect(told.map((each) => (each.kind === 'decision' ? each.audit.v : null))).toEqual([2, 3]);
  const applied = (fence: number, outcome: 'applied' | 'failing') => view({ applied: [{ fence, atMs: 0, outcome, because: '' }] });
  expect(sightings(applied(1, 'applied'), applied(2, 'failing'))).toEqual([]);
  expect(sightings(applied(2, 'failing'), applied(2, 'applied'))).toEqual([{ kind: 'acknowledged', fence: 2 }]);
  expect(sightings(applied(2, 'applied'), applied(2, 'applied'))).toEqual([]);
});

// What a read shows besides the votes: which services are not ours to decide, and that the core is told.
import { describe, expect, test } from 'vitest';
import { appliedKey, KEYS } from '../../src/coordinate/keys.ts';
import { sightOf } from '../../src/coordinate/read.ts';
import { createRevisionClock } from '../../src/coordinate/revision-clock.ts';
import type { AppliedRecord, Routing } from '../../src/model.ts';
import { clusterOf } from '../world.ts';
import { Offices } from './offices.ts';

const applied = (outcome: AppliedRecord['outcome']): AppliedRecord => ({ fence: 3, atMs: 1, outcome, because: 'as seen' });

describe('frozen services', () => {
  const cluster = clusterOf(['a', 'b', 'c'], [{ name: 'web' }, { name: 'api' }, { name: 'mail', provider: 'other' }]);
  const frozen = (records: Readonly<Record<string, unknown>>, known = true): readonly string[] => {
    const kvs = Object.entries(records).map(([key, value], i) => ({ key, value, mod: i + 2 }));
    const members = known ? [{ key: KEYS.members, value: cluster, mod: 1 }] : [];
    return sightOf({ rev: 9, kvs: [...members, ...kvs] }, createRevisionClock(), 0, new Map()).frozen;
  };

  test('are those whose provider is ahead of the store, or was written by hand', () => {
    expect(frozen({})).toEqual([]);
    expect(frozen({ [appliedKey('memory', 'web')]: applied('frozen'), [appliedKey('memory', 'api')]: applied('manual') })).toEqual([
      'api',
      'web',
    ]);
    for (const outcome of ['applied', 'failing', 'drift'] as const)
      expect(frozen({ [appliedKey('memory', 'web')]: applied(outcome) })).toEqual([]);
  });

  test('are judged by the provider configured now: what another one served once says nothing', () => {
    expect(frozen({ [appliedKey('memory', 'mail')]: applied('frozen') })).toEqual([]);
    expect(frozen({ [appliedKey('other', 'mail')]: applied('frozen') })).toEqual(['mail']);
    expect(frozen({ [appliedKey('memory', 'gone')]: applied('frozen') })).toEqual([]);
    expect(frozen({ [appliedKey('memory', 'web')]: applied('frozen') }, false)).toEqual([]);
    expect(frozen({ [appliedKey('memory', 'web')]: null })).toEqual([]);
  });

  test('are not moved by the coordinator until a human has ended it', async () => {
    const offices = new Offices();
    await offices.start();
    await offices.virtual.advance(10_000);
    await offices.store.txn({ if: [], then: [{ put: appliedKey('memory', 'web'), value: applied('manual') }] });
    offices.dead.add('b');
    await offices.virtual.advance(20_000);
    const web = async () => (await offices.record<Routing>(KEYS.routing))?.services.web;
    expect((await web())?.route.b).toBe(333);
    expect((await web())?.pools.b?.hold).toBe('frozen');
    await offices.store.txn({ if: [], then: [{ put: appliedKey('memory', 'web'), value: applied('applied') }] });
    await offices.virtual.advance(5000);
    expect((await web())?.route.b).toBe(0);
    expect(offices.violations).toEqual([]);
    await offices.close();
  });
});

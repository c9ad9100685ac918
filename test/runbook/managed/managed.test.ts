// Databases that a vendor keeps, against fakes of their APIs: what is sent, what is understood, and what a refusal means.
import { describe, expect, test } from 'vitest';
import { standingOf as auroraStanding } from '../../../src/runbook/managed/aurora.ts';
import { operationOf, standingOf as sqlStanding } from '../../../src/runbook/managed/cloud-sql.ts';
import { refusalOf } from '../../../src/runbook/managed/standing.ts';
import { startHarness, stepContract } from '../../contract/step.contract.ts';
import { ARN, startAuroraWorld, startCloudSqlWorld } from './world.ts';

/** Its twin, Cloud SQL, is in the table of all kinds. */
stepContract('managed.failover', { lacks: ['body'], faults: ['silence', 'lost', 'empty', 'html', 'echo'], start: startAuroraWorld });

describe('Aurora', () => {
  test.each([
    [false, 'SwitchoverGlobalCluster', null],
    [true, 'FailoverGlobalCluster', 'true'],
  ])('lossy %s is sent as %s', async (lossy, action, allows) => {
    await using h = await startHarness('managed.failover', () => startAuroraWorld(lossy));
    expect(await h.read()).toMatchObject({ is: 'pending' });
    expect(await h.apply()).toMatchObject({ took: 'accepted' });
    const [sent] = h.world.moves;
    expect(sent?.get('Action')).toBe(action);
    expect(sent?.get('GlobalClusterIdentifier')).toBe('orders');
    expect(sent?.get('TargetDbClusterIdentifier')).toBe(ARN('us-east-1'));
    expect(sent?.get('AllowDataLoss') ?? null).toBe(allows);
    expect((await h.read()).because).toMatch(/(switching|failing)-over to arn:/);
    await h.world.settle();
    expect(await h.read()).toMatchObject({ is: 'reached' });
  });

  test('a move that somebody else has begun is waited for', async () => {
    await using h = await startHarness('managed.failover', startAuroraWorld);
    h.world.begin('switching-over', ARN('us-east-1'));
    expect(await h.apply()).toMatchObject({ took: 'accepted', because: expect.stringContaining('already') });
    expect(h.world.moves).toEqual([]);
  });

  test('a switchover that waits for a writer that is gone is not taken for the move by force: that is asked for, and again if it is refused', async () => {
    for (const status of ['switching-over', 'pending']) {
      await using h = await startHarness('managed.failover', () => startAuroraWorld(true));
      h.world.begin(status, ARN('us-east-1'));
      h.world.refuses({ status: 400, code: 'InvalidGlobalClusterStateFault' });
      expect(await h.apply()).toMatchObject({ took: 'refused', because: expect.stringContaining('InvalidGlobalClusterStateFault') });
      h.world.refuses(null);
      expect(await h.apply()).toMatchObject({ took: 'accepted', because: expect.stringContaining('with loss') });
      expect(h.world.moves.map((sent) => sent.get('Action'))).toEqual(['FailoverGlobalCluster']);
    }
    await using h = await startHarness('managed.failover', () => startAuroraWorld(true));
    h.world.begin('failing-over', ARN('us-east-1'));
    expect(await h.apply()).toMatchObject({ took: 'accepted', because: expect.stringContaining('already') });
    expect(h.world.moves).toEqual([]);
  });

  test('whether data may be lost by what is under way, the vendor says', () => {
    const waits = (IsDataLossAllowed: boolean | undefined) =>
      auroraStanding({ FailoverState: { Status: 'failing-over', ToDbClusterArn: 'x', IsDataLossAllowed } }, 'x').busy?.waits;
    expect([true, undefined, false].map(waits)).toEqual([false, false, true]);
  });

  test('a move to another cluster is no move of ours: it is asked for again when that has ended', async () => {
    await using h = await startHarness('managed.failover', startAuroraWorld);
    h.world.begin('switching-over', ARN('ap-south-1'));
    expect(await h.apply()).toMatchObject({ took: 'refused', because: expect.stringContaining('busy') });
    h.world.begin('cancelling', ARN('us-east-1'));
    expect(await h.apply()).toMatchObject({ took: 'refused' });
    expect(h.world.moves).toEqual([]);
  });

  test('a cluster that has to be copied anew is not switched over to; by force it may be', async () => {
    await using h = await startHarness('managed.failover', startAuroraWorld);
    h.world.resyncs();
    expect(await h.apply()).toMatchObject({ took: 'refused', because: expect.stringContaining('pending-resync') });
    expect(h.world.moves).toEqual([]);
    await using forced = await startHarness('managed.failover', () => startAuroraWorld(true));
    forced.world.resyncs();
    expect(await forced.apply()).toMatchObject({ took: 'accepted' });
  });

  test.each([
    [400, 'InvalidGlobalClusterStateFault', 'refused'],
    [403, 'AccessDenied', 'fatal'],
    [404, 'DBClusterNotFoundFault', 'fatal'],
    [400, 'Throttling', 'fatal'],
    [500, 'InternalFailure', 'undecided'],
  ])('%d %s is %s', async (status, code, took) => {
    await using h = await startHarness('managed.failover', startAuroraWorld);
    h.world.refuses({ status, code });
    const effect = await h.apply();
    // A code of throttling is told by its name, whatever its status.
    expect(effect).toMatchObject({ took: code === 'Throttling' ? 'refused' : took, because: expect.stringContaining(code) });
  });

  test('a cluster that is none of it is never waited for', () => {
    expect(auroraStanding({ GlobalClusterMembers: [] }, 'x')).toEqual({ writer: null, member: null, busy: null });
  });
});

describe('Cloud SQL', () => {
  test.each([
    [false, 'instances/orders-us/switchover'],
    [true, 'instances/orders-us/promoteReplica?failover=true'],
  ])('lossy %s is asked for as %s, and its operation is followed', async (lossy, path) => {
    await using h = await startHarness('managed.failover', () => startCloudSqlWorld(lossy));
    const effect = await h.apply();
    expect(effect).toMatchObject({ took: 'accepted', facts: { operation: 'op-1' } });
    expect(h.world.moves).toEqual([path]);
    expect(await h.read(effect.facts)).toMatchObject({ is: 'pending', because: expect.stringContaining('PENDING') });
    await h.world.settle();
    expect(await h.read(effect.facts)).toMatchObject({ is: 'reached' });
  });

  test('an operation that failed is told with what the vendor says', async () => {
    await using h = await startHarness('managed.failover', startCloudSqlWorld);
    const { facts } = await h.apply();
    h.world.fails('replica is too far behind');
    expect(await h.read(facts)).toMatchObject({ is: 'never', because: expect.stringContaining('too far behind') });
  });

  test.each([
    [409, 'refused'],
    [403, 'fatal'],
    [503, 'undecided'],
  ])('%d is %s', async (status, took) => {
    await using h = await startHarness('managed.failover', startCloudSqlWorld);
    h.world.refuses(status);
    const effect = await h.apply();
    // Its sentence says that something else is under way, which counts before a status does.
    expect(effect.took).toBe(status === 403 ? 'refused' : took);
  });

  test('who is a replica of nobody writes', () => {
    expect(sqlStanding({ name: 'a', state: 'RUNNABLE', instanceType: 'CLOUD_SQL_INSTANCE' }, [])).toEqual({
      writer: 'a',
      member: { writes: true, ready: true, state: 'RUNNABLE' },
      busy: null,
    });
    expect(sqlStanding({ name: 'b', state: 'MAINTENANCE', instanceType: 'READ_REPLICA_INSTANCE', masterInstanceName: 'p:a' }, [])).toEqual({
      writer: 'a',
      member: { writes: false, ready: false, state: 'MAINTENANCE' },
      busy: null,
    });
  });

  test('a backup that runs leads nowhere, a promotion does', () => {
    const replica = { name: 'b', state: 'RUNNABLE', instanceType: 'READ_REPLICA_INSTANCE', masterInstanceName: 'p:a' };
    const of = (operationType: string) => sqlStanding(replica, [{ name: 'x', status: 'RUNNING', operationType }]).busy;
    expect(of('BACKUP_VOLUME')).toEqual({ says: 'BACKUP_VOLUME is RUNNING', isThis: false });
    expect(of('PROMOTE_REPLICA')).toMatchObject({ isThis: true });
  });

  test('an operation that is done with faults has failed', () => {
    expect(operationOf({ name: 'x', status: 'DONE' })).toMatchObject({ is: 'done' });
    expect(operationOf({ name: 'x', status: 'RUNNING' })).toMatchObject({ is: 'running' });
    expect(operationOf({ name: 'x', status: 'DONE', error: { errors: [{ code: 'Y' }] } })).toEqual({
      is: 'failed',
      because: 'the operation: Y',
    });
  });
});

test.each([
  [null, false, 'undecided'],
  [500, false, 'undecided'],
  [429, false, 'refused'],
  [400, true, 'refused'],
  [400, false, 'fatal'],
  [401, false, 'fatal'],
] as const)('a refusal of %s, busy %s, is %s', (code, isBusy, took) => {
  expect(refusalOf(code, isBusy, 'x').took).toBe(took);
});

// `tidegate report` and `tidegate promote` on the history that production replicas left in a store on virtual time.
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type PromoteOptions, promote } from '../../src/command/promote.ts';
import { type ReportOptions, report, sinceMs } from '../../src/command/report.ts';
import { readConfigAudit } from '../../src/coordinate/members.ts';
import type { Findings } from '../../src/drill/findings.ts';
import { Fault } from '../../src/errors.ts';
import type { ClusterConfig, Route } from '../../src/model.ts';
import { type Ports, realPorts } from '../../src/ports.ts';
import type { Store } from '../../src/store/store.ts';
import { clusterOf, START_WALL_MS, World } from '../world.ts';
import { CONFIGS, listening } from './fixture.ts';

const config = join(CONFIGS, 'good-etcd.yaml');
const ALL_IN: Route = { a: 334, b: 333, c: 333 };
const WITHOUT_B: Route = { a: 500, b: 0, c: 500 };

/** A world whose service is decided and not written; another hand writes its provider. */
const observed = async (mode: 'observe' | 'advise' = 'observe', answers = true): Promise<World> => {
  const world = new World({ cluster: clusterOf(['a', 'b', 'c'], [{ mode }], { recoveryHoldMs: 30_000, rampStepMs: 5_000 }) });
  if (answers) serve(world, ALL_IN);
  await world.start();
  await world.run(480_000);
  return world;
};

const serve = (world: World, shares: Route): void => {
  world.zone.services.set('web', { fence: { v: 1, epoch: 1, writer: 'provider', nonce: 'n', hash: 'h' }, shares });
};

const lasting = (store: Store): Store => ({
  clusterId: store.clusterId,
  get: (query) => store.get(query),
  txn: (txn) => store.txn(txn),
  watch: (prefix, onEvent) => store.watch(prefix, onEvent),
  close: async () => undefined,
});

const portsOf = (world: World): Ports => ({ ...realPorts(), clock: { monoMs: () => 0, wallMs: () => START_WALL_MS + world.now() } });

const reported = async (world: World, options: Partial<ReportOptions> = {}) => {
  const said = listening();
  const exit = await report(
    { config, since: '6m', ...options },
    { ports: portsOf(world), ...said, out: said.out, err: said.err, open: async () => lasting(world.store) },
  );
  return { exit, stdout: said.stdout, stderr: said.stderr };
};

const findings = async (world: World, options: Partial<ReportOptions> = {}): Promise<Findings> => {
  const { stdout } = await reported(world, { json: true, ...options });
  const [first] = (JSON.parse(stdout) as { services: Findings[] }).services;
  if (first === undefined) throw new Error(stdout);
  return first;
};

const promoted = async (world: World, options: Partial<PromoteOptions> = {}, confirm: ((q: string) => Promise<boolean>) | null = null) => {
  const said = listening();
  const exit = await promote(
    { config, service: 'web', to: 'advise', since: '6m', owner: 'alice', ...options },
    { ports: portsOf(world), confirm, out: said.out, err: said.err, open: async () => lasting(world.store) },
  );
  return { exit, stdout: said.stdout, stderr: said.stderr };
};

const dies = async (world: World, forMs: number): Promise<void> => {
  world.health('b', ['healthz', 'readyz'], 'refuse');
  await world.run(forMs);
  world.health('b', ['healthz', 'readyz'], 'ok');
};

describe('report', () => {
  test('a quiet time is clean', async () => {
    const world = await observed();
    const { exit, stdout } = await reported(world);
    expect(exit).toBe(0);
    expect(stdout).toContain('web (observe)\n');
    expect(stdout).toContain('  provider observed throughout\n');
    expect(stdout).toContain('  verdict  clean: nothing stands against it\n');
    expect(stdout).toContain('A would-have drain is false when its pool would have been back within 5m and the recovery hold (30s)');
    expect(stdout.endsWith('\nclean\n')).toBe(true);
  });

  test('the provider took it out a while later: both instants, and nothing stands against it', async () => {
    const world = await observed();
    world.health('b', ['healthz', 'readyz'], 'refuse');
    await world.run(70_000);
    serve(world, WITHOUT_B);
    await world.run(60_000);
    world.health('b', ['healthz', 'readyz'], 'ok');
    serve(world, ALL_IN);
    await world.run(300_000);
    const found = await findings(world, { since: '8m' });
    const [drain] = found.moves.flatMap((move) => move.drains);
    expect(drain).toMatchObject({ pool: 'b', belief: 'provider' });
    expect((drain?.provider?.atMs ?? 0) - (drain?.atMs ?? 0)).toBeGreaterThan(30_000);
    expect(drain?.detectionMs).toBeLessThan(10_000);
    expect(found.unforeseen).toEqual([]);
    expect(found.against).toEqual([]);
    expect(found.moves.length).toBeGreaterThan(2);
    expect((await reported(world, { since: '8m' })).stdout).toMatch(
      /would have drained b: the provider took it out, too; back after .*; detected in .*; the provider took it out between .*later/,
    );
  });

  test('a brief drain that its own region saw as well is no false one', async () => {
    const world = await observed();
    await dies(world, 20_000);
    await world.run(240_000);
    const own = (await findings(world)).moves.flatMap((move) => move.drains);
    expect(own.map((d) => d.belief)).toEqual(['own region']);
  });

  test('without an answer of the provider nothing can be compared, and it says so', async () => {
    const world = await observed('observe', false);
    world.zone.services.delete('web');
    const found = await findings(world, { since: '1h' });
    expect(found.against.join('\n')).toMatch(/^only 8 min of 1 h are covered: the cluster was first configured then/);
    const silent = clusterOf(['a', 'b', 'c'], [{ mode: 'observe', provider: 'elsewhere' }]);
    const other = new World({ cluster: silent });
    await other.start();
    await other.run(480_000);
    expect((await findings(other)).against).toEqual(['what its provider serves was never read, so nothing could be compared']);
  });

  test('what the provider did by itself, and what is not at rest now', async () => {
    const world = await observed();
    serve(world, WITHOUT_B);
    await world.run(60_000);
    const { against, unforeseen } = await findings(world);
    expect(unforeseen.map(({ pool }) => pool)).toEqual(['b']);
    expect(against).toEqual([
      'the provider took b out, which Tidegate would have left in',
      'what is decided differs from what is served (b): auto would move it at once',
    ]);
  });

  test('options that make no sense', async () => {
    const world = await observed();
    await expect(reported(world, { service: 'nope' })).rejects.toThrow('--service nope: the cluster has web');
    expect(() => sinceMs('soon')).toThrow('--since soon: expected a duration; write it like 14d or 36h');
    expect(sinceMs()).toBe(14 * 86_400_000);
    expect(sinceMs('36h')).toBe(36 * 3_600_000);
  });
});

describe('promote', () => {
  const members = async (world: World): Promise<ClusterConfig> =>
    (await world.store.get({ keys: ['members'] })).kvs[0]?.value as ClusterConfig;

  test('a clean report lets it advise, then act; each is a version with its author', async () => {
    const world = await observed();
    const dry = await promoted(world, { dryRun: true });
    expect(dry).toMatchObject({ exit: 0 });
    expect(dry.stdout).toContain('/services/web/mode: "observe" -> "advise"');
    expect((await members(world)).version).toBe(1);
    await expect(promoted(world)).rejects.toThrow('nobody to ask; add --yes');
    expect((await promoted(world, {}, async () => false)).exit).toBe(2);
    const done = await promoted(world, { yes: true, reason: 'two quiet weeks' });
    expect(done.exit).toBe(0);
    expect(done.stdout).toContain('applied: test is at version 2');
    expect((await members(world)).services[0]?.mode).toBe('advise');
    expect(await readConfigAudit(world.store, 2)).toMatchObject({ by: 'alice', reason: 'promoted web to advise: two quiet weeks' });
    // It advises only since a moment ago: too short to let it act.
    const early = await promoted(world, { to: 'auto', yes: true });
    expect(early.exit).toBe(1);
    expect(early.stderr).toContain('it is in advise only since then');
    await world.run(400_000);
    expect((await promoted(world, { to: 'auto', yes: true })).exit).toBe(0);
    expect((await members(world)).services[0]?.mode).toBe('auto');
    await expect(promoted(world, { to: 'auto', yes: true })).rejects.toThrow('web is in auto already');
  });

  test('a report that is not clean refuses with the list, unless a human knows better, which is recorded', async () => {
    const world = await observed();
    serve(world, WITHOUT_B);
    await world.run(60_000);
    const no = await promoted(world, { to: 'auto', yes: true });
    expect(no.exit).toBe(1);
    expect(no.stdout).toBe('');
    expect(no.stderr).toContain('    - the provider took b out, which Tidegate would have left in\n');
    expect(no.stderr).toContain('refused: 2 things stand against it, nothing was written');
    expect((await members(world)).version).toBe(1);
    expect(JSON.parse((await promoted(world, { to: 'auto', yes: true, json: true })).stdout)).toMatchObject({ outcome: 'not-clean' });
    expect((await promoted(world, { to: 'auto', yes: true, despite: 'b was repaired by hand' })).exit).toBe(0);
    expect((await readConfigAudit(world.store, 2))?.reason).toContain('despite 2 against it');
    expect((await readConfigAudit(world.store, 2))?.reason).toContain('b was repaired by hand');
  });

  test('modes that lead nowhere', async () => {
    const world = await observed();
    await expect(promoted(world, { to: 'observe' })).rejects.toThrow(Fault);
    await expect(promoted(world, { to: 'more' })).rejects.toThrow('--to more: expected advise or auto');
  });
});

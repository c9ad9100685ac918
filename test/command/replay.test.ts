// `tidegate replay` on recordings of a world, as files.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ReplayOptions, replay } from '../../src/command/replay.ts';
import { loadConfig } from '../../src/config/load.ts';
import { Fault } from '../../src/errors.ts';
import type { ClusterConfig } from '../../src/model.ts';
import { tapedWorld } from '../record/tape.ts';
import { CONFIGS, listening, section } from './fixture.ts';

const folder = mkdtempSync(join(tmpdir(), 'tidegate-replay-'));
afterAll(() => rmSync(folder, { recursive: true }));

const put = (name: string, text: string): string => {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
};

const record = join(folder, '.');
let cluster: ClusterConfig;
let files: string[] = [];

beforeAll(async () => {
  const loaded = loadConfig(join(CONFIGS, 'good.yaml'));
  if (!loaded.ok || loaded.config.cluster === null) throw new Error('good.yaml');
  // The world answers for hosts that are named after regions.
  const text = JSON.stringify(loaded.config.cluster);
  cluster = JSON.parse(text) as ClusterConfig;
  const plain: ClusterConfig = {
    ...cluster,
    version: 1,
    services: cluster.services.map((s) => ({
      ...s,
      pools: s.pools.map((p) => ({
        ...p,
        targets: p.targets.map((t) => ({
          ...t,
          ...(t.healthz === undefined ? {} : { healthz: { ...t.healthz, url: `http://${p.region}-1/healthz` } }),
          ...(t.readyz === undefined ? {} : { readyz: { ...t.readyz, url: `http://${p.region}-1/readyz` } }),
        })),
      })),
    })),
  };
  const names = plain.regions.map(({ name }) => `${name}/a`);
  const tape = tapedWorld({ cluster: plain }, names);
  await tape.world.start();
  await tape.world.run(60_000);
  tape.world.health(plain.services[0]!.pools[0]!.region, ['healthz', 'readyz'], 'refuse');
  await tape.world.run(60_000);
  tape.world.health(plain.services[0]!.pools[0]!.region, ['healthz', 'readyz'], 'ok');
  await tape.world.run(400_000);
  await tape.stop();
  for (const disk of tape.disks.values()) for (const [name, bytes] of disk.files) writeFileSync(join(folder, name), bytes);
  files = [...tape.disks.values()].flatMap((disk) => [...disk.files.keys()].map((name) => join(folder, name)));
  await tape.world.close();
});

const replayed = async (options: Partial<ReplayOptions> = {}) => {
  const said = listening();
  const exit = await replay({ record: [record], ...options }, said);
  return { exit, stdout: said.stdout.replaceAll(`${folder}/`, ''), stderr: said.stderr.replaceAll(`${folder}/`, '') };
};

describe('replay', () => {
  test('the same configuration: every decision reproduced, no difference', async () => {
    const { exit, stdout } = await replayed({ config: put('same.yaml', section()) });
    expect(exit).toBe(0);
    expect(stdout).toMatch(/^trust {6}(\d+) of \1 recorded decisions reproduced at the same time: what follows can be relied on$/m);
    expect(stdout).toMatch(
      /looks, which reproduce (\d+) of \1 own votes; its votes are taken as they were cast: its thresholds are the same/,
    );
    expect(stdout).toMatch(/\nno difference: \d+ moves, all the same\n$/);
  });

  test('a longer hold: each later move with both sentences and by how much', async () => {
    const config = put('slow.yaml', section(['  name: fixture\n', '  name: fixture\n  policy: { recoveryHold: 2m }\n']));
    const { stdout } = await replayed({ config });
    const data = JSON.parse((await replayed({ config, json: true })).stdout);
    const late: readonly number[] = data.differences
      .filter((d: { difference: string }) => d.difference === 'later')
      .map((d: { first: { atMs: number }; second: { atMs: number } }) => d.second.atMs - d.first.atMs);
    // A minute, to the next look of whoever coordinates.
    expect(late.length).toBeGreaterThan(1);
    for (const ms of late) expect(Math.abs(ms - 60_000)).toBeLessThanOrEqual(500);
    for (const ms of late) expect(stdout).toContain(` ${ms / 1000} s later `);
    const [, byUpTo] =
      stdout.match(/\n\d+ moves: 1 the same, \d+ at another time \(by up to (\S+) s\), 0 only as recorded, 0 only new\n$/) ?? [];
    expect(Number(byUpTo)).toBeCloseTo(Math.max(...late) / 1000, 0);
    expect(data.trust.differing).toBe(0);
    expect(data.differences.map((d: { difference: string }) => d.difference).slice(0, 2)).toEqual(['same', 'later']);
  });

  test('single files, without another configuration', async () => {
    const { exit, stdout } = await replayed({ record: files.slice(0, 1) });
    expect(exit).toBe(0);
    expect(stdout).toContain('\nMoves\n');
    expect(stdout).not.toContain('only new');
  });

  test('what is not accepted: a configuration with its places, a recording with its line', async () => {
    const bad = await replayed({ config: put('bad.yaml', 'cluster:\n  nmae: x\n') });
    expect(bad.exit).toBe(78);
    expect(bad.stderr).toContain('bad.yaml:2:3 cluster.nmae: found the unknown key');
    const torn = put(
      'torn.ndjson',
      `${JSON.stringify({ kind: 'header', atMs: 1, format: 1, tidegate: '', region: 'a', replica: 'a', boot: '' })}\nnonsense\n`,
    );
    await expect(replayed({ record: [torn] })).rejects.toThrow(/torn\.ndjson:2: found "nonsense", expected one JSON object per line/);
    const bare = put('bare.ndjson', readFileSync(torn, 'utf8').split('\n')[0] ?? '');
    await expect(replayed({ record: [bare] })).rejects.toBeInstanceOf(Fault);
    for (const path of [torn, bare]) rmSync(path);
  });
});

// What breaks first at 10 and 100 times the size that everything was designed for, dimension by dimension: each record, transaction, read and document of the
// production code at that size, beside the limit that it must stay under. No store and no network: `traffic` and `probe` have those. The larger sizes are past
// what `check` accepts; they are built without it, to see what would break behind it.

import { overviewDocument } from '../../src/api/overview.ts';
import { statusDocument } from '../../src/api/status.ts';
import { inputNow } from '../../src/api/view.ts';
import { parseCluster } from '../../src/config/load.ts';
import { beatKey, KEYS, voteKey } from '../../src/coordinate/keys.ts';
import { sightOf } from '../../src/coordinate/read.ts';
import { createRevisionClock } from '../../src/coordinate/revision-clock.ts';
import { decide } from '../../src/decide/decide.ts';
import type { Snapshot } from '../../src/decide/snapshot.ts';
import { isFresh } from '../../src/health/chamber.ts';
import { configHash } from '../../src/health/config-hash.ts';
import { ownerOf } from '../../src/health/owner.ts';
import { type Beat, type ClusterConfig, targetId, type Vote } from '../../src/model.ts';
import { READ_BYTES_MAX, TXN_BYTES_MAX } from '../../src/store/limits.ts';
import { type KeyValue, TXN_ITEMS_MAX, VALUE_BYTES_MAX } from '../../src/store/store.ts';
import { clusterOf, poolOf, serviceOf } from '../world.ts';
import type { Bench, BenchOptions } from './bench.ts';
import { exponent, quantile } from './numbers.ts';

interface Size {
  what: string;
  targets: number;
  regions: number;
  replicas: number;
  services: number;
}

/** What everything was designed for: a mid-sized installation. */
const DESIGN: Size = { what: 'design size', targets: 1000, regions: 5, replicas: 2, services: 50 };
const SIZES: readonly Size[] = [
  DESIGN,
  { ...DESIGN, what: 'targets x 10', targets: 10_000 },
  { ...DESIGN, what: 'targets x 20', targets: 20_000 },
  { ...DESIGN, what: 'targets x 100', targets: 100_000 },
  { ...DESIGN, what: 'regions x 6.4 (most)', regions: 32 },
  { ...DESIGN, what: 'replicas x 10', replicas: 20 },
  { ...DESIGN, what: 'replicas x 100', replicas: 200 },
  { ...DESIGN, what: 'services x 10', services: 500 },
  { ...DESIGN, what: 'services x 20 (most)', services: 1000, targets: 5000 },
  { ...DESIGN, what: 'services x 100', services: 5000, targets: 25_000 },
  { what: '100,000 in 20 regions', targets: 100_000, regions: 20, replicas: 3, services: 50 },
];
const QUICK = SIZES.slice(0, 2);
const ROUNDS = 5;
/** A vantage whose event loop is late by more than this has no vote for a while. */
const LOOP_MS = 200;
/** A file larger than this is not read in a bench: what grows with its size is known by then. */
const FILE_TARGETS_MAX = 25_000;

const namesOf = (count: number): readonly string[] => Array.from({ length: count }, (_, i) => `region-${String(i + 1).padStart(2, '0')}`);
const replicasOf = (count: number): readonly string[] => Array.from({ length: count }, (_, i) => `r${i}`);

const perPoolOf = ({ targets, services, regions }: Size): number => Math.max(1, Math.round(targets / (services * regions)));

const clusterWith = (size: Size): ClusterConfig => {
  const names = namesOf(size.regions);
  const pools = names.map((region, p) => poolOf(region, 1, p, perPoolOf(size)));
  return {
    ...clusterOf([...names], []),
    services: Array.from({ length: size.services }, (_, i) => serviceOf([...names], { name: `service-${i}.example.com`, pools })),
  };
};

/** The same as a human writes it. */
const fileOf = (size: Size): string => {
  const names = namesOf(size.regions);
  const lines = [
    'cluster:',
    '  name: scale',
    '  regions:',
    ...names.map((name) => `    - { name: ${name}, anchors: [tcp://192.0.2.9:53] }`),
  ];
  lines.push('  services:');
  for (let s = 0; s < size.services; s++) {
    lines.push(`    - name: service-${s}.example.com`, '      mode: auto', '      provider: local', '      ttl: 10s', '      pools:');
    for (const [p, name] of names.entries()) {
      lines.push(`        - name: ${name}`, `          answers: [192.0.2.${p + 1}]`, '          targets:');
      for (let t = 1; t <= perPoolOf(size); t++)
        lines.push(`            - { name: app-${t}, healthz: http://${name}-${t}/healthz, readyz: http://${name}-${t}/readyz }`);
    }
  }
  return lines.join('\n');
};

/** Every replica holds every target of the first region down that it owns, and its beat names as many suspects as it may. */
const recordsOf = (size: Size, cluster: ClusterConfig): readonly KeyValue[] => {
  const names = namesOf(size.regions);
  const peers = replicasOf(size.replicas);
  const lost = cluster.services.flatMap(({ name, pools }) =>
    pools.slice(0, 1).flatMap((pool) => pool.targets.map((target) => targetId(name, pool.name, target.name))),
  );
  const owned = Map.groupBy(lost.toSorted(), (id) => ownerOf(id, peers));
  const spoken = { boot: 'boot', bootN: 1, seq: 1, configVersion: cluster.version };
  return names.flatMap((region) =>
    peers.flatMap((replica): KeyValue[] => {
      const down = owned.get(replica) ?? [];
      const suspects = Object.fromEntries(
        down
          .slice(0, 128)
          .flatMap((id) =>
            ['healthz', 'readyz'].map((e) => [
              `${id}/${e}`,
              { firstFaultAgeMs: 6000, lastOkAgeMs: 7000, faults: 4, reason: 'timeout' as const },
            ]),
          ),
      );
      const vote: Vote = { ...spoken, self: { state: 'ok' }, peers, down, unready: down, unknown: [] };
      const beat: Beat = { ...spoken, n: 1, asOfRev: 1, suspects, loopDelayMs: 0, wallMs: 0 };
      return [
        { key: voteKey(region, replica), value: vote, mod: 5 },
        { key: beatKey(region, replica), value: beat, mod: 5 },
      ];
    }),
  );
};

const bytesOf = (value: unknown): number => Buffer.byteLength(JSON.stringify(value) ?? '');

/** CPU, so that neighbours do not count; the first time, which also compiles, is left out. */
const medianMs = (work: () => unknown): number => {
  work();
  const took = Array.from({ length: ROUNDS }, () => {
    const began = process.cpuUsage();
    work();
    const { user, system } = process.cpuUsage(began);
    return (user + system) / 1000;
  });
  return quantile(took, 0.5);
};

/** Of a decision: conditions and operations as the coordinator writes them, with the leader record's. */
const itemsOf = (uses: number, { incidents, pages }: { incidents: readonly unknown[]; pages: readonly unknown[] }): number =>
  4 + uses + incidents.length + 1 + (2 + incidents.length + pages.length + 1);

const checkOf = (size: Size) => {
  const text = fileOf(size);
  const began = process.cpuUsage();
  const loaded = parseCluster(text, 'cluster.yaml');
  const { user } = process.cpuUsage(began);
  return {
    fileMB: text.length / 1e6,
    checkCpuS: user / 1e6,
    check: loaded.ok ? 'accepted' : (loaded.problems[0]?.message.slice(0, 60) ?? 'refused'),
  };
};

const measure = (size: Size) => {
  const cluster = clusterWith(size);
  const records = recordsOf(size, cluster);
  const clock = createRevisionClock();
  clock.sample({ monoMs: 0, wallMs: 0 }, { monoMs: 1, wallMs: 1 }, 4);
  const routing =
    decide({ cluster, routing: null, overrides: null, heard: [], incidents: [], epoch: 1, by: 'a/a', nonce: 'n' }, 1000).next?.routing ??
    null;
  const kvs = [{ key: KEYS.members, value: cluster, mod: 1 }, { key: KEYS.routing, value: routing, mod: 4 }, ...records].sort((a, b) =>
    a.key < b.key ? -1 : 1,
  );
  const look = () => sightOf({ rev: 5, kvs: [...kvs] }, clock, 500, new Map());
  const sight = look();
  // All were well before: the decision that is measured is the drain of a whole region.
  const well = { ...sight, heard: sight.heard.map((h) => ({ ...h, vote: { ...h.vote, down: [], unready: [] } })) };
  const snapshot = (heard: Snapshot['heard'], at: Snapshot['routing']): Snapshot => ({
    cluster,
    routing: at,
    overrides: null,
    heard,
    incidents: [],
    epoch: 1,
    by: 'a/a',
    nonce: 'n',
  });
  const settled = decide(snapshot(well.heard, routing), 2000).next?.routing ?? routing;
  const drain = () => decide(snapshot(sight.heard, settled), 10_000);
  const { next, uses } = drain();
  // A return rests on everybody's vote: the most that a decision can.
  const most = Math.max(uses.length, sight.heard.filter((h) => isFresh(h, cluster)).length);
  const txnBytes = next === undefined ? 0 : bytesOf(next.routing) + bytesOf(next.audit) + bytesOf(next.incidents) + bytesOf(next.pages);
  const input = inputNow({
    sight,
    seenAgoMs: 0,
    region: 'region-01',
    replica: 'r0',
    boot: 'boot',
    role: { role: 'standby', epoch: 1 },
    vote: null,
    nowMs: 10_000,
    wallMs: 10_000,
  });
  const fits = size.targets <= FILE_TARGETS_MAX;
  const row = {
    size: size.what,
    targets: perPoolOf(size) * size.services * size.regions,
    regions: size.regions,
    replicas: size.replicas,
    services: size.services,
    membersMB: bytesOf(cluster) / 1e6,
    routingKB: bytesOf(routing) / 1000,
    auditKB: bytesOf(next?.audit) / 1000,
    voteKB: Math.max(...records.map(({ value }) => bytesOf(value))) / 1000,
    sightMB: bytesOf(kvs) / 1e6,
    txnItems: next === undefined ? 0 : itemsOf(most, next),
    txnMB: txnBytes / 1e6,
    sightMs: medianMs(look),
    decideMs: medianMs(drain),
    hashMs: medianMs(() => configHash({ ...cluster })),
    parseMs: medianMs(() => JSON.parse(JSON.stringify(cluster))),
    overviewKB: input === null ? 0 : bytesOf(overviewDocument(input)) / 1000,
    overviewMs: input === null ? 0 : medianMs(() => JSON.stringify(overviewDocument(input))),
    statusMB: input === null ? 0 : bytesOf(statusDocument(input)) / 1e6,
    statusMs: input === null ? 0 : medianMs(() => JSON.stringify(statusDocument(input))),
  };
  return { row, file: { size: size.what, targets: row.targets, ...(fits ? checkOf(size) : { check: 'not tried' }) } };
};

type Row = ReturnType<typeof measure>['row'];

/** What a row is over, by name. */
const LIMITS: readonly { name: string; of: (row: Row) => number; most: number }[] = [
  { name: 'the configuration as one record, MB', of: (row) => row.membersMB, most: VALUE_BYTES_MAX / 1e6 },
  { name: 'a vote of a death, kB', of: (row) => row.voteKB, most: VALUE_BYTES_MAX / 1e3 },
  { name: 'the routing record, kB', of: (row) => row.routingKB, most: VALUE_BYTES_MAX / 1e3 },
  { name: 'the audit record of a death, kB', of: (row) => row.auditKB, most: VALUE_BYTES_MAX / 1e3 },
  { name: 'items of a decision', of: (row) => row.txnItems, most: TXN_ITEMS_MAX },
  { name: 'bytes of a decision, MB', of: (row) => row.txnMB, most: TXN_BYTES_MAX / 1e6 },
  { name: 'a whole sight, MB', of: (row) => row.sightMB, most: READ_BYTES_MAX / 1e6 },
  { name: 'a decision, ms of CPU at a stretch', of: (row) => row.decideMs, most: LOOP_MS },
  { name: 'the configuration hashed once it changed, ms of CPU at a stretch', of: (row) => row.hashMs, most: LOOP_MS },
  { name: 'the overview, ms of CPU at a stretch', of: (row) => row.overviewMs, most: LOOP_MS },
  { name: 'the whole status, ms of CPU at a stretch', of: (row) => row.statusMs, most: LOOP_MS },
];

/** By limit: how much of it each size takes, and how it grows with targets. */
const standing = (rows: readonly Row[]) =>
  LIMITS.map(({ name, of, most }) => {
    const byTargets = rows.filter(
      ({ regions, replicas, services }) => regions === DESIGN.regions && replicas === DESIGN.replicas && services === DESIGN.services,
    );
    const points = byTargets.map((row) => [row.targets, of(row)] as const).filter(([, value]) => value > 0);
    const over = rows.filter((row) => of(row) > most);
    return {
      limit: name,
      most,
      atDesign: of(rows[0] as Row),
      percentAtDesign: (100 * of(rows[0] as Row)) / most,
      growsWithTargets: points.length > 1 ? `x^${exponent(points).toFixed(2)}` : '',
      overAt: over.map(({ size }) => size).join(', ') || 'none of these',
    };
  });

/** What must hold at ten times the design size, whatever the dimension; beyond what `check` accepts nothing is promised. */
const isPromised = (row: Row, check: string | undefined): boolean => check === 'accepted' && row.replicas <= 20;

export const benchScale = async ({ quick, targets, regions, replicas }: BenchOptions): Promise<Bench> => {
  const own: Size = {
    what: 'as asked',
    targets: targets ?? DESIGN.targets,
    regions: regions ?? DESIGN.regions,
    replicas: replicas ?? DESIGN.replicas,
    services: 50,
  };
  const isAsked = targets !== null || regions !== null || replicas !== null;
  const measured = (isAsked ? [own] : quick ? QUICK : SIZES).map((size) => {
    process.stderr.write(`scale: ${size.what}\n`);
    return measure(size);
  });
  const rows = measured.map(({ row }) => row);
  const broken = measured.filter(
    ({ row, file }) => isPromised(row, file.check) && LIMITS.some(({ of, most, name }) => !name.includes('status') && of(row) > most),
  );
  return {
    goals: { acceptedAndOverALimit: 0 },
    met: broken.length === 0,
    rows,
    tables: [measured.map(({ file }) => file), standing(rows)],
    notes: [
      'a decision: the drain of a whole region; its items with the votes of all, as a return rests on all; the whole status is `/v1/status`, which the command line asks for and the page does not; it is no part of the goal',
      ...broken.map(({ row }) => `accepted by check, and over a limit: ${row.size}`),
    ],
  };
};

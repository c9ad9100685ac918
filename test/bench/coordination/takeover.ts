// From the death of the coordinator to the next one in office, on a real etcd of three members a round trip apart. The reference dies in the same cuts:
// etcd's own lock, held by etcdctl under a lease of 10 s, until the one who waits for it has it.
import { type ChildProcess, spawn } from 'node:child_process';
import { realPorts, sleep } from '../../../src/ports.ts';
import { clusterOf } from '../../world.ts';
import { quantile } from '../numbers.ts';
import { type Ring, SITES, type Site, startRing } from './ring.ts';
import { startVoter, type Voter } from './voter.ts';

export const RTT_MS = 100;
const LOCK_TTL_S = 10;
const LIMIT_MS = 60_000;
/** Long enough for everybody to have seen the record change. */
const SETTLE_MS = 1500;

interface Cut {
  name: string;
  /** The member of the coordinator's region leads, and dies with it. */
  leaderToo: boolean;
  /** A process that ends closes its connections; a region that loses its power does not. */
  how: 'killed' | 'silent';
}

const CUTS: readonly Cut[] = [
  { name: 'coordinator killed', leaderToo: false, how: 'killed' },
  { name: 'coordinator and etcd leader killed', leaderToo: true, how: 'killed' },
  { name: 'coordinator and etcd leader fall silent', leaderToo: true, how: 'silent' },
];

const { timers, clock, random } = realPorts();
const note = (text: string): void => void process.stderr.write(`  ${text}\n`);

const until = async (what: string, holds: () => boolean | Promise<boolean>): Promise<void> => {
  const limitMs = clock.monoMs() + LIMIT_MS;
  while (!(await holds())) {
    if (clock.monoMs() > limitMs) throw new Error(`${what} not within ${LIMIT_MS} ms`);
    await sleep(timers, 10);
  }
};

// ---- the reference ----

interface Lock {
  /** Resolves at the instant at which it is held; null: it gave up. */
  held: Promise<number | null>;
  kill(): void;
}

const takeLock = (ring: Ring, site: Site, name: string): Lock => {
  const child: ChildProcess = spawn('etcdctl', [`--endpoints=${ring.endpoints(site).join(',')}`, 'lock', `--ttl=${LOCK_TTL_S}`, name], {
    env: { ...process.env, ETCDCTL_API: '3' },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const held = new Promise<number | null>((resolve) => {
    child.stdout?.once('data', () => resolve(clock.monoMs()));
    child.once('error', () => resolve(null));
    child.once('exit', () => resolve(null));
    timers.after(LIMIT_MS, () => resolve(null), { background: true });
  });
  return { held, kill: () => void child.kill('SIGKILL') };
};

// ---- one lane: a ring of its own, one cut again and again ----

interface Result {
  ms: readonly number[];
  lockMs: readonly number[];
  /** Those who waited for the lock and gave up. */
  lockLost: number;
}

const lane = async (cut: Cut, trials: number, references: number): Promise<Result> => {
  const ring = await startRing(RTT_MS);
  const voters = new Map<Site, Voter>();
  let onRole: (site: Site) => void = () => undefined;
  const start = (site: Site): void => {
    voters.set(
      site,
      startVoter({
        region: site,
        store: ring.open(site),
        events: {
          role: (role) => {
            if (role.role === 'coordinator') onRole(site);
          },
        },
      }),
    );
  };
  const holder = (): Site | undefined => SITES.find((site) => voters.get(site)?.replica.coordinator.role().role === 'coordinator');

  const trial = async (index: number, withLock: boolean): Promise<{ ms: number; lockMs: number | null }> => {
    await until('a coordinator', () => holder() !== undefined);
    const dead = holder() ?? 'a';
    const others = SITES.filter((site) => site !== dead);
    const [heir = 'b', third = 'c'] = index % 2 === 0 ? others : others.toReversed();
    await ring.lead(cut.leaderToo ? dead : third);
    const lock = withLock ? takeLock(ring, dead, `lock-${index}`) : null;
    await lock?.held;
    const waiter = withLock ? takeLock(ring, heir, `lock-${index}`) : null;
    await sleep(timers, SETTLE_MS + random.unit() * 1500);

    const taken = new Promise<number>((resolve, reject) => {
      onRole = (site) => {
        if (site !== dead) resolve(clock.monoMs());
      };
      timers.after(LIMIT_MS, () => reject(new Error(`${cut.name}: nobody took over within ${LIMIT_MS} ms`)), { background: true });
    });
    const cutAtMs = clock.monoMs();
    voters.get(dead)?.die();
    lock?.kill();
    if (cut.leaderToo) process.kill(ring.member(dead).pid, cut.how === 'killed' ? 'SIGKILL' : 'SIGSTOP');
    const [takenAtMs, lockedAtMs] = await Promise.all([taken, waiter?.held ?? null]);
    waiter?.kill();

    await voters.get(dead)?.stop();
    if (cut.leaderToo) {
      await ring.member(dead).kill();
      await ring.restart(dead);
    }
    start(dead);
    await until('a sight', () => voters.get(dead)?.replica.coordinator.lastSight() != null);
    return { ms: takenAtMs - cutAtMs, lockMs: lockedAtMs === null ? null : lockedAtMs - cutAtMs };
  };

  try {
    const setUp = ring.open('a');
    await until('the ring answers', () =>
      setUp.get({ keys: ['members'] }).then(
        () => true,
        () => false,
      ),
    );
    await setUp.txn({ if: [], then: [{ put: 'members', value: clusterOf(SITES, [{}]) }] });
    await setUp.close();
    for (const site of SITES) start(site);
    const results: { ms: number; lockMs: number | null }[] = [];
    for (let i = 0; i < trials; i++) {
      const result = await trial(i, i < references);
      note(
        `${cut.name} ${i + 1}/${trials}: ${Math.round(result.ms)} ms${i < references ? `, lock ${Math.round(result.lockMs ?? Number.NaN)} ms` : ''}`,
      );
      results.push(result);
    }
    const lockMs = results.slice(0, references).map((r) => r.lockMs);
    return {
      ms: results.map((r) => r.ms),
      lockMs: lockMs.filter((ms) => ms !== null),
      lockLost: lockMs.filter((ms) => ms === null).length,
    };
  } finally {
    await Promise.all([...voters.values()].map((voter) => voter.stop()));
    await ring.close();
  }
};

/** All cuts at the same time, each on a ring of its own. */
export const measureTakeover = async (trials: number, references: number) => {
  const leaseS = clusterOf(SITES, [{}]).policy.leaseMs / 1000;
  return Promise.all(
    CUTS.map(async (cut) => {
      const { ms, lockMs, lockLost } = await lane(cut, trials, references);
      return {
        takeover: cut.name,
        n: ms.length,
        p50S: quantile(ms, 0.5) / 1000,
        p99S: quantile(ms, 0.99) / 1000,
        maxS: Math.max(...ms) / 1000,
        leaseS,
        etcdLockP50S: lockMs.length === 0 ? '' : quantile(lockMs, 0.5) / 1000,
        etcdLockMaxS: lockMs.length === 0 ? '' : Math.max(...lockMs) / 1000,
        locksTaken: `${lockMs.length} of ${lockMs.length + lockLost}`,
      };
    }),
  );
};

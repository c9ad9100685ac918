// The child of voter-process.ts: one replica, whose looks are simulated. It tells its office and what its vote says of itself whenever they change.
import { Session } from 'node:inspector/promises';
import type { ClusterConfig, Outcome, ProbeSpec } from '../../../src/model.ts';
import { realPorts, sleep } from '../../../src/ports.ts';
import { openEtcd } from '../../../src/store/etcd/index.ts';
import { type CpuProfile, nameOf, partOf, selfUs } from '../probe/profile.ts';
import { PREFIX, TIMEOUT_MS } from './ring.ts';
import { startVoter } from './voter.ts';
import type { Ask, Ills, Job, News, Reply } from './voter-process.ts';

const { region, replica, endpoints } = JSON.parse(process.argv[2] ?? '') as Job;
const ports = realPorts();
const tell = (message: News | Reply): void => void process.send?.(message);
let ills: Ills = { flapping: null, dead: null };
let lateMs = 0;

const isIll = ({ flapping, dead }: Ills, url: string): boolean =>
  (dead !== null && url.startsWith(`http://${dead}-`)) ||
  (flapping !== null && url.startsWith(`http://${flapping}-`) && /-\d*1\//.test(url));

const look = async (spec: ProbeSpec, { policy }: ClusterConfig, signal: AbortSignal): Promise<Outcome> => {
  if (!isIll(ills, spec.kind === 'http' ? spec.url : '')) return { saw: 'ok', tookMs: 20 };
  await sleep(ports.timers, policy.timeoutMs, signal).catch(() => undefined);
  return { saw: 'fault', reason: 'timeout', tookMs: policy.timeoutMs, detail: 'no answer' };
};

let news: News = { news: { coordinates: false, abstains: '' } };
const change = (part: Partial<News['news']>): void => {
  const next = { ...news.news, ...part };
  if (next.coordinates === news.news.coordinates && next.abstains === news.news.abstains) return;
  news = { news: next };
  tell(news);
};

const voter = startVoter({
  region,
  replica,
  store: openEtcd({ endpoints, prefix: PREFIX, timeoutMs: TIMEOUT_MS, ports }),
  look,
  events: {
    role: ({ role }) => change({ coordinates: role === 'coordinator' }),
    vote: ({ self }) => change({ abstains: self.state === 'ok' ? '' : self.because }),
    look(_key, _spec, _outcome, lateByMs) {
      lateMs = Math.max(lateMs, lateByMs);
    },
  },
});

// ---- where the time goes ----

const TOP = 12;
const session = new Session();
let profiledFromMs = 0;

const startProfile = async (): Promise<void> => {
  session.connect();
  await session.post('Profiler.enable');
  await session.post('Profiler.setSamplingInterval', { interval: 500 });
  await session.post('Profiler.start');
  profiledFromMs = ports.clock.monoMs();
};

const endProfile = async (): Promise<readonly (readonly object[])[]> => {
  const s = (ports.clock.monoMs() - profiledFromMs) / 1000;
  const { profile } = await session.post('Profiler.stop');
  session.disconnect();
  const tableBy = (by: typeof partOf): readonly object[] => {
    const withProfiler = selfUs(profile as unknown as CpuProfile, by, 0);
    const sums = new Map([...withProfiler].filter(([part]) => !part.includes('node:inspector')));
    const all = [...sums.values()].reduce((sum, us) => sum + us, 0);
    return [...sums]
      .toSorted(([, a], [, b]) => b - a)
      .slice(0, TOP)
      .map(([part, us]) => ({ part, msPerS: us / 1000 / s, percent: (100 * us) / all }));
  };
  return [tableBy(partOf), tableBy(nameOf)];
};

// ---- what it is asked ----

const answers: { readonly [K in Ask['ask']]: (asked: Ask) => Promise<Reply['reply']> } = {
  async ills(asked) {
    ills = asked.ills ?? ills;
    return {};
  },
  async counts() {
    const counted = { calls: { ...voter.calls }, lateMs };
    lateMs = 0;
    return counted;
  },
  async profile() {
    await startProfile();
    return {};
  },
  async profiled() {
    return { tables: await endProfile() };
  },
};

process.on('message', async (asked: Ask) => tell({ n: asked.n, reply: await answers[asked.ask](asked) }));
process.once('disconnect', () => process.exit());

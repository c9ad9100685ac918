// A replica of the bench as a process of its own, as in life: what one is slow at keeps nobody else waiting, and one that is killed takes no part any more.
import { fork } from 'node:child_process';
import { join } from 'node:path';
import { end, pidOf } from '../probe/process.ts';
import type { Calls } from './voter.ts';

export interface Job {
  region: string;
  replica: string;
  /** Of etcd, its own region's first. */
  endpoints: readonly string[];
}

/** What the simulated looks find: a tenth of a region's targets is not well, or nothing of it. */
export interface Ills {
  flapping: string | null;
  dead: string | null;
}

export interface Ask {
  n: number;
  ask: 'ills' | 'counts' | 'profile' | 'profiled';
  ills?: Ills;
}

export interface Reply {
  n: number;
  reply: Partial<Counted> & { tables?: readonly (readonly object[])[] };
}

/** Sent unasked. */
export interface News {
  /** `abstains`: why; empty: it votes. */
  news: { coordinates: boolean; abstains: string };
}

export interface Counted {
  calls: Calls;
  /** By how much a look was late at most, since the last count. */
  lateMs: number;
}

export interface VoterProcess extends Job {
  pid: number;
  coordinates(): boolean;
  /** Why it keeps its vote; empty: it does not. */
  abstains(): string;
  isAlive(): boolean;
  see(ills: Ills): Promise<unknown>;
  counted(): Promise<Counted>;
  startProfile(): Promise<unknown>;
  /** Self time since then by part, and the dearest functions. */
  endProfile(): Promise<readonly (readonly object[])[]>;
  /** At once, without a word. */
  kill(): Promise<void>;
}

export const startVoterProcess = (job: Job): VoterProcess => {
  const child = fork(join(import.meta.dirname, 'voter-child.ts'), [JSON.stringify(job)]);
  let { news }: News = { news: { coordinates: false, abstains: '' } };
  let killed = false;
  let n = 0;
  const waiting = new Map<number, PromiseWithResolvers<Reply['reply']>>();
  child.on('message', (message: News | Reply) => {
    if ('news' in message) news = message.news;
    else waiting.get(message.n)?.resolve(message.reply);
  });
  child.once('exit', () => {
    for (const { reject } of waiting.values()) reject(new Error(`${job.region}/${job.replica} has ended`));
  });
  const ask = async (what: Ask['ask'], ills?: Ills): Promise<Reply['reply']> => {
    const reply = Promise.withResolvers<Reply['reply']>();
    waiting.set(++n, reply);
    child.send({ n, ask: what, ...(ills === undefined ? {} : { ills }) } satisfies Ask);
    return reply.promise;
  };
  return {
    ...job,
    pid: pidOf(child),
    coordinates: () => news.coordinates && !killed,
    abstains: () => news.abstains,
    isAlive: () => !killed,
    see: (ills) => ask('ills', ills),
    counted: async () => (await ask('counts')) as Counted,
    startProfile: () => ask('profile'),
    endProfile: async () => (await ask('profiled')).tables ?? [],
    async kill() {
      killed = true;
      await end(child);
    },
  };
};

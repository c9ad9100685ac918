// What the contenders look after, and what befalls it.
import { once } from 'node:events';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';

/** Refused: no process there. 503: to everything. Hang: accepts and never answers. */
export const FAULTS = ['refused', '503', 'hang'] as const;
export type FaultKind = (typeof FAULTS)[number];

export interface TargetsWork {
  addresses: readonly string[];
  port: number;
}

export interface Order {
  address: string;
  state: FaultKind | 'well';
}

export type TargetsReply = { doneAtMs: number } | { looks: Readonly<Record<string, number>> };

export interface Targets {
  set(order: Order): Promise<void>;
  /** From now on each request is answered 503 with this probability, whatever became of the others. */
  lose(share: number): void;
  /** Requests so far, by the first part of their path. */
  looks(): Promise<Readonly<Record<string, number>>>;
  close(): Promise<unknown>;
}

/** Orders are carried out one after the other: each is answered before the next is given. */
export const openTargets = async (work: TargetsWork): Promise<Targets> => {
  const worker = new Worker(join(import.meta.dirname, 'targets-worker.ts'), { workerData: work });
  const answered = async (): Promise<TargetsReply> => ((await once(worker, 'message')) as [TargetsReply])[0];
  await answered();
  let turn: Promise<unknown> = Promise.resolve();
  const ask = (order: Order | 'looks'): Promise<TargetsReply> => {
    const mine = turn.then(() => {
      worker.postMessage(order);
      return answered();
    });
    turn = mine;
    return mine;
  };
  return {
    set: async (order) => void (await ask(order)),
    lose: (lossShare) => worker.postMessage({ lossShare }),
    looks: async () => {
      const said = await ask('looks');
      return 'looks' in said ? said.looks : {};
    },
    close: () => worker.terminate(),
  };
};

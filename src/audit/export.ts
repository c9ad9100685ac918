// The audit as lines of text: JSON, one record a line, and at the end a seal over all of them. Read again from the start when old records go meanwhile.
import { createHash } from 'node:crypto';
import type { Store } from '../store/store.ts';
import type { AuditLine } from './lines.ts';
import { AuditMoved, readAuditLines } from './read.ts';
import { type AuditReport, createChainVerifier, type Verified } from './verify.ts';

export interface Reading {
  nowMs: number;
  /** Only what is younger; null: all there is. */
  sinceMs: number | null;
  signal?: AbortSignal;
}

/** Lines with their ends. Throws what the store throws, and AuditMoved: then what was written so far has no seal and has to be thrown away. */
export async function* exportLines(store: Pick<Store, 'get'>, reading: Reading): AsyncGenerator<string> {
  const seal = createHash('sha256');
  let lines = 0;
  for await (const line of readAuditLines(store, reading)) {
    const text = `${JSON.stringify(line)}\n`;
    seal.update(text);
    lines += 1;
    yield text;
  }
  yield `${JSON.stringify({ kind: 'end', lines, sha256: seal.digest('hex') } satisfies AuditLine)}\n`;
}

/** Old records go for a moment, now and then. */
const ATTEMPTS_MAX = 3;

export const untilStill = async <T>(work: () => Promise<T>): Promise<T> => {
  for (let attempt = 1; ; attempt += 1)
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof AuditMoved) || attempt === ATTEMPTS_MAX) throw error;
    }
};

/** What a store holds, verified. Throws what the store throws. */
export const verifyStore = (store: Pick<Store, 'get'>, nowMs: number): Promise<Verified> =>
  untilStill(async () => {
    const verifier = createChainVerifier();
    for await (const line of readAuditLines(store, { nowMs, sinceMs: null })) verifier.take(line);
    const report: AuditReport = verifier.end();
    return { report, hashes: verifier.hashes };
  });

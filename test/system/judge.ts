// Judges a cluster's past: what the audit says of every change, and what users could see of the fence meanwhile.
import { createHash } from 'node:crypto';
import { expect } from 'vitest';
import type { Fence } from '../../providers/provider.ts';
import type { Audit, Route, Routing } from '../../src/model.ts';

/** Looks at the fence that users can see, again and again, for as long as the cluster lives. */
export const watchFence = (look: () => Promise<Fence | null>): { backwards(): string[]; stop(): Promise<void> } => {
  const wrong: string[] = [];
  let highest = 0;
  let stopping = false;
  const loop = (async () => {
    while (!stopping) {
      const found = await look().catch(() => null);
      if (found !== null && found.v < highest) wrong.push(`fence ${found.v} after ${highest}`);
      highest = Math.max(highest, found?.v ?? 0);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  })();
  return {
    backwards: () => wrong,
    stop: () => {
      stopping = true;
      return loop;
    },
  };
};

/** Every record follows from the one before, every change starts where the last one ended, and the last one leads to what is routed now. */
export const expectExplained = (audits: readonly Audit[], routing: Routing): void => {
  expect(audits.map(({ v }) => v)).toEqual(Array.from({ length: routing.v }, (_, i) => i + 1));
  let prevHash = '';
  let epoch = 0;
  let atMs = 0;
  const now = new Map<string, { route: Route; v: number }>();
  for (const audit of audits) {
    expect(audit.prevHash, `the link of ${audit.v} to the record before`).toBe(prevHash);
    prevHash = createHash('sha256').update(JSON.stringify(audit)).digest('hex');
    expect(audit.epoch, `the epoch of ${audit.v}`).toBeGreaterThanOrEqual(epoch);
    expect(audit.atMs, `the time of ${audit.v}`).toBeGreaterThanOrEqual(atMs);
    expect(audit.because).not.toBe('');
    ({ epoch, atMs } = audit);
    for (const { service, before, after } of audit.changes) {
      expect(before, `what ${audit.v} changed from`).toEqual(now.get(service)?.route ?? before);
      expect(
        Object.values(after).reduce((sum, share) => sum + share, 0),
        `the shares of ${audit.v}`,
      ).toBe(1000);
      now.set(service, { route: after, v: audit.v });
    }
  }
  expect(routing.auditHash).toBe(prevHash);
  for (const [service, { route, fence }] of Object.entries(routing.services)) expect({ route, v: fence }).toEqual(now.get(service));
};

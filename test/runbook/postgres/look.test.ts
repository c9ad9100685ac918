// What the members of one region's Postgres say together of whether it takes writes, and how far one is behind another.
import { expect, test } from 'vitest';
import { lagBetween, siteSays } from '../../../src/runbook/postgres/look.ts';
import type { PostgresSystem, SqlLook, SqlState } from '../../../src/runbook/postgres/sql.ts';

const member = (is: 'writes' | 'reads' | 'silent'): SqlLook => ({
  at: is,
  state: is === 'silent' ? null : ({ at: is, inRecovery: is === 'reads' } as SqlLook['state']),
  because: is,
});
const saying = (...all: readonly ('writes' | 'reads' | 'silent')[]) =>
  siteSays({ members: async () => all.map(member) } as unknown as PostgresSystem, new AbortController().signal);

test('any member that writes is enough to write; to read, all of them have to say that they follow', async () => {
  expect(await saying('silent', 'writes')).toBe('writes');
  expect(await saying('reads', 'writes')).toBe('writes');
  expect(await saying('reads', 'reads')).toBe('reads');
  expect(await saying('silent', 'reads')).toBe('partly');
});

const NEVER = new AbortController().signal;
/** One that says, each time it is asked, the next of these. */
const system = (...states: readonly Partial<SqlState>[]): PostgresSystem => {
  const left = [...states];
  return {
    state: async () => ({
      systemId: '7',
      timeline: 2,
      currentLsn: null,
      replayedLsn: null,
      replayedAtMs: null,
      upstream: null,
      nowMs: 10_000,
      ...left.shift(),
    }),
  } as unknown as PostgresSystem;
};
const primaryAt = (currentLsn: number) => ({ inRecovery: false, currentLsn });
const standbyAt = (replayedLsn: number, upstreamLsn?: number) => ({
  inRecovery: true,
  replayedLsn,
  replayedAtMs: 9_000,
  upstream: upstreamLsn === undefined ? null : { endLsn: upstreamLsn, heardAtMs: 9_900 },
});

test('what a standby has more than its primary was written while both were asked, and it is behind by nothing', async () => {
  expect(await lagBetween(system(primaryAt(900), primaryAt(1000)), system(standbyAt(1000)), NEVER)).toEqual({ ms: 0, bytes: 0 });
  // Its source has it: nobody is asked once more.
  expect(await lagBetween(system(primaryAt(900)), system(standbyAt(1000, 1000)), NEVER)).toEqual({ ms: 0, bytes: 0 });
  expect(await lagBetween(system(primaryAt(1000)), system(standbyAt(900)), NEVER)).toEqual({ ms: 1000, bytes: 100 });
});

test('a writer that woke, promoted itself and then was told to follow is on a timeline of the same number and has what nobody else has: it was taken for one that is behind by nothing', async () => {
  for (const standby of [standbyAt(1000), standbyAt(1000, 950)])
    expect(await lagBetween(system(primaryAt(900), primaryAt(950)), system(standby), NEVER)).toEqual({ ms: null, bytes: null });
});

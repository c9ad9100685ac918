// What the members of one region's Postgres say together of whether it takes writes.
import { expect, test } from 'vitest';
import { siteSays } from '../../../src/runbook/postgres/look.ts';
import type { PostgresSystem, SqlLook } from '../../../src/runbook/postgres/sql.ts';

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

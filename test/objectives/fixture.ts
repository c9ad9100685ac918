// Platforms with databases, and records of what replicas measured.

import { type Measured, type MeasuredBy, type MeasuredCell, QUERIES_MIN, SAMPLES_MIN } from '../../src/objectives/model.ts';
import type { DatabaseConfig, ObjectiveConfig, PlatformConfig } from '../../src/runbook/platform.ts';
import { EAST, hot, WEST } from '../runbook/platforms.ts';

export const NOW_MS = 1_800_000_000_000;

export const database: DatabaseConfig = {
  name: 'orders',
  sites: {
    [EAST]: { system: 'patroni-east', sql: 'sql-east', poolers: [], address: 'east.example:5432' },
    [WEST]: { system: 'patroni-west', sql: 'sql-west', poolers: [], address: 'west.example:5432' },
  },
  services: ['web'],
  lag: { maxMs: 1_000, maxBytes: 1_000, maxAgeMs: 30_000, onUnknown: 'ask' },
  fence: { rung: 'lease', graceMs: 60_000 },
};

/** With two Temporals, one database, and nothing that a query would be asked of. */
export const shop: PlatformConfig = { ...hot, name: 'shop', databases: [database] };

export const SHIPPED: readonly ObjectiveConfig[] = [
  { name: 'rtt', kind: 'temporal', quantile: 0.5, maxMs: 150, role: 'advice', remedies: ['pin tools', 'regional egress', 'fewer calls'] },
  { name: 'postgres', kind: 'postgres', maxMs: 100, role: 'gate', remedies: ['pin tools'] },
  {
    name: 'waits',
    kind: 'promql',
    maxMs: 2_000,
    role: 'recovery',
    preset: 'go',
    presets: { go: { query: 'go_seconds{region="$region"}', unit: 's' }, core: { query: 'core_ms', unit: 'ms' } },
    maxAgeMs: 60_000,
  },
];

/** Its last looks say what all of them do, unless something else is said. */
export const cell = (over: Partial<MeasuredCell> = {}): MeasuredCell => {
  const whole = {
    platform: 'shop',
    objective: 'postgres',
    of: 'orders',
    to: EAST,
    ms: 20,
    samples: 20,
    lost: 0,
    agoMs: 1_000,
    because: '',
    ...over,
  };
  const { ms, samples, lost, agoMs } = whole;
  const least = whole.objective === 'waits' ? QUERIES_MIN : SAMPLES_MIN;
  const lately = samples < least ? null : { ms, samples: least, lost: Math.min(lost, least), agoMs };
  return { lately, ...whole };
};

export const by = (region: string, cells: readonly MeasuredCell[], over: Partial<Measured> & { replica?: string } = {}): MeasuredBy => {
  const { replica = 'a', ...record } = over;
  return { region, replica, record: { boot: 'b', atMs: NOW_MS - 2_000, cells, nonce: 'n', ...record } };
};

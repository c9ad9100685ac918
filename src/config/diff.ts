// What changes from one configuration of the cluster to the next, one line per value: for the eyes of whoever applies it, and for the audit. Pure.
// Entries of lists that have names are told by name, since positions mean nothing; durations are spelt as in the file.
import { isDeepStrictEqual } from 'node:util';
import type { ClusterConfig } from '../model.ts';
import { list, spell } from './words.ts';

/** Longest piece of one value in a line. */
const VALUE_MAX = 120;
/** Most lines: more is another cluster, and nobody reads it. */
export const LINES_MAX = 500;

const clip = (text: string): string => (text.length > VALUE_MAX ? `${text.slice(0, VALUE_MAX)}…` : text);

/** As JSON, without what follows the ? of an address: a probe's may hold a token. */
const shown = (value: unknown): string =>
  clip(JSON.stringify(value, (_, inner: unknown) => (typeof inner === 'string' ? inner.replace(/(:\/\/[^?]*)\?.*$/s, '$1?…') : inner)));

/** A key and a value as the file spells them: `intervalMs: 5000` is `interval: 5s` there. */
const spelt = (key: string, value: unknown): { key: string; text: string } => {
  if (/[a-z]Ms$/.test(key) && typeof value === 'number') return { key: key.slice(0, -2), text: spell(value) };
  if (key === 'ttlS' && typeof value === 'number') return { key: 'ttl', text: spell(value * 1000) };
  return { key, text: value === undefined ? 'nothing' : shown(value) };
};

const isMap = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

interface Named {
  name: string;
}

const isNamed = (value: unknown): value is Named => isMap(value) && typeof value.name === 'string';
const isNamedList = (value: unknown): value is readonly Named[] => Array.isArray(value) && value.every(isNamed);

const ofMaps = (before: Readonly<Record<string, unknown>>, after: Readonly<Record<string, unknown>>, at: string): readonly string[] =>
  [...new Set([...Object.keys(after), ...Object.keys(before)])].flatMap((key) => ofValues(before[key], after[key], at, key));

const ofLists = (before: readonly Named[], after: readonly Named[], at: string): readonly string[] => {
  const [old, now] = [before.map(({ name }) => name), after.map(({ name }) => name)];
  const order = (names: readonly string[], others: readonly string[]): readonly string[] => names.filter((name) => others.includes(name));
  const moved = !isDeepStrictEqual(order(old, now), order(now, old));
  return [
    ...before.filter(({ name }) => !now.includes(name)).map(({ name }) => `${at}/${name}: removed`),
    ...after.flatMap((entry) => {
      const known = before.find(({ name }) => name === entry.name);
      const { name, ...content } = entry;
      return known === undefined ? [`${at}/${name}: added ${shown(content)}`] : ofMaps({ ...known }, { ...entry }, `${at}/${name}`);
    }),
    ...(moved ? [`${at}: order ${list(old, 20)} -> ${list(now, 20)}`] : []),
  ];
};

const ofValues = (before: unknown, after: unknown, at: string, key: string): readonly string[] => {
  if (isDeepStrictEqual(before, after)) return [];
  if (isNamedList(before) && isNamedList(after)) return ofLists(before, after, `${at}/${key}`);
  if (isMap(before) && isMap(after)) return ofMaps(before, after, `${at}/${key}`);
  const [old, now] = [spelt(key, before), spelt(key, after)];
  return [`${at}/${before === undefined ? now.key : old.key}: ${old.text} -> ${now.text}`];
};

const EMPTY = { regions: [], services: [], platforms: [] };

/**
 * `/services/web.example.test/pools/eu-west/weight: 1 -> 2`, one line per changed value; empty iff nothing but the version changed. `before` null: there
 * was none yet. More than LINES_MAX lines are cut, and the last one says how many there were.
 */
export const diffCluster = (before: ClusterConfig | null, after: ClusterConfig): readonly string[] => {
  const { version: _, ...now } = after;
  const { version: __, ...old } = before ?? { ...EMPTY, version: 0 };
  const lines = ofMaps({ ...old, platforms: old.platforms ?? [] }, { ...now, platforms: now.platforms ?? [] }, '');
  if (lines.length <= LINES_MAX) return lines;
  return [...lines.slice(0, LINES_MAX - 1), `… and ${lines.length - LINES_MAX + 1} more changes`];
};

// One recorder of a recording: the store as it saw it last, and its vantage once more. Pure.
import type { Heard } from '../health/chamber.ts';
import type { Beat, ClusterConfig, Overrides, Reports, Vote } from '../model.ts';
import type { RecordedBeat, RecordLine } from '../record/lines.ts';
import type { Tiers } from '../runbook/facts.ts';
import type { Rerun } from './rerun.ts';

interface Word {
  vote: Vote;
  beat: Beat | null;
  bornAtMs: number | null;
}

export interface Source {
  by: string;
  config: { cluster: ClusterConfig; hash: string } | null;
  words: Map<string, Word>;
  frozen: readonly string[];
  /** Nobody coordinated. */
  vacant: boolean;
  overrides: Overrides | null;
  reported: Reports | null;
  tiers: Tiers | null;
  sightAtMs: number;
  /** It coordinated at its last sight. */
  leads: boolean;
  /** The newest decision that it told while another recorder led. */
  told: (RecordLine & { kind: 'decision' }) | null;
  /** Under the configuration of then, to be checked, and under the other one. */
  then: Rerun | null;
  next: Rerun | null;
  looks: number;
  othersAtMs: number;
  checked: number;
  same: number;
}

export const newSource = (by: string): Source => ({
  by,
  config: null,
  words: new Map(),
  frozen: [],
  vacant: false,
  overrides: null,
  reported: null,
  tiers: null,
  sightAtMs: Number.NEGATIVE_INFINITY,
  leads: false,
  told: null,
  then: null,
  next: null,
  looks: 0,
  othersAtMs: 0,
  checked: 0,
  same: 0,
});

const beatFrom = (beat: RecordedBeat, vote: Vote): Beat => ({ ...beat, configVersion: vote.configVersion, loopDelayMs: 0 });

/** Takes in what is new of the others' words; answers own votes that changed. */
export const hear = (source: Source, line: RecordLine & { kind: 'sight' }): readonly Vote[] => {
  const own: Vote[] = [];
  for (const at of line.gone ?? []) source.words.delete(at);
  for (const { at, ageMs, vote, beat } of line.heard ?? []) {
    const before = source.words.get(at);
    const now = vote ?? before?.vote;
    // The vote itself was dropped: nothing is known of this replica until it votes anew.
    if (now === undefined) continue;
    const kept = before?.beat ?? null;
    const next = beat === undefined ? kept : beat === null ? null : beatFrom(beat, now);
    source.words.set(at, { vote: now, beat: next, bornAtMs: ageMs === null ? null : line.atMs - ageMs });
    if (vote !== undefined && at === source.by) own.push(vote);
  }
  if (line.frozen !== undefined) source.frozen = line.frozen;
  if (line.vacant !== undefined) source.vacant = line.vacant;
  return own;
};

export const heardAt = (source: Source, nowMs: number): readonly Heard[] =>
  [...source.words].map(([at, { vote, beat, bornAtMs }]) => {
    const [region = '', replica = ''] = at.split('/');
    const ageMs = bornAtMs === null ? Number.POSITIVE_INFINITY : Math.max(0, nowMs - bornAtMs);
    return { region, replica, key: `vote/${at}`, vote, beat, ageMs };
  });

// What people are told of data tiers: two writers, a lag that lasts, a proof that cannot be had, a human's word in place of one. Each subject is one thread. Pure.
import type { Severity } from '../../model.ts';
import type { TierState, Unproved } from '../facts.ts';
import { seconds } from '../words.ts';
import type { LagNews } from './watch.ts';

export interface Said {
  type: string;
  severity: Severity;
  subject: string;
  summary: string;
  detail: Readonly<Record<string, unknown>>;
}

const splitSubject = (platform: string, database: string): string => `data-split-${platform}-${database}`;
const unprovedSubject = (platform: string, database: string): string => `data-unproved-${platform}-${database}`;
const wordSubject = (platform: string, database: string): string => `data-settled-${platform}-${database}`;

const settleCommand = (platform: string, database: string, region: string, fenced: readonly string[]): string =>
  `tidegate settle ${platform}/${database} --region ${region}${fenced.map((each) => ` --fenced ${each}`).join('')} --reason WHY`;

/** What a change of what is proved tells people; null: nothing. */
export const saidOf = (platform: string, database: string, before: TierState | null, after: TierState): Said | null => {
  const subject = splitSubject(platform, database);
  const { split } = after;
  if (split !== undefined && split.regions.join() === before?.split?.regions.join()) return null;
  if (split !== undefined) {
    const { regions, because } = split;
    const summary = `platform ${platform}: ${because}; nothing of it is promoted and no route of its services moves until only one does`;
    const commands = [
      `tidegate platforms ${platform}`,
      ...regions.map((region) =>
        settleCommand(
          platform,
          database,
          region,
          regions.filter((each) => each !== region),
        ),
      ),
    ];
    return { type: 'data.split', severity: 'critical', subject, summary, detail: { platform, database, regions, because, commands } };
  }
  if (before?.split === undefined) return null;
  const { regions } = before.split;
  const summary = `platform ${platform}: ${regions.join(' and ')} do not both take writes of ${database} any more`;
  return { type: 'data.whole', severity: 'info', subject, summary, detail: { platform, database, regions, because: summary } };
};

export const saidOfLag = (platform: string, database: string, { region, is, because }: LagNews): Said => ({
  ...(is === 'over' ? { type: 'data.lag', severity: 'warning' } : { type: 'data.caught_up', severity: 'info' }),
  subject: `data-lag-${platform}-${database}-${region}`,
  summary: `platform ${platform}: ${because}`,
  detail: { platform, database, regions: [region], because },
});

/** No row can be had. `sites`: every region that might be named. */
export const saidOfUnproved = (
  platform: string,
  database: string,
  { region, because, sinceMs, told }: Unproved,
  { sites, nowMs }: { sites: readonly string[]; nowMs: number },
): Said => {
  const held = told === 'critical' ? 'users of its services wait for it' : 'a failover would wait for it';
  const summary = `platform ${platform}: no row proves where ${database} is written, for ${seconds(nowMs - sinceMs)}, and ${held}: ${because}`;
  const where = region ?? 'REGION';
  const commands = [`tidegate platforms ${platform}`, settleCommand(platform, database, where, [])];
  return {
    type: 'data.unproved',
    severity: told ?? 'warning',
    subject: unprovedSubject(platform, database),
    summary,
    detail: { platform, database, regions: region === null ? sites : [region], because, commands },
  };
};

export const saidOfProved = (platform: string, database: string, { writer, because }: TierState): Said => ({
  type: 'data.proved',
  severity: 'info',
  subject: unprovedSubject(platform, database),
  summary: `platform ${platform}: ${database} is proved writable${writer === null ? '' : ` in ${writer}`}: ${because}`,
  detail: { platform, database, regions: writer === null ? [] : [writer], because },
});

/** No word stands in place of a row any more, whatever ended it. */
export const saidOfWordOver = (platform: string, database: string, state: TierState | null): Said => {
  const because = state?.split?.because ?? state?.because ?? 'no row was written and read back there';
  const writer = state?.writer ?? null;
  return {
    type: 'data.unsettled',
    severity: 'info',
    subject: wordSubject(platform, database),
    summary: `platform ${platform}: nobody's word stands for ${database} any more, which is ${writer === null ? 'proved writable nowhere' : `written in ${writer}`}: ${because}`,
    detail: { platform, database, regions: writer === null ? [] : [writer], because },
  };
};

/** A human has settled it: a warning while the word stands, and the end of what waited for it. */
export const saidOfSettled = (
  platform: string,
  database: string,
  state: TierState & Required<Pick<TierState, 'settled'>>,
  { split, unproved }: { split: boolean; unproved: boolean },
): readonly Said[] => {
  const { writer, settled, fenced = [] } = state;
  const answered =
    fenced.length === 0
      ? ''
      : `; ${settled.by} answers for it that ${fenced.join(' and ')} ${fenced.length === 1 ? 'takes' : 'take'} no writes`;
  const because = `settled by ${settled.by}: ${settled.reason}`;
  const summary = `platform ${platform}: ${database} counts as written in ${writer} without a row that proves it, ${because}${answered}`;
  const undo = `tidegate unsettle ${platform}/${database} --reason WHY`;
  const detail = { platform, database, regions: writer === null ? [] : [writer], because, commands: [undo] };
  const told = { type: 'data.settled', summary, detail };
  return [
    { ...told, severity: 'warning', subject: wordSubject(platform, database) },
    ...(split ? [{ ...told, severity: 'info' as const, subject: splitSubject(platform, database) }] : []),
    ...(unproved ? [{ ...told, severity: 'info' as const, subject: unprovedSubject(platform, database) }] : []),
  ];
};

/** The word was taken back, and two writers stand as they did. */
export const saidOfSplitAgain = (platform: string, database: string, after: TierState | null): readonly Said[] => {
  const said = after?.split === undefined ? null : saidOf(platform, database, null, after);
  return said === null ? [] : [said];
};

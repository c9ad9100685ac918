// The commands by which a human says where a database is written, and takes that back. What is seen and what it means is shown first; whoever says it types the
// region; it is sent on the version that was shown, under a key of this side's.
import type { OfDatabase, SeenSettling } from '../../client/api.ts';
import type { SettleDeed, SettleDeedBody, Settled } from '../../client/types.ts';
import { ERRORS, Fault } from '../../errors.ts';
import { oneLine } from '../providers.ts';
import { demandConsent, isWanted, reasonOf } from './orders.ts';
import { settleLines } from './runs-text.ts';
import { type Console, type LookOptions, type Session, withSession } from './session.ts';
import { clean, jsonLine, safe } from './text.ts';

export interface UnsettleOptions extends LookOptions {
  reason: string;
  yes?: boolean;
  dryRun?: boolean;
}

export interface SettleOptions extends UnsettleOptions {
  region: string;
  fenced?: readonly string[];
}

/** `shop/orders`. Names hold no slash. */
const databaseOf = (named: string): OfDatabase => {
  const [platform = '', database = '', more] = named.split('/');
  if (platform === '' || database === '' || more !== undefined)
    throw new Fault('ERR_USAGE', `${named}: expected PLATFORM/DATABASE, e.g. shop/orders; tidegate platforms PLATFORM lists its databases`);
  return { platform, database };
};

interface Word<D extends SettleDeed> {
  deed: D;
  of: OfDatabase;
  body: SettleDeedBody<D>;
  question: string;
  /** null: a yes will do. */
  typed: string | null;
}

const planned = ({ console, json }: Session, { settled }: SeenSettling, lines: readonly string[]): number => {
  console.out(json ? jsonLine({ outcome: 'planned', ...settled }) : `${lines.join('\n')}\n`);
  return 0;
};

const stands = ({ settlement: { platform, database, writer }, undo }: Settled): readonly string[] => [
  `${platform}/${database} is ${writer === null ? 'proved writable nowhere' : `held for written in ${writer}`}`,
  ...(undo === null ? [] : [`undo: ${undo.cli}`]),
];

/** Looks, shows, asks, says it. */
const give = async <D extends SettleDeed>(word: Word<D>, options: UnsettleOptions, console: Console): Promise<number> =>
  withSession(options, console, async (session) => {
    const { api, json } = session;
    const { deed, of, body, question, typed } = word;
    const seen = await session.during(
      () => 'asking what is seen',
      () => api.previewSettling(deed, of, body),
    );
    const lines = settleLines(clean(seen.settled), console.screen());
    if (options.dryRun === true) return planned(session, seen, lines);
    if (!json) session.note([...lines, '']);
    if (options.yes !== true && !(await isWanted(console, safe(question), typed === null ? null : safe(typed)))) {
      session.note('nothing was written\n');
      return ERRORS.ERR_USAGE.exit;
    }
    const settled = await session.during(
      () => 'telling it',
      () => api.settling(deed, of, body, seen.etag, console.ports.random.hex(16)),
    );
    const outcome = deed === 'settleDatabase' ? 'settled' : 'taken-back';
    console.out(json ? jsonLine({ outcome, ...settled }) : `${stands(settled).map(safe).join('\n')}\n`);
    return 0;
  });

export const settle = async (named: string, options: SettleOptions, console: Console): Promise<number> => {
  demandConsent(options, console);
  const of = databaseOf(named);
  const region = oneLine('--region', options.region);
  const fenced = (options.fenced ?? []).map((each) => oneLine('--fenced', each));
  const body = { region, ...(fenced.length === 0 ? {} : { fenced }), reason: reasonOf(options.reason) };
  const question = `Hold ${region} for the writer of ${named}?`;
  return give({ deed: 'settleDatabase', of, body, question, typed: region }, options, console);
};

export const unsettle = async (named: string, options: UnsettleOptions, console: Console): Promise<number> => {
  demandConsent(options, console);
  const of = databaseOf(named);
  const body = { reason: reasonOf(options.reason) };
  return give({ deed: 'unsettleDatabase', of, body, question: `Take back what was said of ${named}?`, typed: null }, options, console);
};

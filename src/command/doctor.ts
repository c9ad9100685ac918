// `tidegate doctor`: checks a live installation from a replica's file and says what to fix. Changes nothing: a grant is tried by a transaction whose
// condition never holds, a provider is read, a paging channel is connected to. Only --send-test does something, and it says so.
import { existsSync } from 'node:fs';
import { loadConfig } from '../config/load.ts';
import type { ReplicaConfig } from '../config/schema.ts';
import { plural } from '../config/words.ts';
import { type Finding, NotLooked, type Row, type State } from '../doctor/check.ts';
import { CHECKS } from '../doctor/index.ts';
import { createInstruments } from '../doctor/instruments.ts';
import { ERRORS } from '../errors.ts';
import { createLog } from '../log.ts';
import type { Ports } from '../ports.ts';
import type { Store } from '../store/store.ts';
import { openCommandStore, type Saying } from './open.ts';
import { sayProblems } from './problems.ts';
import type { openedProviders } from './providers.ts';

export interface DoctorOptions {
  /** A replica's file. */
  config: string;
  /** Only the checks of security. */
  security?: boolean;
  /** Sends one page, marked as a test, to every webhook. */
  sendTest?: boolean;
  json?: boolean;
}

export interface DoctorContext extends Saying {
  ports: Ports;
  version: string;
  /** How the store is opened; as the replica's file says unless said. */
  open?: (config: ReplicaConfig, ports: Ports) => Promise<Store>;
  providers?: typeof openedProviders;
}

export interface Checked extends Finding {
  id: string;
  question: string;
}

const ORDER: readonly State[] = ['fail', 'warn', 'unknown', 'ok', 'skip'];
const STATE_CHARS = 7;

/** Every check, one after the other: they share what they look at. */
export const runChecks = async (
  rows: readonly Row[],
  tools: Parameters<Row['run']>[0],
  nowMs: () => number,
): Promise<readonly Checked[]> => {
  const checked: Checked[] = [];
  for (const { id, question, run } of rows) for (const finding of await run(tools, nowMs)) checked.push({ id, question, ...finding });
  return checked;
};

/** A line per finding, what to do below it, and the count. */
const doctorText = (checked: readonly Checked[]): string => {
  const wide = Math.max(...checked.map(({ id }) => id.length));
  const lines = checked.flatMap(({ state, id, says, todo }) => [
    `${state.padEnd(STATE_CHARS)}  ${id.padEnd(wide)}  ${says}`,
    ...(todo === undefined ? [] : [`${' '.repeat(wide + STATE_CHARS + 4)}-> ${todo}`]),
  ]);
  const counts = ORDER.map((state) => `${checked.filter((each) => each.state === state).length} ${state}`);
  return `${[...lines, '', `${plural(new Set(checked.map(({ id }) => id)).size, 'check')}: ${counts.join(', ')}`].join('\n')}\n`;
};

/** A store file that is not there is not made: a check leaves nothing behind. */
const openThere = async (config: ReplicaConfig, ports: Ports): Promise<Store> => {
  if (config.store.kind === 'embedded' && !existsSync(config.store.file))
    throw new NotLooked(`${config.store.file} is not there: no replica of this file ever ran here`);
  return openCommandStore(config, ports);
};

/** Exit codes: 0 nothing fails (warnings may be there), 3 something does, 78 for a file that is not accepted. */
export const doctor = async (options: DoctorOptions, context: DoctorContext): Promise<number> => {
  const { ports } = context;
  const loaded = loadConfig(options.config);
  if (!loaded.ok) return sayProblems(loaded.problems, options.json, context);
  const { config } = loaded;
  const instruments = createInstruments({
    ports,
    log: createLog({ level: 'silent', clock: ports.clock }),
    config,
    version: context.version,
    openStore: () => (context.open ?? openThere)(config, ports),
    ...(context.providers === undefined ? {} : { providers: context.providers }),
    sendTest: options.sendTest === true,
  });
  try {
    const rows = CHECKS.filter(({ security }) => security || options.security !== true);
    if (options.json !== true)
      context.err(`${plural(rows.length, 'check')} of ${config.region}/${config.replica}; the votes are listened to for some seconds\n`);
    const checked = await runChecks(rows, instruments, () => ports.clock.wallMs());
    const fails = checked.some(({ state }) => state === 'fail');
    if (options.json === true)
      context.out(
        `${JSON.stringify({ outcome: fails ? 'fail' : 'ok', region: config.region, replica: config.replica, findings: checked })}\n`,
      );
    else context.out(doctorText(checked));
    return fails ? ERRORS.ERR_UNHEALTHY.exit : 0;
  } finally {
    await instruments.close();
  }
};

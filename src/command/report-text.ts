// What `tidegate report` prints of each service: what it would have done, what really happened, what stands against it; as text or as one object. Pure.
import { list, plural, say, spell } from '../config/words.ts';
import { AFTER_MS, BEFORE_MS, type Belief, BRIEF_MS, type Findings, type WouldDrain } from '../drill/findings.ts';
import { isoTime } from '../ports.ts';

const BELIEFS: Readonly<Record<Belief, string>> = {
  provider: 'the provider took it out, too',
  'own region': 'its own region voted it down as well',
  lasting: 'it lasted',
  ordered: 'ordered by a human or configured',
  false: 'FALSE',
  unproved: 'brief, and nothing else speaks for it; the provider was not observed',
};

export const definition = (recoveryHoldMs: number): string =>
  `A would-have drain is false when its pool would have been back within ${spell(BRIEF_MS)} and the recovery hold (${spell(recoveryHoldMs)}), the provider served no less of it from ${spell(BEFORE_MS)} before until then, and its own region did not vote it down. What a provider does up to ${spell(AFTER_MS)} later is compared.`;

const apart = (ms: number): string => `${say(Math.abs(ms))} ${ms >= 0 ? 'later' : 'earlier'}`;

const drainLine = (d: WouldDrain): string => {
  const lasted = d.backAtMs === null ? 'not back yet' : `back after ${say(d.backAtMs - d.atMs)}`;
  const detected = d.detectionMs === null ? '' : `; detected in ${say(d.detectionMs)}`;
  const provider =
    d.provider === null
      ? ''
      : `; the provider took it out ${d.provider.afterAtMs === null ? 'by' : `between ${isoTime(d.provider.afterAtMs)} and`} ${isoTime(d.provider.atMs)}, at most ${apart(d.provider.atMs - d.atMs)}`;
  return `      would have drained ${d.pool}: ${BELIEFS[d.belief]}; ${lasted}${detected}${provider}`;
};

/** Shown in text; `--json` has all. */
const MOVES_MAX = 100;

const verdict = ({ against }: Findings): readonly string[] =>
  against.length === 0
    ? ['  verdict  clean: nothing stands against it']
    : [
        `  verdict  not clean: ${plural(against.length, 'thing stands', 'things stand')} against it`,
        ...against.map((each) => `    - ${each}`),
      ];

export const findingsLines = (f: Findings): readonly string[] => {
  const drains = f.moves.flatMap((move) => move.drains);
  const count = (belief: Belief): number => drains.filter((d) => d.belief === belief).length;
  return [
    `${f.service} (${f.mode})`,
    `  covers   ${isoTime(f.fromAtMs)} to ${isoTime(f.toAtMs)}${f.fromBecause === '' ? '' : `; ${f.fromBecause}`}`,
    `  provider ${f.observed.looks ? 'observed throughout' : f.observed.because}`,
    `  would have made ${plural(f.moves.length, 'move')}, ${plural(drains.length, 'drain')} among them: ${count('false')} false, ${count('provider')} as the provider did`,
    ...f.moves
      .slice(-MOVES_MAX)
      .flatMap(({ atMs, change, because, drains }) => [`    ${isoTime(atMs)}  ${change}`, `      ${because}`, ...drains.map(drainLine)]),
    ...f.unforeseen.map(({ pool, atMs, afterAtMs }) => {
      const when = afterAtMs === null ? `by ${isoTime(atMs)}` : `between ${isoTime(afterAtMs)} and ${isoTime(atMs)}`;
      return `    the provider took ${pool} out ${when}; Tidegate would have left it in`;
    }),
    ...verdict(f),
  ];
};

/** Texts end in a newline. */
export const tellReport = (found: readonly Findings[], recoveryHoldMs: number): { text: string; data: string } => {
  const unclean = found.filter(({ against }) => against.length > 0);
  const closing =
    found.length === 0
      ? 'no service is in observe or advise'
      : unclean.length === 0
        ? 'clean'
        : `not clean: ${list(unclean.map(({ service }) => service))}`;
  const lines = [...found.flatMap((f) => [...findingsLines(f), '']), ...(found.length === 0 ? [] : [definition(recoveryHoldMs)]), closing];
  const data = {
    outcome: found.length > 0 && unclean.length === 0 ? 'clean' : 'not-clean',
    definition: definition(recoveryHoldMs),
    services: found,
  };
  return { text: `${lines.join('\n')}\n`, data: `${JSON.stringify(data)}\n` };
};

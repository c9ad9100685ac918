// What the cases found, one line each, as text that is also Markdown.
export interface Row {
  what: string;
  detectionMs?: number;
  takeoverMs?: number;
  convergenceMs?: number;
  wrongMoves: number;
  note: string;
  /** Replicas that the case kept from running, so that their own words about that say nothing of this machine. */
  asleep?: readonly string[];
  /** Replicas whose words the case held up on their way for longer than evidence may be old. */
  late?: readonly string[];
}

const seconds = (ms: number | undefined): string => (ms === undefined ? '' : (ms / 1000).toFixed(1));

export const line = ({ what, detectionMs, takeoverMs, convergenceMs, wrongMoves, note }: Row): string =>
  `| ${[what, seconds(detectionMs), seconds(takeoverMs), seconds(convergenceMs), wrongMoves, note].join(' | ')} |`;

export const HEAD = `| case | detection s | takeover s | convergence s | wrong moves | |
| --- | --- | --- | --- | --- | --- |`;

export const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor((values.length - 1) / 2)] ?? Number.NaN;

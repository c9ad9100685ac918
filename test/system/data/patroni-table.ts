// What the proofs measured, one line each, as text that is also Markdown.
export interface Row {
  what: string;
  acknowledged: number;
  lost: number;
  /** The longest time without an acknowledgement while it moved. */
  gapMs: number | null;
  /** Writes that the old primary took after the new one had taken its first. */
  late: number;
  note: string;
}

export const HEAD = `| move | acknowledged | lost | interruption s | writes of two primaries | |
| --- | --- | --- | --- | --- | --- |`;

export const line = ({ what, acknowledged, lost, gapMs, late, note }: Row): string =>
  `| ${[what, acknowledged, lost, gapMs === null ? '' : (gapMs / 1000).toFixed(2), late, note].join(' | ')} |`;

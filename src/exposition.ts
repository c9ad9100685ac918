// Prometheus' text form of families that have a line per target: tens of thousands of them, which nobody may make at one stretch beside looks that must begin
// and end in time. All other metrics are the client library's, which writes at once what it has.
import type { Steps } from './api/slices.ts';

/** A family of gauges, in its state of now. */
export interface Family {
  /** Without `tidegate_`. */
  name: string;
  help: string;
  labelNames: readonly string[];
  /** Values of the labels, in the order of their names; and the number. */
  rows(): Iterable<readonly [labels: readonly string[], value: number]>;
}

/** Rows between two looks at the clock. */
const ROWS_PER_STEP = 200;

const ESCAPES: Readonly<Record<string, string>> = { '\\': '\\\\', '"': '\\"', '\n': '\\n' };
const SPECIAL = /[\\"\n]/;
const escaped = (value: string): string => (SPECIAL.test(value) ? value.replace(/[\\"\n]/g, (c) => ESCAPES[c] ?? c) : value);

/** Text of the families one after the other, each line with its end. The rows are of the moment of the first step that asks for them. */
export function* exposed(families: readonly Family[]): Steps<string> {
  let text = '';
  for (const { name, help, labelNames, rows } of families) {
    text += `# HELP tidegate_${name} ${help}\n# TYPE tidegate_${name} gauge\n`;
    let count = 0;
    for (const [labels, value] of rows()) {
      text += `tidegate_${name}{${labelNames.map((label, i) => `${label}="${escaped(labels[i] ?? '')}"`).join()}} ${value}\n`;
      count += 1;
      if (count % ROWS_PER_STEP === 0) yield;
    }
    yield;
  }
  return text;
}

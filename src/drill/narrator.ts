// Prints the story as it happens: titles of acts, and lines stamped with the seconds since the act began. Words and layout are src/drill/timeline.ts.
import type { Ports } from '../ports.ts';
import { type Line, type Paper, renderHead, renderLine, WIDTH_MAX, WIDTH_MIN } from './timeline.ts';

/** What a terminal or a pipe offers. */
export interface Out {
  write(text: string): unknown;
  isTTY?: boolean;
  columns?: number;
}

export interface Narrator {
  paper: Paper;
  /** A new act begins now. */
  act(title: string): void;
  /** `atMs`: monotonic; now when absent. */
  line(line: Line, atMs?: number): void;
  /** As it is. */
  text(text: string): void;
}

export const paperFor = (out: Out, noColour: boolean): Paper => ({
  // Some pseudo-terminals claim to have no columns at all.
  width: Math.min(WIDTH_MAX, Math.max(WIDTH_MIN, out.columns || WIDTH_MAX)),
  colour: out.isTTY === true && !noColour,
});

export const createNarrator = (ports: Pick<Ports, 'clock'>, out: Out, noColour: boolean): Narrator => {
  const paper = paperFor(out, noColour);
  let beganAtMs = ports.clock.monoMs();
  return {
    paper,
    act(title) {
      beganAtMs = ports.clock.monoMs();
      out.write(renderHead(title, paper));
    },
    line: (line, atMs = ports.clock.monoMs()) => void out.write(renderLine(line, atMs - beganAtMs, paper)),
    text: (text) => void out.write(text),
  };
};

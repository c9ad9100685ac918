// A log that keeps its lines, for tests and virtual time. What it keeps has been masked, as what a real log prints.
import { type Fields, type Log, mask } from '../src/log.ts';

export interface Line {
  level: 'debug' | 'info' | 'warn' | 'error';
  event: string;
  fields: Fields;
}

export interface RecordingLog extends Log {
  readonly lines: Line[];
  /** Lines of one event. */
  of(event: string): Line[];
}

export const recordingLog = (lines: Line[] = [], fixed: Fields = {}): RecordingLog => {
  const at =
    (level: Line['level']) =>
    (event: string, fields: Fields = {}): void => {
      lines.push({ level, event, fields: mask({ ...fixed, ...fields }) as Fields });
    };
  return {
    lines,
    of: (event) => lines.filter((line) => line.event === event),
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: (fields) => recordingLog(lines, { ...fixed, ...fields }),
  };
};

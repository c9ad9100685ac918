// The stream of events as text comes in, after the WHATWG's grammar of event streams. Pure.

export interface StreamEvent {
  id: string | null;
  type: string;
  data: string;
}

const LINE_CHARS_MAX = 1024 * 1024;

export interface EventParser {
  /** The events that this piece completes. Throws on a line that is longer than any of ours. */
  push(text: string): readonly StreamEvent[];
}

export const eventParser = (): EventParser => {
  let rest = '';
  let event: StreamEvent = { id: null, type: 'message', data: '' };
  const take = (line: string): StreamEvent | null => {
    if (line === '') {
      const done = event;
      event = { id: done.id, type: 'message', data: '' };
      return done.data === '' ? null : { ...done, data: done.data.slice(0, -1) };
    }
    const [, field = '', value = ''] = /^([^:]*)(?:: ?(.*))?$/.exec(line) ?? [];
    if (field === 'id') event.id = value;
    if (field === 'event') event.type = value;
    if (field === 'data') event.data += `${value}\n`;
    return null;
  };
  return {
    push(text) {
      const lines = (rest + text).split(/\r\n|\n/);
      rest = lines.pop() ?? '';
      if (rest.length > LINE_CHARS_MAX) throw new Error(`a line of the stream is longer than ${LINE_CHARS_MAX} characters`);
      return lines.map(take).filter((done) => done !== null);
    },
  };
};

// What goes on failing is told once while it lasts, for each reason anew.
import { expect, test } from 'vitest';
import { createTrouble } from '../src/trouble.ts';
import { recordingLog } from './recording-log.ts';

test('a reason is told once, another one and a new beginning are news', () => {
  const log = recordingLog();
  const trouble = createTrouble(log, 'store.get');
  expect(trouble.over()).toBe(false);
  for (const because of ['refused', 'refused', 'reset', 'reset', 'refused']) trouble.tell(new Error(because));
  expect(trouble.over()).toBe(true);
  expect(trouble.over()).toBe(false);
  trouble.tell(new Error('refused'));
  expect(log.lines.map(({ level, event, fields }) => [level, event, fields.because])).toEqual(
    ['refused', 'reset', 'refused', 'refused'].map((because) => ['warn', 'store.get', because]),
  );
});

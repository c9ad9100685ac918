// What goes on failing is told once for each reason while it lasts.
import { expect, test } from 'vitest';
import { createTrouble } from '../src/trouble.ts';
import { recordingLog } from './recording-log.ts';

test('each reason is told once, and again when it had worked meanwhile', () => {
  const log = recordingLog();
  const trouble = createTrouble(log, 'store.get');
  expect(trouble.over()).toBe(false);
  for (const because of ['refused', 'refused', 'reset', 'refused', 'reset']) trouble.tell(new Error(because));
  expect(trouble.over()).toBe(true);
  expect(trouble.over()).toBe(false);
  trouble.tell(new Error('refused'));
  expect(log.lines.map(({ level, event, fields }) => [level, event, fields.because])).toEqual(
    ['refused', 'reset', 'refused'].map((because) => ['warn', 'store.get', because]),
  );
});

test('a reason that is another each time fills no log', () => {
  const log = recordingLog();
  const trouble = createTrouble(log, 'store.get');
  for (let n = 0; n < 1000; n++) trouble.tell(new Error(`at revision ${n}`));
  expect(log.lines).toHaveLength(16);
});

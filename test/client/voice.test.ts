// Whether a vantage speaks is the replica's word; one of 0.1 says only what was said last, and when.
import { expect, test } from 'vitest';
import { type Said, voiceIn } from '../../src/client/voice.ts';

const OK = { state: 'ok' } as const;
const DOUBTS = { state: 'abstain', because: 'its anchors do not answer' } as const;

test.each<[string, Said, ReturnType<typeof voiceIn>]>([
  ['counted', { ageMs: 400, state: 'ok', because: '', self: OK }, { state: 'ok', because: '' }],
  [
    'silent, whatever it said last',
    { ageMs: 9000, state: 'silent', because: 'last heard 9.0 s ago', self: OK },
    { state: 'silent', because: 'last heard 9.0 s ago' },
  ],
  ['of 0.1, heard', { ageMs: 15_000, self: OK }, { state: 'ok', because: '' }],
  ['of 0.1, in doubt', { ageMs: 400, self: DOUBTS }, { state: 'abstain', because: 'its anchors do not answer' }],
  ['of 0.1, not heard for long', { ageMs: 41_000, self: OK }, { state: 'silent', because: 'last heard 41.0 s ago' }],
  ['of 0.1, never heard', { ageMs: null, self: DOUBTS }, { state: 'silent', because: '' }],
])('%s', (_name, said, voice) => {
  expect(voiceIn(said)).toEqual(voice);
});

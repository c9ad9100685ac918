import { expect, test } from 'vitest';
import { newCourse, outcomeOf } from '../../src/drill/measure.ts';
import { paperFor } from '../../src/drill/narrator.ts';
import type { Sighting } from '../../src/drill/sightings.ts';
import { fold, linesOf, type Paper, renderHead, renderLine, renderOutcome, renderTimeline } from '../../src/drill/timeline.ts';
import type { Audit } from '../../src/model.ts';
import { anIncident } from './fixture.ts';

const PAPER: Paper = { width: 80, colour: false };
const GOALS = { detectionMs: 30_000, convergenceMs: 60_000 };

test('a line has its second, who and what; a long one goes on below its text', () => {
  expect(renderLine({ who: 'us-east', text: 'suspects eu-west: connection refused', tone: 'plain' }, 123, PAPER)).toBe(
    '     +0.1  us-east   suspects eu-west: connection refused\n',
  );
  const long = renderLine({ who: 'eu-west', text: `decision 3: ${'word '.repeat(20)}end`, tone: 'plain' }, 61_250, PAPER);
  expect(long.split('\n')).toEqual([
    '    +61.3  eu-west   decision 3: word word word word word word word word word',
    '                     word word word word word word word word word word word end',
    '',
  ]);
  expect(paperFor({ write: () => {}, columns: 0 }, false).width).toBe(120);
  for (const line of long.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
});

test('an instant before the act is shown as its beginning', () => {
  expect(renderLine({ who: 'dns', text: 'x', tone: 'plain' }, -40, PAPER)).toContain('+0.0');
});

test('folding loses and adds nothing, and leaves a long word whole', () => {
  const text = 'a bb ccc averyverylongwordindeed dddd';
  expect(fold(text, 8)).toEqual(['a bb ccc', 'averyverylongwordindeed', 'dddd']);
  expect(fold(text, 8).join(' ')).toBe(text);
  expect(fold('', 8)).toEqual(['']);
});

test('colour only on a terminal, never with NO_COLOR, and only around the words', () => {
  expect(paperFor({ write: () => {}, isTTY: true, columns: 100 }, false)).toEqual({ width: 100, colour: true });
  expect(paperFor({ write: () => {}, isTTY: true, columns: 100 }, true).colour).toBe(false);
  expect(paperFor({ write: () => {} }, false)).toEqual({ width: 120, colour: false });
  expect(paperFor({ write: () => {}, columns: 20 }, false).width).toBe(60);
  const plain = renderLine({ who: 'dns', text: 'gone', tone: 'bad' }, 0, PAPER);
  const painted = renderLine({ who: 'dns', text: 'gone', tone: 'bad' }, 0, { ...PAPER, colour: true });
  expect(painted).toContain('\u001b[31mgone\u001b[0m');
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the escape is what is looked for
  expect(painted.replaceAll(/\u001b\[\d+m/g, '')).toBe(plain);
  expect(renderHead('Act one', PAPER)).toBe('\nAct one\n');
});

const audit: Audit = {
  v: 3,
  epoch: 2,
  atMs: 0,
  by: 'us-east/a',
  because: 'eu-west down: 2 of 3 vantages (needs 2); traffic leaves',
  wouldChange: 'with 1 DOWN vote fewer eu-west would have kept its traffic',
  changes: [{ service: 'web', before: { 'eu-west': 334, 'us-east': 666 }, after: { 'eu-west': 0, 'us-east': 1000 }, because: '' }],
  holds: [],
  votes: {},
  prevHash: '',
};

test('every sighting has its words; a decision tells its sentence, what would have changed it, and the route', () => {
  const words = (sighting: Sighting): readonly string[] => linesOf(sighting).map(({ who, text }) => `${who}: ${text}`);
  expect(words({ kind: 'decision', audit })).toEqual([
    'us-east: decision 3: eu-west down: 2 of 3 vantages (needs 2); traffic leaves',
    ': otherwise: with 1 DOWN vote fewer eu-west would have kept its traffic',
    ': route: eu-west 0 %, us-east 100 %',
  ]);
  expect(words({ kind: 'vote', by: 'us-east', of: 'eu-west', endpoints: ['readyz', 'healthz'], mute: false })).toEqual([
    'us-east: votes eu-west down: /readyz and /healthz failing',
  ]);
  expect(words({ kind: 'vote', by: 'us-east', of: 'eu-west', endpoints: ['readyz'], mute: true })).toEqual([
    'us-east: sees eu-west down: /readyz failing, without a vote',
  ]);
  expect(words({ kind: 'suspicion', by: 'a', of: 'b', reason: 'pending' })).toEqual(['a: suspects b: no answer yet']);
  expect(words({ kind: 'suspicion', by: 'a', of: 'b', reason: 'tls' })).toEqual(['a: suspects b: tls']);
  expect(words({ kind: 'withdrawal', by: 'a', of: 'b' })).toEqual(['a: sees b up again']);
  expect(words({ kind: 'abstention', by: 'a', because: 'no anchor' })).toEqual(['a: abstains: no anchor']);
  expect(words({ kind: 'voice', by: 'a' })).toEqual(['a: votes again']);
  expect(words({ kind: 'leader', region: 'a', epoch: 2 })).toEqual(['a: coordinates now (epoch 2)']);
  expect(words({ kind: 'acknowledged', fence: 3 })).toEqual(['dns: acknowledged fence 3']);
});

const course = {
  ...newCourse('eu-west', 1000),
  suspectedAtMs: 1200,
  quorumAtMs: 4000,
  takenOverAtMs: 7000,
  heir: 'us-east',
  decidedAtMs: 7100,
  acknowledgedAtMs: 7150,
  answeredAtMs: 7300,
  settledAtMs: 11_000,
  incident: anIncident({ t0AtMs: 500_000, t0LastAtMs: 498_500, t3AtMs: 506_000 }),
};

test('the timeline is in order of time, to scale, from the kill to the last user', () => {
  expect(renderTimeline(course, PAPER)).toBe(`
Timeline, in seconds since the kill
           0.00  ●                            kill -9 of eu-west
   t0      0.10  ●                            first failed look, at the earliest
   t1      0.20  ·●                           first suspicion
   t2      3.00  ········●                    quorum of votes
           6.00  ················●            takeover by us-east
   t3      6.10  ················●            decision committed
   t4      6.15  ················●            DNS acknowledged
   t5      6.30  ················●            20 answers of 20 without eu-west
   t6     10.00  ··························●  every user elsewhere, for good
`);
});

test('nothing is wider than the terminal, down to sixty columns', () => {
  for (const width of [60, 80, 120]) {
    const text =
      renderTimeline({ ...course, heir: 'ap-south' }, { ...PAPER, width }) +
      renderOutcome(outcomeOf(course, 0, GOALS, []), { ...PAPER, width });
    for (const line of text.split('\n')) expect(line.length, line).toBeLessThanOrEqual(width);
  }
});

test('what was not seen is said last and has no place on the scale', () => {
  const rows = renderTimeline(newCourse('eu-west', 1000), PAPER).trim().split('\n');
  expect(rows.length).toBe(10);
  expect(rows[1]).toContain('kill -9 of eu-west');
  for (const row of rows.slice(2)) expect(row).toMatch(/not seen {2} +[^●·]+$/);
  expect(rows.join()).toContain('takeover by another region');
});

test('the figures stand against their goals, and every failure is a sentence', () => {
  const good = renderOutcome(outcomeOf(course, 0, GOALS, []), { ...PAPER, width: 120 });
  expect(good).toMatch(/detection +6\.1 s +goal 30 s: met +kill to decision, at most 7\.5 s after the last good look/);
  expect(good).toMatch(/takeover +6 s/);
  expect(good).toMatch(/convergence +3\.9 s +goal 60 s: met/);
  expect(good).toMatch(/false drains +0/);
  expect(good).toContain('Goals met');
  const bad = renderOutcome(outcomeOf({ ...course, settledAtMs: null }, 1, GOALS, ['users did not leave within 90 s']), PAPER);
  expect(bad).toMatch(/convergence +not measured +goal 60 s: unknown/);
  expect(bad).toContain('   failed: users did not leave within 90 s\n');
  expect(bad).toContain('   failed: 1 pool drained whose app was alive, expected none\n');
  expect(bad).not.toContain('Goals met');
});

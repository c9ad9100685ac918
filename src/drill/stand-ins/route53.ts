// A stand-in for Amazon Route 53 (REST and XML, 2013-04-01) and for a cluster of ARC's routing controls (JSON 1.0, five regional endpoints on paths of their own).
// It checks signatures, knows the rules of route53-rules.ts, carries out a batch in one step, and pages in Route 53's order.
import fastify, { type FastifyReply, type FastifyRequest } from 'fastify';
import type { Ports } from '../../ports.ts';
import { judge, type StandInChange, type StandInSet, servedBy } from './route53-rules.ts';
import { type AccessKey, signatureTrouble } from './sigv4.ts';
import type { StandIn, StandInCall, StandInOptions } from './stand-in.ts';
import { jsonOf, type Model, parseXml, xmlOf } from './xml.ts';

export interface Check {
  Type: string;
  Inverted?: boolean;
  Disabled?: boolean;
  HealthThreshold?: number;
  RoutingControlArn?: string;
}

export interface Route53Options extends StandInOptions {
  ports: Pick<Ports, 'clock' | 'timers' | 'random'>;
  key: AccessKey;
  zones: readonly { id: string; name: string; sets?: readonly StandInSet[] }[];
  healthChecks?: Readonly<Record<string, Check>>;
  /** State by ARN. */
  routingControls?: Readonly<Record<string, 'On' | 'Off'>>;
  /** Comment of a record set protection by `name. TYPE`. */
  protections?: Readonly<Record<string, string>>;
  /** A zone takes its next change this long after the last one. */
  busyMs?: number;
  /** At least one control of the panel must be On: ARC's most usual safety rule. */
  safetyRule?: boolean;
}

export interface Route53StandIn extends StandIn {
  endpoints: readonly { region: string; url: string }[];
  /** Everything there is, in an order of its own. */
  snapshot(): string;
  /** A change made by hand, past all rules. */
  put(zoneId: string, set: StandInSet): void;
  setCheck(id: string, check: Partial<Check>): void;
  setControl(arn: string, state: 'On' | 'Off'): void;
  /** The next `times` requests of Route 53 are refused so. */
  failNext(error: { status: number; code: string; message: string }, times?: number): void;
  /** Requests to this region's endpoint are taken and never answered. */
  cut(region: string): void;
}

const NAMESPACE = 'https://route53.amazonaws.com/doc/2013-04-01/';
const ARC_REGIONS = ['us-east-1', 'us-west-2', 'eu-west-1', 'ap-northeast-1', 'ap-southeast-2'];
/** Types that lead users somewhere. */
const ANSWERING = new Set(['A', 'AAAA', 'CNAME']);
const PAGE = 300;
const CHECKS_PAGE = 100;

const MODEL: Model = {
  lists: {
    Changes: 'Change',
    ResourceRecords: 'ResourceRecord',
    ResourceRecordSets: 'ResourceRecordSet',
    HealthChecks: 'HealthCheck',
    ChildHealthChecks: 'ChildHealthCheck',
    ResetElements: 'ResettableElementName',
  },
  numbers: new Set(['TTL', 'Weight', 'HealthCheckVersion', 'HealthThreshold', 'FailureThreshold', 'Port']),
  booleans: new Set(['EvaluateTargetHealth', 'Inverted', 'Disabled', 'MultiValueAnswer', 'EnableSNI']),
};

class Refusal extends Error {
  readonly status: number;
  readonly code: string;
  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

interface Zone {
  name: string;
  sets: readonly StandInSet[];
  freeAtMs: number;
}

export const startRoute53 = async (options: Route53Options): Promise<Route53StandIn> => {
  const { ports, key, latencyMs = 0, visibleAfterMs = 0, busyMs = 0 } = options;
  const zones = new Map<string, Zone>(options.zones.map(({ id, name, sets = [] }) => [id, { name, sets, freeAtMs: 0 }]));
  const checks = new Map(Object.entries(options.healthChecks ?? {}).map(([id, config]) => [id, { version: 1, config }]));
  const controls = new Map(Object.entries(options.routingControls ?? {}));
  const protections = new Map(Object.entries(options.protections ?? {}));
  const settlesAtMs = new Map<string, number>();
  const calls: StandInCall[] = [];
  const failing: Refusal[] = [];
  const cutRegions = new Set<string>();

  const isHealthy = ({ HealthCheckId }: StandInSet): boolean => {
    const check = HealthCheckId === undefined ? undefined : checks.get(HealthCheckId)?.config;
    if (check === undefined) return true;
    const isOn = check.RoutingControlArn === undefined || controls.get(check.RoutingControlArn) === 'On';
    return isOn !== (check.Inverted === true);
  };
  /** Tells who is served what, of all names whose sets the change may have touched. */
  const tell = (names: ReadonlySet<string>): void => {
    const telling = [...zones.values()].flatMap(({ sets }) =>
      [...names]
        .filter((name) => sets.some(({ Name }) => Name === name))
        .map((name) => ({ name: name.replace(/\.$/, ''), weights: servedBy(name, sets, isHealthy) })),
    );
    const say = (): void => {
      for (const served of telling) options.onServed?.(served);
    };
    if (visibleAfterMs === 0) say();
    else ports.timers.after(visibleAfterMs, say, { background: true });
  };
  const namesWith = (found: (set: StandInSet) => boolean): ReadonlySet<string> =>
    new Set([...zones.values()].flatMap(({ sets }) => sets.filter(found).map(({ Name }) => Name)));

  // ---- Route 53 ----

  const zoneOf = (id: string): Zone => {
    const zone = zones.get(id);
    if (zone === undefined) throw new Refusal(404, 'NoSuchHostedZone', `No hosted zone found with ID: ${id}`);
    return zone;
  };

  const changeSets = (id: string, body: unknown): unknown => {
    const zone = zoneOf(id);
    if (ports.clock.monoMs() < zone.freeAtMs)
      throw new Refusal(400, 'PriorRequestNotComplete', 'The request was rejected because Route 53 was still processing a prior request.');
    const changes = (body as { ChangeBatch?: { Changes?: readonly StandInChange[] } } | null)?.ChangeBatch?.Changes ?? [];
    if (changes.length === 0)
      throw new Refusal(400, 'MalformedInput', 'ChangeBatch is not valid, expected ChangeResourceRecordSetsRequest');
    const { refusals, sets } = judge(zone.name, zone.sets, changes, protections);
    if (refusals.length > 0) throw new Refusal(400, 'InvalidChangeBatch', `[${refusals.join(', ')}]`);
    zone.sets = sets;
    zone.freeAtMs = ports.clock.monoMs() + busyMs;
    const answering = changes.filter(({ ResourceRecordSet: { Type } }) => ANSWERING.has(Type));
    tell(new Set(answering.map(({ ResourceRecordSet: { Name } }) => `${Name.toLowerCase().replace(/\.$/, '')}.`)));
    const change = `C${ports.random.hex(8).toUpperCase()}`;
    settlesAtMs.set(change, ports.clock.monoMs() + visibleAfterMs);
    return { ChangeInfo: { Id: `/change/${change}`, Status: 'PENDING', SubmittedAt: '2026-11-26T00:00:00Z' } };
  };

  const getChange = (id: string): unknown => {
    const atMs = settlesAtMs.get(id);
    if (atMs === undefined) throw new Refusal(404, 'NoSuchChange', `A change with the ID ${id} does not exist.`);
    return {
      ChangeInfo: { Id: `/change/${id}`, Status: ports.clock.monoMs() < atMs ? 'PENDING' : 'INSYNC', SubmittedAt: '2026-11-26T00:00:00Z' },
    };
  };

  const listSets = (id: string, query: URLSearchParams): unknown => {
    const placed = zoneOf(id).sets.map((set) => ({ set, place: placeOf(set) }));
    const name = query.get('name');
    if (name === null && query.has('type')) throw new Refusal(400, 'InvalidInput', 'type needs a name');
    const from = name === null ? '' : placeOf({ Name: name, Type: query.get('type') ?? '', SetIdentifier: query.get('identifier') ?? '' });
    const rest = placed
      .filter(({ place }) => place >= from)
      .toSorted((a, b) => (a.place < b.place ? -1 : 1))
      .map(({ set }) => set);
    const size = Math.min(PAGE, Number(query.get('maxitems') ?? PAGE));
    const next = rest[size];
    return {
      ResourceRecordSets: rest.slice(0, size),
      IsTruncated: next !== undefined,
      MaxItems: size,
      NextRecordName: next?.Name,
      NextRecordType: next?.Type,
      NextRecordIdentifier: next?.SetIdentifier,
    };
  };

  const checkShown = (id: string, { version, config }: { version: number; config: Check }): unknown => ({
    Id: id,
    CallerReference: id,
    HealthCheckConfig: config,
    HealthCheckVersion: version,
  });

  const listChecks = (query: URLSearchParams): unknown => {
    const all = [...checks].toSorted(([a], [b]) => (a < b ? -1 : 1));
    const rest = all.filter(([id]) => id >= (query.get('marker') ?? ''));
    const size = Math.min(CHECKS_PAGE, Number(query.get('maxitems') ?? CHECKS_PAGE));
    return {
      HealthChecks: rest.slice(0, size).map(([id, check]) => checkShown(id, check)),
      Marker: query.get('marker') ?? '',
      IsTruncated: rest.length > size,
      NextMarker: rest[size]?.[0],
      MaxItems: size,
    };
  };

  const updateCheck = (id: string, body: unknown): unknown => {
    const check = checks.get(id);
    if (check === undefined) throw new Refusal(404, 'NoSuchHealthCheck', `No health check exists with the specified ID: ${id}`);
    const { HealthCheckVersion, ...fields } = body as { HealthCheckVersion?: number } & Partial<Check>;
    if (HealthCheckVersion !== undefined && HealthCheckVersion !== check.version)
      throw new Refusal(409, 'HealthCheckVersionMismatch', `The health check version ${HealthCheckVersion} is not the current one.`);
    const changed = { version: check.version + 1, config: { ...check.config, ...fields } };
    checks.set(id, changed);
    tell(namesWith(({ HealthCheckId }) => HealthCheckId === id));
    return { HealthCheck: checkShown(id, changed) };
  };

  const answer = (method: string, path: string, query: URLSearchParams, body: unknown): { root: string; value: unknown } => {
    const [, what = '', id = '', part = ''] = path.replace(/^\/2013-04-01/, '').split('/');
    if (what === 'hostedzone' && part === 'rrset' && method === 'POST')
      return { root: 'ChangeResourceRecordSetsResponse', value: changeSets(id, body) };
    if (what === 'hostedzone' && part === 'rrset' && method === 'GET')
      return { root: 'ListResourceRecordSetsResponse', value: listSets(id, query) };
    if (what === 'change' && method === 'GET') return { root: 'GetChangeResponse', value: getChange(id) };
    if (what === 'healthcheck' && id === '' && method === 'GET') return { root: 'ListHealthChecksResponse', value: listChecks(query) };
    if (what === 'healthcheck' && method === 'POST') return { root: 'UpdateHealthCheckResponse', value: updateCheck(id, body) };
    throw new Refusal(400, 'InvalidAction', `the stand-in does not know ${method} ${path}`);
  };

  const handleRoute53 = async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    const { pathname, searchParams } = new URL(request.url, 'http://stand-in');
    const text = typeof request.body === 'string' ? request.body : '';
    const parsed = text === '' ? null : parseXml(text);
    const body = parsed === null ? null : jsonOf(parsed, MODEL);
    let [status, xml] = [200, ''];
    try {
      const planned = failing.shift();
      if (planned !== undefined) throw planned;
      const trouble = signatureTrouble({ method: request.method, url: request.url, headers: request.headers, body: text }, key);
      if (trouble !== null) throw new Refusal(403, trouble, 'The security token included in the request is invalid.');
      const { root, value } = answer(request.method, pathname, searchParams, body);
      xml = xmlOf(root, value, MODEL).replace(`<${root}>`, `<${root} xmlns="${NAMESPACE}">`);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      status = error.status;
      const fields = { Error: { Type: 'Sender', Code: error.code, Message: error.message }, RequestId: ports.random.hex(16) };
      xml = xmlOf('ErrorResponse', fields, MODEL).replace('<ErrorResponse>', `<ErrorResponse xmlns="${NAMESPACE}">`);
    }
    calls.push({ method: request.method, path: request.url, body, status });
    if (latencyMs > 0) await new Promise<void>((resolve) => ports.timers.after(latencyMs, resolve));
    return reply
      .code(status)
      .headers({ 'content-type': 'text/xml', 'x-amzn-requestid': ports.random.hex(16) })
      .send(`<?xml version="1.0"?>\n${xml}`);
  };

  // ---- ARC ----

  const panelOf = (arn: string): string => arn.replace(/\/routingcontrol\/.*$/, '');

  const arc = (target: string, body: Record<string, unknown>): unknown => {
    if (target === 'ListRoutingControls') {
      const mine = [...controls].filter(([arn]) => panelOf(arn) === body.ControlPanelArn);
      const from = Number(body.NextToken ?? 0);
      const size = Number(body.MaxResults ?? 100);
      const page = mine.slice(from, from + size).map(([RoutingControlArn, RoutingControlState]) => ({
        ControlPanelArn: panelOf(RoutingControlArn),
        RoutingControlArn,
        RoutingControlState,
      }));
      return { RoutingControls: page, ...(from + size < mine.length ? { NextToken: String(from + size) } : {}) };
    }
    if (target !== 'UpdateRoutingControlStates') throw new Refusal(400, 'ValidationException', `the stand-in does not know ${target}`);
    const entries = body.UpdateRoutingControlStateEntries as readonly { RoutingControlArn: string; RoutingControlState: 'On' | 'Off' }[];
    if (entries.length > 10)
      throw new Refusal(
        402,
        'ServiceLimitExceededException',
        "The request can't update that many routing control states at the same time.",
      );
    const unknown = entries.find(({ RoutingControlArn }) => !controls.has(RoutingControlArn));
    if (unknown !== undefined) throw new Refusal(404, 'ResourceNotFoundException', `no routing control ${unknown.RoutingControlArn}`);
    const next = new Map([...controls, ...entries.map((entry) => [entry.RoutingControlArn, entry.RoutingControlState] as const)]);
    const panels = new Set(entries.map(({ RoutingControlArn }) => panelOf(RoutingControlArn)));
    const isAllOff = (panel: string): boolean => [...next].filter(([arn]) => panelOf(arn) === panel).every(([, state]) => state === 'Off');
    if (options.safetyRule === true && [...panels].some(isAllOff))
      throw new Refusal(409, 'ConflictException', 'The requested states conflict with a safety rule.');
    for (const [arn, state] of next) controls.set(arn, state);
    tell(
      namesWith(({ HealthCheckId }) =>
        entries.some((e) => e.RoutingControlArn === checks.get(HealthCheckId ?? '')?.config.RoutingControlArn),
      ),
    );
    return {};
  };

  const handleArc = async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    const region = (request.params as { region: string }).region;
    if (cutRegions.has(region)) {
      reply.hijack();
      return reply;
    }
    const text = typeof request.body === 'string' ? request.body : '';
    const body = JSON.parse(text) as Record<string, unknown>;
    const target =
      String(request.headers['x-amz-target'] ?? '')
        .split('.')
        .at(-1) ?? '';
    let [status, answered]: [number, unknown] = [200, {}];
    try {
      const trouble = signatureTrouble({ method: request.method, url: request.url, headers: request.headers, body: text }, key);
      if (trouble !== null) throw new Refusal(403, 'AccessDeniedException', 'The security token included in the request is invalid.');
      answered = arc(target, body);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      status = error.status;
      answered = { __type: error.code, message: error.message, resourceId: '-', resourceType: '-', limitCode: '-', serviceCode: '-' };
    }
    calls.push({ method: request.method, path: `${request.url}#${target}`, body, status });
    if (latencyMs > 0) await new Promise<void>((resolve) => ports.timers.after(latencyMs, resolve));
    return reply
      .code(status)
      .headers({ 'content-type': 'application/x-amz-json-1.0', 'x-amzn-requestid': ports.random.hex(16) })
      .send(JSON.stringify(answered));
  };

  const server = fastify({ logger: false, forceCloseConnections: true });
  server.removeAllContentTypeParsers();
  server.addContentTypeParser('*', { parseAs: 'string' }, (_request, body, done) => done(null, body));
  server.all('/arc/:region/', handleArc);
  server.all('/2013-04-01/*', handleRoute53);
  const url = await server.listen({ host: '127.0.0.1', port: 0 });
  return {
    url,
    endpoints: ARC_REGIONS.map((region) => ({ region, url: `${url}/arc/${region}` })),
    calls: () => calls,
    snapshot: () =>
      JSON.stringify(
        {
          zones: [...zones].map(([id, { sets }]) => [id, sets.toSorted((a, b) => (placeOf(a) < placeOf(b) ? -1 : 1))]),
          checks: [...checks],
          controls: [...controls],
        },
        null,
        1,
      ),
    put(zoneId, set) {
      const zone = zoneOf(zoneId);
      zone.sets = [...zone.sets.filter((each) => placeOf(each) !== placeOf(set)), set];
    },
    setCheck(id, check) {
      const old = checks.get(id);
      checks.set(id, { version: (old?.version ?? 0) + 1, config: { Type: 'CALCULATED', ...old?.config, ...check } });
    },
    setControl: (arn, state) => void controls.set(arn, state),
    failNext({ status, code, message }, times = 1) {
      for (let n = 0; n < times; n++) failing.push(new Refusal(status, code, message));
    },
    cut: (region) => void cutRegions.add(region),
    close: () => server.close(),
  };
};

/** Labels reversed, with the dots, as Route 53 sorts; then type and identifier. */
const placeOf = ({ Name, Type, SetIdentifier = '' }: Pick<StandInSet, 'Name' | 'Type' | 'SetIdentifier'>): string => {
  const name = Name.toLowerCase()
    .replace(/\.$/, '')
    .replace(/\\([0-7]{3})/g, (_all, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
  return `${name.split('.').toReversed().join('.')}.\u0000${Type}\u0000${SetIdentifier}`;
};

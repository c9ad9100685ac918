// The ways out: credentials, quotas, times to live, what was last proven, and the pages that nobody has been told of. Pure.
import { list, plural, say } from '../../config/words.ts';
import { pathsOf } from '../../model.ts';
import { isDead, isSettled } from '../../paging/retention.ts';
import { deafRoute, WAYS_MIN, waysOf } from '../../paging/ways.ts';
import { type Finding, fail, NotLooked, type Row, row, warn } from '../check.ts';
import type { World } from '../tools.ts';

const DAY_MS = 86_400_000;
/** A path that neither a write nor a canary has proven for so long may have died unseen. */
const PROVEN_MS = 30 * DAY_MS;
/** Where the cluster has no limit of its own: as `drill-fresh` has it. */
const DRILL_DAYS = 90;
const DRILL_SOON_MS = 7 * DAY_MS;
const PAGE_MS = 300_000;

const days = (ms: number): string => plural(Math.floor(ms / DAY_MS), 'day');

/** Each path of each service that is written: what was acknowledged last. */
const pathFindings = (world: World, canaries: readonly string[], nowMs: number): readonly Finding[] =>
  world.cluster.services
    .filter(({ mode }) => mode === 'auto')
    .flatMap((service) =>
      pathsOf(service).flatMap((provider): Finding[] => {
        const where = `${service.name} at ${provider}`;
        const applied = world.applied.get(`${provider}/${service.name}`);
        if (applied === undefined)
          return [warn(`${where}: nothing was ever written`, 'run a drill, or configure a canary for that provider')];
        const told = applied.because === '' ? '' : ` (${applied.because})`;
        if (applied.outcome === 'frozen') return [fail(`${where}: frozen${told}`, 'look with tidegate plan, then run tidegate adopt')];
        if (applied.outcome === 'manual') return [warn(`${where}: written by hand${told}`, 'when it is over, run tidegate ack')];
        if (applied.outcome === 'failing')
          return [fail(`${where}: writes fail${told}`, 'end the cause that it names; tidegate plan tries to read it')];
        if (applied.outcome === 'drift')
          return [
            warn(
              `${where}: somebody changed what is served${told}`,
              'find out who else writes there; tidegate own lists what must be left alone',
            ),
          ];
        const ageMs = nowMs - applied.atMs;
        return ageMs <= PROVEN_MS || canaries.includes(provider)
          ? []
          : [warn(`${where}: last proven ${days(ageMs)} ago, by a write`, 'configure a canary for that provider, or run a drill')];
      }),
    );

/** How long it counts that traffic moved. */
const freshMsOf = ({ policy }: World['cluster']): number => {
  const days = policy.safety['drill-fresh']?.maxAgeDays;
  return (typeof days === 'number' ? days : DRILL_DAYS) * DAY_MS;
};

/** The world, where it was read from the store. */
const told = (world: World, what: string): World => {
  if (world.from === 'replica') throw new NotLooked(`the store is read by its replica alone, which does not tell ${what}: see \`replica\``);
  return world;
};

const SHOWN_MAX = 5;

const lateFindings = (pages: World['pages'], nowMs: number): readonly Finding[] =>
  pages
    .map((page) => ({ page, waitsMs: nowMs - Math.max(page.atMs, page.notBeforeMs ?? 0) }))
    .filter(({ page, waitsMs }) => !isSettled(page) && waitsMs > PAGE_MS)
    .slice(0, SHOWN_MAX)
    .map(({ page: { summary }, waitsMs }) =>
      fail(`for ${say(waitsMs)}: ${summary}`, 'see which channel fails in the log of the coordinator (page.failed)'),
    );

const deadFindings = (pages: World['pages']): readonly Finding[] =>
  pages
    .filter(isDead)
    .slice(-SHOWN_MAX)
    .map(({ id, dead = {} }) => {
      const why = Object.entries(dead).map(([name, { because }]) => `${name} (${because})`);
      return warn(`${id} never reached ${list(why)}`, `mend the channel, then tidegate pages replay ${id} --reason WHY`);
    });

export const wayChecks: readonly Row[] = [
  row({
    id: 'credentials',
    question: 'Do the credentials of each provider open what they must?',
    todo: 'tidegate plan -c FILE names the service and the reason',
    look: (tools) => tools.providers(),
    judge: (looks) =>
      looks.flatMap(({ provider, unread, services }) =>
        unread.length === 0
          ? []
          : [
              fail(
                `${provider}: ${unread.length} of ${plural(services, 'service')} not read: ${list(unread.slice(0, 3).map(({ service, because }) => `${service}: ${because}`))}`,
                "give its credentials the permissions of the provider's manual, and see that its objects exist",
              ),
            ],
      ),
    ok: (looks) => list(looks.map(({ provider, services }) => `${provider}: ${plural(services, 'service')} read`)),
  }),
  row({
    id: 'quotas',
    question: 'Does a provider tell us to slow down?',
    todo: "see the provider's console for its rate limit",
    look: (tools) => tools.providers(),
    judge: (looks) =>
      looks.flatMap(({ provider, busyMs }) =>
        busyMs === null
          ? []
          : [
              fail(
                `${provider} tells to wait ${say(busyMs)}: its quota is used up`,
                'find out who else uses these credentials, and give Tidegate its own',
              ),
            ],
      ),
    ok: (looks) => `${list(looks.map(({ provider }) => provider))}: no limit was met; vendors do not tell what is left`,
  }),
  row({
    id: 'ttls',
    question: 'Do the authoritative servers serve the configured times to live?',
    todo: 'dig the name at each server of converge.authoritative',
    look: (tools) => tools.served(),
    judge: (served) =>
      served.flatMap(({ service, server, ttlS, wantedS, because }): Finding[] => {
        if (because !== null)
          return [
            warn(
              `${service} at ${server}: ${because}`,
              'see that the name is served there, and that converge.authoritative names the right servers',
            ),
          ];
        if (ttlS === null || ttlS === wantedS) return [];
        const says = `${service} at ${server}: ${ttlS} s, configured ${wantedS} s`;
        return ttlS > wantedS
          ? [
              fail(
                `${says}: users follow later than was promised`,
                'find out who else writes that record; the next write of Tidegate sets it',
              ),
            ]
          : [warn(says, 'find out who else writes that record')];
      }),
    ok: (served) => `as configured in ${plural(served.length, 'answer')}`,
  }),
  row({
    id: 'paths',
    question: 'When was each way to the users last proven?',
    todo: 'tidegate plan -c FILE',
    look: async (tools) => ({ world: await tools.world(), canaries: tools.config.canaries?.map(({ provider }) => provider) ?? [] }),
    judge: ({ world, canaries }, { nowMs }) => pathFindings(world, canaries, nowMs),
    ok: ({ world, canaries }) =>
      `${plural(world.applied.size, 'path')} acknowledged${canaries.length === 0 ? '' : `; canaries prove ${list(canaries)}`}`,
  }),
  row({
    id: 'drills',
    question: 'When did a drill or an outage last prove that traffic moves?',
    todo: 'order a drill',
    look: async (tools) => told(await tools.world(), 'when traffic was proved to move'),
    judge: ({ cluster, routing }, { nowMs }) =>
      cluster.services
        .filter(({ mode }) => mode === 'auto')
        .flatMap(({ name }): Finding[] => {
          const provenAtMs = routing?.services[name]?.provenAtMs;
          const todo = 'drain one region of it as a drill in a quiet hour';
          if (provenAtMs === undefined) return [warn(`${name}: never`, todo)];
          const ageMs = nowMs - provenAtMs;
          const leftMs = freshMsOf(cluster) - ageMs;
          if (leftMs >= DRILL_SOON_MS) return [];
          return [warn(`${name}: ${days(ageMs)} ago${leftMs < 0 ? '' : `; stale in ${days(leftMs)}`}`, todo)];
        }),
    ok: ({ cluster }) =>
      `within ${days(freshMsOf(cluster) - DRILL_SOON_MS)} for every service in auto (${cluster.services.filter(({ mode }) => mode === 'auto').length})`,
  }),
  row({
    id: 'pages',
    question: 'Are there pages that nobody was told of?',
    todo: 'tidegate pages',
    look: async (tools) => told(await tools.world(), 'its pages'),
    judge: ({ pages }, { nowMs }) => [...lateFindings(pages, nowMs), ...deadFindings(pages)],
    ok: ({ pages }) => `${plural(pages.length, 'page')} in the outbox; none of them waits, and none is a dead letter`,
  }),
  row({
    id: 'paging-ways',
    question: 'Does somebody hear of it when one way out fails?',
    todo: 'see paging.channels',
    async look({ config: { paging } }) {
      if (paging.channels.length === 0) throw new NotLooked('no channel is configured: see `paging-sinks`');
      return { ways: waysOf(paging.channels), deaf: deafRoute(paging.routes) };
    },
    judge: ({ ways, deaf }) => [
      ...(ways.length >= WAYS_MIN
        ? []
        : [
            warn(
              `${list(ways[0] ?? [])}: one way out, and it is also one way to fail`,
              'add a channel of another kind, or at another host',
            ),
          ]),
      ...(deaf === -1
        ? []
        : [warn(`paging.routes.${deaf} tells critical pages to the log alone`, 'name a channel there that wakes somebody')]),
    ],
    ok: ({ ways }) => `${plural(ways.length, 'way')} out that fail apart: ${list(ways.flat())}`,
  }),
  row({
    id: 'paging-sinks',
    question: 'Can the paging channels be reached?',
    todo: 'see the network from here to the channel',
    async look(tools) {
      if (tools.config.paging.channels.length === 0) return [];
      return tools.sinks();
    },
    judge: (sinks) =>
      sinks.length === 0
        ? [warn('no channel but the log', 'configure paging.channels: a page that stands in a log wakes nobody')]
        : sinks.flatMap(({ name, because }) =>
            because === null
              ? []
              : [fail(`${name}: ${because}`, 'see that its address, name and certificate are right, and the way there')],
          ),
    ok: (sinks) => `${plural(sinks.length, 'channel')} can be connected to; no page was sent`,
  }),
  row({
    id: 'paging-test',
    question: 'Does a page arrive?',
    todo: 'see the receiver for why it refuses',
    look: (tools) => tools.sendTest(),
    judge: (sinks) =>
      sinks.flatMap(({ name, because }) =>
        because === null ? [] : [fail(`${name}: ${because}`, 'see the secret that is shared with the receiver, and its log')],
      ),
    ok: (sinks) => `${plural(sinks.length, 'channel')} accepted a test page: see that a human got it`,
  }),
  row({
    id: 'overrides',
    question: 'Is an order forgotten, or about to end?',
    todo: 'GET /v1/overrides',
    look: (tools) => tools.world(),
    judge: ({ overrides }, { nowMs }) => (overrides?.items ?? []).flatMap((order) => orderFindings(order, nowMs)),
    ok: ({ overrides }) => `${plural(overrides?.items.length ?? 0, 'order')}`,
  }),
];

type Order = NonNullable<World['overrides']>['items'][number];
const ENDS_SOON_MS = 30 * 60_000;
const UNAGREED_MS = 15 * 60_000;
/** Longer than a shift: whoever ordered it has gone home. */
const LONG_MS = 12 * 3_600_000;
const STOPPED_MS = 3_600_000;

const hours = (ms: number): string => (ms < 2 * 3_600_000 ? `${Math.round(ms / 60_000)} min` : `${Math.round(ms / 3_600_000)} h`);

const orderFindings = ({ id, kind, owner, reason, createdAtMs, startsAtMs, expiresAtMs, approval }: Order, nowMs: number): Finding[] => {
  const name = `${kind} ${id} of ${owner} (${reason})`;
  const sinceMs = nowMs - Math.max(createdAtMs, startsAtMs ?? 0);
  const leftMs = expiresAtMs - nowMs;
  if (leftMs <= 0)
    return [warn(`${name} is over and was not ended`, 'a coordinator ends it with its next decision: see that there is one')];
  if (approval?.by === null)
    return nowMs - createdAtMs > UNAGREED_MS
      ? [warn(`${name} waits for a second person for ${hours(nowMs - createdAtMs)}`, 'approve it or delete it')]
      : [];
  if (sinceMs < 0) return [];
  if (kind === 'stop' && sinceMs > STOPPED_MS)
    return [
      fail(
        `${name}: no provider is written for ${hours(sinceMs)}`,
        'delete it as soon as its reason is gone: nothing fails over meanwhile',
      ),
    ];
  if (sinceMs > LONG_MS)
    return [
      warn(
        `${name} is in force for ${hours(sinceMs)}, ${hours(leftMs)} left`,
        'is it still wanted? Delete it, or order it anew with a fresh reason',
      ),
    ];
  return leftMs < ENDS_SOON_MS
    ? [warn(`${name} ends in ${hours(leftMs)}`, 'order it anew if it is still wanted: what it held is planned afresh when it ends')]
    : [];
};

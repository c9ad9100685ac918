// Drills whose fault only an operator can inject: a table of what each hook has to do, what must be seen of it, within what time, and what it accounts for.
// That nothing else happens, and that all is as it was afterwards, is asked of each alike. Judges what endpoints answer and nothing else. Pure.
import type { HealthCheck, HealthDetail, PageItem, StatusDocument } from '../client/types.ts';
import { SPANS } from '../config/defaults.ts';
import { list, say } from '../config/words.ts';
import { LOG_CHANNEL } from '../paging/routing.ts';
import { badPaths, calmGuards, type Guard, guard, isOpen, poolsNotUp, silent, watchedGuard } from './calm.ts';
import { type Expected, measuredOf, type Scorecard } from './scorecard.ts';

/** What one endpoint says by itself; null: it does not answer. */
export interface Look {
  endpoint: string;
  status: StatusDocument | null;
  health: HealthDetail | null;
}

/** `pages`: those of cluster time since the fault was injected, as far as they were asked for. */
export interface Sight {
  looks: readonly Look[];
  pages: readonly PageItem[];
}

/** `subject`: the region, provider or channel; empty: there is none. `before`: as it stood when it was planned, with the pages there were. */
export interface Case {
  subject: string;
  before: Sight;
}

/** `atMs`: cluster time, where that is known better than by when it was looked at. */
export interface Seen {
  because: string;
  atMs?: number;
}

export interface Expectation {
  name: string;
  /** As a sentence of the plan: what must be seen. */
  what: string;
  withinMs: number;
  /** Where that figure is from. */
  from: string;
  /** `state`: holds while the fault does, and is over when it is. `page`: is told once. `later`: is told once the fault is over, which has to stand for so long. */
  kind: 'state' | 'page' | 'later';
  /** Why nobody can ask for it here; null, or absent: somebody can. */
  moot?(of: Case): string | null;
  seen(sight: Sight, of: Case): Seen | null;
}

export type SubjectKind = 'region' | 'provider' | 'channel';

export interface FaultDrill {
  name: string;
  does: string;
  needs: string;
  subject: SubjectKind | null;
  /** What its hook does. */
  hook: string;
  /** What its fault accounts for, and nothing ends it for. */
  accountsFor: 'its-region' | 'its-provider' | 'its-channel' | 'all-votes';
  guards(of: Case): readonly Guard[];
  expects: readonly Expectation[];
}

// ---- reading ----

const checksOf = ({ health }: Look, name: string): readonly HealthCheck[] => health?.checks[name] ?? [];

const SPEAKING = 'vote:regionsSpeaking';

/** Regions whose vantage does not speak, as this endpoint sees it. */
export const mute = (look: Look): readonly string[] =>
  checksOf(look, SPEAKING).flatMap(({ output = '' }) => /; not (.+)$/.exec(output)?.[1]?.split(', ') ?? []);

/** `2 of 3 vantages speak, one more failure and it only advises`. */
const margin = (look: Look): string | null => {
  const [, speaks, of] = /^(\d+) of (\d+) vantages speak/.exec(checksOf(look, SPEAKING)[0]?.output ?? '') ?? [];
  if (speaks === undefined || of === undefined) return null;
  const spare = Number(speaks) - (Math.floor(Number(of) / 2) + 1);
  return `${speaks} of ${of} vantages speak, ${spare <= 0 ? 'one failure from advise-only' : `${spare + 1} failures from advise-only`}`;
};

const regionOf = ({ status }: Look): string | null => status?.self.region ?? null;
const isOf =
  (subject: string) =>
  (look: Look): boolean =>
    regionOf(look) === subject;

/** Endpoints that stand outside of the region; which one is whose is known from before, since one that is cut off does not say. */
const outside = ({ looks }: Sight, { subject, before }: Case): readonly Look[] => {
  const theirs = before.looks.filter(isOf(subject)).map(({ endpoint }) => endpoint);
  return looks.filter(({ endpoint, status }) => status !== null && !theirs.includes(endpoint));
};

const theirs = ({ looks }: Sight, { subject, before }: Case): readonly Look[] => {
  const its = before.looks.filter(isOf(subject)).map(({ endpoint }) => endpoint);
  return looks.filter(({ endpoint }) => its.includes(endpoint));
};

const noEndpointOf = (of: Case): string | null => (theirs(of.before, of).length > 0 ? null : `no endpoint of ${of.subject} is asked`);

/** The store, as this replica has it, takes or answers nothing. Out: the reason. */
const storeFails = (look: Look): string | null =>
  ['store:answeredAgo', 'store:beatAge'].flatMap((name) => checksOf(look, name)).find(({ status }) => status === 'fail')?.output ?? null;

/** As etcd says it, and what stands for it in an advice. */
const FULL = /space exceeded|NOSPACE|quota/i;

const failsAt = ({ looks }: Sight, provider: string): string | null => {
  for (const { status } of looks) {
    const its = status?.providers?.find(({ name }) => name === provider);
    if (its?.failing === true) return `${provider} takes no writes`;
    if (its?.canary?.ok === false) return `its canary fails: ${its.canary.because}`;
    const drill = status?.microDrills?.find((each) => each.provider === provider);
    if (drill?.last.ok === false) return `its micro-drill fails: ${drill.last.because}`;
  }
  return null;
};

/** Services that have this provider and another one. */
const twoWays = ({ before, subject }: Case): readonly string[] => {
  const status = before.looks.find((look) => look.status !== null)?.status;
  return (status?.services ?? [])
    .filter(({ mode, paths }) => mode === 'auto' && paths.length > 1 && paths.some(({ provider }) => provider === subject))
    .map(({ name }) => name);
};

const onAnother = ({ looks }: Sight, of: Case): Seen | null => {
  const names = twoWays(of);
  const through = looks.flatMap(({ status }) => status?.services ?? []).filter(({ name }) => names.includes(name));
  const told = through.flatMap(({ through: way }) => (way === undefined ? [] : [way]));
  const isElsewhere = told.length >= names.length && told.every(({ order }) => order[0] !== of.subject);
  return isElsewhere ? { because: `${list(names, 3)} by ${told[0]?.order[0]}` } : null;
};

const pageThat = ({ pages }: Sight, fits: (page: PageItem) => boolean): Seen | null => {
  const found = pages.filter(fits).toSorted((a, b) => a.atMs - b.atMs)[0];
  return found === undefined ? null : { because: `${found.id}: ${found.headline}`, atMs: found.atMs };
};

const channelChecks = ({ looks }: Sight): readonly HealthCheck[] => looks.flatMap((look) => checksOf(look, 'paging:channel'));

/** Somebody reads it at 03:12: the log, which every replica has, takes everything and wakes nobody. */
const isOther =
  (channel: string) =>
  (name: string): boolean =>
    name !== channel && name !== LOG_CHANNEL;

/** Pages that ask for somebody and that no other channel has taken. */
const onlyBy = ({ pages }: Sight, channel: string): readonly PageItem[] =>
  pages.filter(({ severity, action, delivered }) => severity !== 'info' && action === 'trigger' && !delivered.some(isOther(channel)));

const mentions = (text: string, word: string): boolean => text.split(/[\s,:;()]+/).includes(word);

// ---- the table ----

/** Every second, and it waits so long for an endpoint that does not answer. */
const LOOK_MS = 1_000 + 2_000;
const SILENT = {
  withinMs: SPANS.fresh.defaultMs + SPANS.beat.defaultMs + LOOK_MS,
  from: `policy.fresh ${say(SPANS.fresh.defaultMs)} and policy.beat ${say(SPANS.beat.defaultMs)} by default, and 3 s for a look at endpoints of which one does not answer`,
};
/** After a flight at the latest of its jitter a second one has to fail. */
const CANARY = {
  withinMs: 330_000 + 30_000 + 30_000,
  from: 'a canary flies every 5 min by default, and again 30 s after it failed; a write may take 30 s',
};
const CHANNEL = { withinMs: 5 * 60_000 + 15_000, from: 'a channel that takes nothing for 5 min is told of, at the next sweep' };
const DELIVERY = { withinMs: 30_000, from: 'a delivery has 15 s, and a sweep begins every 5 s' };
const STORE_LOST = { withinMs: 15_000, from: 'a region pages for itself after 10 s without the store' };

const unheard: Expectation = {
  name: 'silent',
  what: 'every other region says that it does not speak, and how far they are from advise-only',
  ...SILENT,
  kind: 'state',
  seen(sight, of) {
    const others = outside(sight, of);
    const isSaid = others.length > 0 && others.every((look) => mute(look).includes(of.subject));
    return isSaid ? { because: margin(others[0]!) ?? `${of.subject} does not speak` } : null;
  },
};

const ownStoreFails: Expectation = {
  name: 'felt',
  what: 'its own health detail fails: the store does not answer it',
  ...SILENT,
  kind: 'state',
  moot: noEndpointOf,
  seen(sight, of) {
    const said = theirs(sight, of).map(storeFails);
    return said.length > 0 && said.every((text) => text !== null) ? { because: said[0] ?? '' } : null;
  },
};

const regionsOf = ({ before }: Case): readonly string[] => [
  ...new Set(before.looks.flatMap(({ status }) => status?.votes.vantages.map(({ region }) => region) ?? [])),
];

const channelTold: Expectation = {
  name: 'told',
  what: 'a page paging.channel_failing or paging.dead_letter names it, taken by another channel than the log',
  ...CHANNEL,
  kind: 'page',
  seen: (sight, { subject }) =>
    pageThat(
      sight,
      ({ type, headline, delivered }) =>
        ['paging.channel_failing', 'paging.dead_letter'].includes(type) && mentions(headline, subject) && delivered.some(isOther(subject)),
    ),
};

/** Another endpoint than the region's own has to be asked. */
const askedOutside = (of: Case): Guard =>
  guard(
    'others are asked',
    outside(of.before, of).length > 0 ? [] : [`name an endpoint outside of ${of.subject}: --endpoint URL`],
    'an endpoint of another region answers',
  );

/** What a region took back rests before it says it again: a minute, and twice as long each time within an hour. */
const REST_MS = 60_000;
const REST_MAX_MS = 3_600_000;

/** A region that paged store.lost a moment ago would not page it now, and that would say nothing of the drill. */
const mayPage = ({ before }: Case, regions: readonly string[]): Guard => {
  const nowMs = Math.max(...before.looks.map(({ status }) => status?.clusterTimeMs ?? 0));
  const resting = regions.flatMap((region): readonly string[] => {
    const ends = before.pages
      .filter(({ type, headline, atMs }) => type === 'store.resolved' && headline.startsWith(`${region}/`) && nowMs - atMs < REST_MAX_MS)
      .map(({ atMs }) => atMs);
    const leftMs = Math.max(...ends) + Math.min(REST_MAX_MS, REST_MS * 2 ** (ends.length - 1)) - nowMs;
    return ends.length > 0 && leftMs > 0 ? [`${region} took store.lost back, and does not page it again for ${say(leftMs)}`] : [];
  });
  return guard('it may page', resting, 'no region rests from a page store.lost');
};

const isVoter = (of: Case): Guard =>
  guard('it votes', regionsOf(of).includes(of.subject) ? [] : [`${of.subject} has no vote that could go missing`], `${of.subject} speaks`);

export const FAULT_DRILLS: readonly FaultDrill[] = [
  {
    name: 'cut-witness',
    does: 'cuts a region that serves nothing off from all others; they must go on deciding, and say how little is left to lose',
    needs: 'a witness, three voters, and a hook that cuts its network and mends it',
    subject: 'region',
    hook: 'cuts it off from the store and from all other regions',
    accountsFor: 'its-region',
    guards: (of) => {
      const status = of.before.looks.find((look) => look.status !== null)?.status;
      const serves = (status?.services ?? []).filter(({ pools }) => pools.some(({ region }) => region === of.subject));
      return [
        askedOutside(of),
        isVoter(of),
        guard(
          'it serves nothing',
          serves.map(({ name }) => `${name} has a pool in ${of.subject}, whose traffic would leave`),
          `no service has a pool in ${of.subject}`,
        ),
      ];
    },
    expects: [unheard],
  },
  {
    name: 'revoke-credential',
    does: "revokes a provider's credential; that no failover would work must be told before one is needed, and a second way must be in use",
    needs: 'a canary or a micro-drill of the provider, and a hook that revokes its credential and gives it back',
    subject: 'provider',
    hook: 'revokes its credential in every region, or takes the right to write from it',
    accountsFor: 'its-provider',
    guards: (of) => {
      const shows = of.before.looks.some(
        ({ status }) =>
          status?.providers?.some(({ name, canary }) => name === of.subject && canary !== null) === true ||
          status?.microDrills?.some(({ provider }) => provider === of.subject) === true,
      );
      const why = `no canary of ${of.subject} is known to the endpoints asked: nothing shows it before a failover; name the one that coordinates too`;
      return [guard('it would show', shows ? [] : [why], `${of.subject} has a canary`)];
    },
    expects: [
      {
        name: 'felt',
        what: 'the provider or its canary fails in /v1/status',
        ...CANARY,
        kind: 'state',
        seen(sight, { subject }) {
          const because = failsAt(sight, subject);
          return because === null ? null : { because };
        },
      },
      {
        name: 'second way',
        what: 'services that have another path act through it',
        ...CANARY,
        kind: 'state',
        moot: (of) => (twoWays(of).length > 0 ? null : `no service has another path than ${of.subject}`),
        seen: onAnother,
      },
      {
        name: 'paged',
        what: 'a page provider.canary_failing or provider.failing names it',
        ...CANARY,
        kind: 'page',
        seen: (sight, { subject }) =>
          pageThat(
            sight,
            ({ type, headline }) => ['provider.canary_failing', 'provider.failing'].includes(type) && mentions(headline, subject),
          ),
      },
    ],
  },
  {
    name: 'expire-certificate',
    does: "lets a region's certificate for the store expire; its vote goes missing, it says so itself, and nothing moves",
    needs:
      'three voters, and a hook that puts an expired certificate in place, ends the connections that it has, and puts the good one back',
    subject: 'region',
    hook: 'puts an expired certificate for the store in place at each replica of it, and makes them connect anew',
    accountsFor: 'its-region',
    guards: (of) => [askedOutside(of), isVoter(of), mayPage(of, [of.subject])],
    expects: [
      unheard,
      ownStoreFails,
      {
        name: 'paged',
        what: 'once it is over, a page store.lost of that region is in the outbox',
        ...STORE_LOST,
        kind: 'later',
        seen: (sight, { subject }) => pageThat(sight, ({ type, headline }) => type === 'store.lost' && headline.startsWith(`${subject}/`)),
      },
    ],
  },
  {
    name: 'silence-pager',
    does: 'lets a channel of pages take nothing; that must be told through another one, and no page may be lost meanwhile',
    needs: 'two channels, and a hook that silences one, sends something by it (tidegate pages replay ID --channel NAME), and mends it',
    subject: 'channel',
    hook: 'makes it refuse or not answer, and sends a page by it: who sends nothing learns nothing',
    accountsFor: 'its-channel',
    guards: (of) => {
      const known = [...new Set(channelChecks(of.before).flatMap(({ componentId }) => componentId ?? []))];
      const failing = channelChecks(of.before).flatMap(({ status, componentId, output }) =>
        status === 'pass' ? [] : [`${componentId} fails already: ${output}`],
      );
      return [
        guard(
          'it is a channel',
          known.includes(of.subject) ? [] : [`no channel is called ${of.subject}; there are: ${list(known)}`],
          of.subject,
        ),
        guard(
          'another channel',
          known.some(isOther(of.subject)) ? [] : ['there is no other one to be told through; the log wakes nobody'],
          list(known.filter(isOther(of.subject))),
        ),
        guard('channels work', failing, 'none fails'),
      ];
    },
    expects: [
      {
        name: 'felt',
        what: 'the channel fails in a health detail',
        ...DELIVERY,
        kind: 'state',
        seen(sight, { subject }) {
          const its = channelChecks(sight).find(({ componentId, status }) => componentId === subject && status !== 'pass');
          return its === undefined ? null : { because: its.output ?? 'it fails' };
        },
      },
      channelTold,
      {
        name: 'delivered',
        what: 'every page since then was taken by another channel',
        withinMs: CHANNEL.withinMs + DELIVERY.withinMs,
        from: `${CHANNEL.from}; ${DELIVERY.from}`,
        kind: 'page',
        seen: (sight, of) =>
          channelTold.seen(sight, of) !== null && onlyBy(sight, of.subject).length === 0
            ? { because: `${sight.pages.length} pages, none waits for ${of.subject} alone` }
            : null,
      },
    ],
  },
  {
    name: 'fill-etcd-quota',
    does: 'fills the store to its quota, so that it takes no writes; every region must say so and page by itself, and every route must stay',
    needs:
      'etcd, an endpoint of every region, and a hook that fills it and empties it: deletes, compacts, defragments, and disarms the alarm',
    subject: null,
    hook: 'fills etcd to its quota under a prefix of its own',
    accountsFor: 'all-votes',
    guards: (of) => {
      const asked = new Set(of.before.looks.map(regionOf));
      const missing = regionsOf(of).filter((region) => !asked.has(region));
      const kinds = [
        ...new Set(of.before.looks.flatMap((look) => checksOf(look, 'store:answeredAgo').flatMap((c) => c.componentId ?? []))),
      ];
      return [
        guard(
          'everybody is asked',
          missing.map((region) => `no endpoint of ${region} is asked: --endpoint URL`),
          'an endpoint of every region answers',
        ),
        mayPage(of, regionsOf(of)),
        guard(
          'it is etcd',
          kinds.every((kind) => kind === 'etcd') && kinds.length > 0 ? [] : [`the store is ${list(kinds)}`],
          'as every replica says',
        ),
      ];
    },
    expects: [
      {
        name: 'felt',
        what: 'the health detail of every replica asked fails: the store takes nothing, since it is full',
        ...SILENT,
        kind: 'state',
        seen({ looks }) {
          const said = looks.map(storeFails);
          return said.length > 0 && said.every((text) => text !== null && FULL.test(text)) ? { because: said[0] ?? '' } : null;
        },
      },
      {
        name: 'paged',
        what: 'once it is over, a page store.lost of every region with that reason is in the outbox',
        ...STORE_LOST,
        kind: 'later',
        seen(sight, of) {
          const each = regionsOf(of).map((region) =>
            pageThat(sight, ({ type, headline }) => type === 'store.lost' && headline.startsWith(`${region}/`) && FULL.test(headline)),
          );
          const atMs = each.flatMap((one) => one?.atMs ?? []);
          return each.length > 0 && atMs.length === each.length
            ? { because: `${each.length} regions paged it`, atMs: Math.max(...atMs) }
            : null;
        },
      },
    ],
  },
];

// ---- what is asked of each alike ----

const wellAt = (look: Look): readonly Guard[] => (look.status === null ? [] : calmGuards(look.status));

/** One guard of each name: it holds where it does at every endpoint. */
const merged = (guards: readonly Guard[]): readonly Guard[] =>
  [...Map.groupBy(guards, ({ name }) => name).values()].flatMap((same) => same.find(({ ok }) => !ok) ?? same[0] ?? []);

const answering = ({ looks }: Sight): Guard =>
  guard(
    'endpoints answer',
    looks.flatMap(({ endpoint, status, health }) => (status === null || health === null ? [`${endpoint} does not answer`] : [])),
    `${looks.length} of ${looks.length}`,
  );

const speaking = ({ looks }: Sight): Guard =>
  guard(
    'every vote is there',
    [...new Set(looks.flatMap(mute))].map((region) => `${region} does not speak`),
    'every vantage speaks',
  );

const calm = (sight: Sight): readonly Guard[] => [answering(sight), ...merged(sight.looks.flatMap(wellAt)), speaking(sight)];

/** In: `refusals` of a drain, as the cluster previews one, should a region really fail meanwhile. All must hold. */
export const faultGuards = (
  drill: FaultDrill,
  of: Case,
  given: { refusals: readonly { rule: string; because: string }[]; onCall: string | null; unfinished: readonly string[] },
): readonly Guard[] => [
  ...calm(of.before),
  guard(
    'rules allow a drain',
    given.refusals.map(({ rule, because }) => `${rule}: ${because}`),
    'should a region really fail; no window is open',
  ),
  ...drill.guards(of),
  guard('nothing unfinished', given.unfinished, 'every drill of this folder was taken back'),
  watchedGuard(given.onCall),
];

const routesOf = ({ services }: StatusDocument): ReadonlyMap<string, string> =>
  new Map(services.map(({ name, route }) => [name, JSON.stringify(Object.entries(route ?? {}).toSorted())]));

/** Services whose route is another than before. */
const moved = (status: StatusDocument, { before }: Case): readonly string[] => {
  const was = before.looks.find((look) => look.status !== null)?.status;
  if (was == null) return [];
  const [then, now] = [routesOf(was), routesOf(status)];
  return [...then].flatMap(([name, route]) => (now.has(name) && now.get(name) !== route ? [`the route of ${name} moved`] : []));
};

/** Why it must end now, which its own fault does not account for; null: it may go on. */
export const disturbance = (drill: FaultDrill, sight: Sight, of: Case): string | null => {
  const [region, provider] = [
    drill.accountsFor === 'its-region' ? of.subject : null,
    drill.accountsFor === 'its-provider' ? of.subject : null,
  ];
  const looks = region === null ? sight.looks : outside(sight, of);
  const reasons = looks.flatMap(({ status }): readonly string[] => {
    if (status === null) return [];
    const voteless = drill.accountsFor === 'all-votes';
    return [
      ...moved(status, of),
      ...status.incidents.filter(isOpen).map(({ id, because }) => `incident ${id} has begun: ${because}`),
      ...(voteless ? [] : silent(status, region).map((who) => `somebody else is silent: ${who}`)),
      ...poolsNotUp(status, null).filter((text) => !voteless || !text.endsWith(' unknown')),
      ...badPaths(status, provider),
      ...status.overrides.items.filter(({ active }) => active).map(({ kind, id, owner }) => `${kind} ${id} of ${owner} is in force`),
    ];
  });
  const others = drill.accountsFor === 'all-votes' ? [] : looks.flatMap(mute).filter((name) => name !== region);
  return reasons[0] ?? (others[0] === undefined ? null : `somebody else is silent: ${others[0]}`);
};

/** What is not yet as it was; empty: all is. */
export const notBack = (drill: FaultDrill, sight: Sight, of: Case): readonly string[] => [
  ...calm(sight)
    .filter(({ ok }) => !ok)
    .map(({ name, because }) => `${name}: ${because}`),
  ...sight.looks.flatMap(({ status }) => (status === null ? [] : moved(status, of))),
  ...drill.expects
    .filter(({ kind, seen }) => kind === 'state' && seen(sight, of) !== null)
    .map(({ name, seen }) => `${name}: ${seen(sight, of)?.because ?? ''}`),
];

/** In: `withinMs` for a cluster whose policy is not that of the defaults. */
export const expectedOfFault = (
  drill: FaultDrill,
  { name, withinMs, from }: Pick<Expectation, 'name' | 'withinMs' | 'from'>,
  subject: string,
  past: readonly Scorecard[],
): Expected => measuredOf(past, drill.name, subject, name) ?? { ms: withinMs, source: 'seed', because: from };

// What is on record: of one service, of one decision, all of it as a journal; and who was paged.
import { useComputed } from '@preact/signals';
import { useEffect, useMemo, useState } from 'preact/hooks';
import type {
  Acknowledged,
  AuditPage,
  DecisionList,
  Dossier,
  MatrixCell,
  PageItem,
  PageList,
  Replayed,
  ServiceOne,
} from '../../../client/schema.ts';
import { nameOf } from '../acts.ts';
import { after, freshKey, save } from '../browser.ts';
import { act, asked, get, happenings, isOperator, lastId, nowMs, overview, resets, want } from '../live.ts';
import {
  Ago,
  At,
  Chip,
  Dialog,
  Doubt,
  Empty,
  Field,
  html,
  Left,
  Mark,
  type Node,
  OrderLink,
  Panel,
  Share,
  StageChip,
  still,
  Table,
  type Tone,
  Trouble,
  useAsked,
  useDeed,
} from '../parts.ts';
import {
  endOf,
  type Filter,
  joined,
  type Line,
  lineOfAct,
  lineOfDecision,
  lineOfHappening,
  matches,
  NO_FILTER,
  newestAct,
  reaching,
} from '../records.ts';
import { count, duration, list, percent } from '../words.ts';
import { Shares, Write } from './state.ts';

// ---- one service ----
// One service, whole: its pools and why they are as they are, every vantage's word on every target, what was written where, and what would have changed it.

// Members that the document of the API leaves open.
interface Memory {
  state: 'in' | 'out' | 'returning';
  by: 'health' | 'override' | null;
  sinceAtMs: number;
  latched: boolean;
  hold: string | null;
}
interface Applied {
  fence: number;
  atMs: number;
  outcome: string;
  because: string;
}
interface Count {
  verdict: string;
  down: number;
  up: number;
  electorate: number;
  needs: number;
  ballots: Readonly<Record<string, string>>;
}
type Service = ServiceOne['service'];
type Pool = Service['pools'][number] & { memory?: Memory | null };
type Target = Pool['targets'][number] & { endpoints?: Readonly<Record<string, Count>>; gray?: { regions: readonly string[] } | null };
interface More {
  paths?: readonly { provider: string; applied: Applied | null }[];
  through?: { order: readonly string[]; because: string };
  applied?: Applied | null;
  provenAtMs?: number | null;
  arrived?: { t5AtMs?: number | null; t6AtMs?: number | null };
}

const stateOf = ({ memory }: Pool): Node => {
  if (memory == null) return null;
  const { state, by, sinceAtMs, hold, latched } = memory;
  const says =
    state === 'in'
      ? null
      : html`${state === 'out' ? 'out' : 'returning'}${by === null ? '' : ` by ${by === 'health' ? 'health' : 'an order'}`}, <${Ago} atMs=${sinceAtMs} />`;
  return html`${says} ${hold === null ? null : html`<${Chip} tone="warn">held: ${hold}<//>`} ${latched ? html`<${Chip} tone="bad">latched<//>` : null}`;
};

const toneOf = ({ verdict, cause }: Pool): Tone => (verdict === 'out' ? 'bad' : cause !== 'up' ? 'warn' : 'good');

const Pools = ({ service }: { service: Service }) => html`
  <ul class="cards">${service.pools.map(
    (pool) => html`<li key=${pool.name} class="card ${toneOf(pool)}">
      <h4>${pool.name}${pool.region === pool.name ? null : html` <span class="dim">in ${pool.region}</span>`}</h4>
      <p><${Share} value=${pool.share} configured=${pool.configuredShare} /> <span class="dim">of ${percent(pool.configuredShare)}</span></p>
      <p><${Mark} state=${pool.cause} says="${pool.up} of ${pool.total} up, needs ${pool.minUp}" /> ${pool.gate === 'closed' ? html`<${Chip} tone="warn">gate closed<//>` : null}</p>
      <p>${stateOf(pool)}</p>
      <p class="dim">${pool.because}</p>
      <p class="row"><${OrderLink} kind="drain" scope=${{ service: service.name, pool: pool.name }} /><${OrderLink} kind="force-in" scope=${{ service: service.name, pool: pool.name }} /></p>
    </li>`,
  )}</ul>`;

const counted = ({ down, up, electorate, needs, verdict }: Count): string =>
  `${verdict}: ${down} of ${electorate} down, ${up} up, needs ${needs}`;

const Vantage = ({ region, cell, target }: { region: string; cell: MatrixCell; target: Target }) => {
  // Where the endpoints are seen alike, the cell says it all.
  const ballots = Object.entries(target.endpoints ?? {}).map(([name, { ballots: all }]) => [name, all[region] ?? 'not asked'] as const);
  const differ = new Set(ballots.map(([, ballot]) => ballot)).size > 1;
  return html`<li><${Mark} state=${cell.state} /> <b>${region}</b> ${differ ? ballots.map(([name, ballot]) => html`<span class="dim">${name} ${ballot} </span>`) : null}
    ${cell.because} <span class="dim">${cell.ageMs === null ? 'no vote' : `vote ${duration(cell.ageMs)} old`}</span></li>`;
};

const isDoubted = ({ id, verdict, gray }: Target, matrix: ServiceOne['matrix']): boolean =>
  verdict !== 'up' || gray != null || Object.values(matrix[id] ?? {}).some(({ state }) => state !== 'up');

const TargetOf = ({ target, matrix }: { target: Target; matrix: ServiceOne['matrix'] }) => {
  const row = Object.entries(matrix[target.id] ?? {});
  return html`<details open=${isDoubted(target, matrix)}>
    <summary><${Mark} state=${target.verdict} /> <code>${target.id}</code>${target.gray == null ? null : html` <${Chip} tone="warn">gray for ${list(target.gray.regions)}<//>`}</summary>
    ${Object.entries(target.endpoints ?? {}).map(([name, each]) => html`<p class="because"><b>${name}</b> ${counted(each)}</p>`)}
    <ul class="plain because">${row.length === 0 ? html`<li>no vantage looks at it</li>` : row.map(([region, cell]) => html`<${Vantage} key=${region} region=${region} cell=${cell} target=${target} />`)}</ul>
  </details>`;
};

/** More are shown pool by pool. */
const TARGETS_MAX = 12;

const Targets = ({ service, matrix }: ServiceOne) =>
  service.pools.map(({ name, targets }) => {
    const all = targets as readonly Target[];
    const worst = all.toSorted((a, b) => Number(isDoubted(b, matrix)) - Number(isDoubted(a, matrix)));
    return html`<div key=${name}>${worst.slice(0, TARGETS_MAX).map((target) => html`<${TargetOf} key=${target.id} target=${target} matrix=${matrix} />`)}
      ${all.length > TARGETS_MAX ? html`<p class="dim">and ${count(all.length - TARGETS_MAX, 'target')} more of ${name}</p>` : null}</div>`;
  });

const TONES: Readonly<Record<string, Tone>> = { applied: 'good', failing: 'bad', frozen: 'warn', manual: 'warn', drift: 'warn' };

const Written = ({ applied }: { applied: Applied | null }) =>
  applied === null
    ? html`<td class="dim" colspan="3">nothing written yet</td>`
    : html`<td><${Chip} tone=${TONES[applied.outcome] ?? 'idle'}>${applied.outcome}<//></td><td>fence ${applied.fence}, <${At} atMs=${applied.atMs} /></td><td>${applied.because}</td>`;

const since = (atMs: number | null | undefined, wait: string): Node =>
  atMs === undefined ? 'not measured' : atMs === null ? wait : html`<${At} atMs=${atMs} />`;

const Paths = ({ service }: { service: Service }) => {
  const { paths = [], through, provenAtMs, arrived = {} } = service as Service & More;
  return html`<${Table} caption="What was written, by path" head=${['path', 'written', 'fence', 'why']}>
      ${paths.map(({ provider, applied }) => html`<tr key=${provider}><th scope="row">${provider}</th><${Written} applied=${applied} /></tr>`)}
    <//>
    ${through === undefined ? null : html`<p>acts through ${through.order.join(', then ')}: ${through.because}</p>`}
    <dl class="facts">
      <dt>decided</dt><dd>${service.fence === null ? 'nothing yet' : `fence ${service.fence}`}, TTL ${service.ttlS} s, ${service.mode}</dd>
      <dt>all servers answer it</dt><dd>${since(arrived.t5AtMs, 'not yet')}</dd>
      <dt>users land on it</dt><dd>${since(arrived.t6AtMs, 'not yet')}</dd>
      <dt>last proved that it moves</dt><dd>${provenAtMs == null ? 'never' : html`<${At} atMs=${provenAtMs} />`}</dd>
    </dl>`;
};

/** The decision that its route is from. Old ones are not kept. */
const Decided = ({ name, fence }: { name: string; fence: number }) => {
  const { value, error, ref } = useAsked<Dossier | null>(
    (signal) => (fence === 0 ? Promise.resolve(null) : get<Dossier>(`/v1/decisions/${fence}`, signal)),
    [fence],
  );
  const refused = value?.rules.refused.filter(({ service }) => service === name) ?? [];
  return html`<div ref=${ref}>${
    value === null
      ? error === null
        ? null
        : html`<p class="dim">What would have changed it is not kept any more.</p>`
      : html`<p class="dim">decision ${value.v}, <${At} atMs=${value.atMs} />, by ${value.by}</p>
          <p><b>What would have changed it:</b> ${value.wouldChange}</p>
          ${refused.map(({ pool, rule, because, counterfactual }) => html`<p><${Chip} tone="bad">${rule}<//> refused ${pool}: ${because} <span class="dim">${counterfactual}</span></p>`)}`
  }</div>`;
};

const Touching = ({ overrides, holds, reminders, incidents }: ServiceOne) => html`
  ${holds.map(({ pool, hold, because }) => html`<p><${Chip} tone="warn">${hold}<//> ${pool}: ${because}</p>`)}
  ${reminders.map(({ rule, because }) => html`<p><${Chip}>${rule}<//> ${because}</p>`)}
  ${overrides.items.map(
    (item) =>
      html`<p key=${item.id}><button type="button" class="link" onClick=${() => {
        want('service', null);
        want('override', item.id);
      }}>${nameOf(item)}</button> <${StageChip} order=${item} /> <${Left} order=${item} /> ${item.because}</p>`,
  )}
  ${incidents.slice(0, 5).map(
    ({ id, kind, region, because, t3AtMs, closedAtMs }) =>
      html`<p key=${id}><button type="button" class="link" onClick=${() => {
        want('service', null);
        want('incident', id);
      }}>${kind} ${region}</button> ${closedAtMs === null ? html`<${Chip} tone="bad">open<//>` : html`<${Chip}>closed<//>`} <${At} atMs=${t3AtMs} /> <span class="dim">${because}</span></p>`,
  )}`;

const Whole = ({ name }: { name: string }) => {
  const seen = overview.value;
  // Asked again when the overview says something else of it.
  const on = [name, seen?.services.find((each) => each.name === name), seen?.doubts, seen?.overrides.version];
  const { value, error, ref } = useAsked((signal) => get<ServiceOne>(`/v1/services/${encodeURIComponent(name)}`, signal), on);
  if (value === null)
    return html`<div ref=${ref}><${Trouble} error=${error} />${error === null ? html`<p role="status">Asking …</p>` : null}</div>`;
  const { service } = value;
  return html`<div ref=${ref} class="whole">
    <${Trouble} error=${error} />
    <p>${service.because}</p>
    <${Decided} name=${name} fence=${service.fence ?? 0} />
    <p class="row"><${OrderLink} kind="pin" scope=${{ service: name }} /><${OrderLink} kind="freeze" scope=${{ service: name }} /><${OrderLink} kind="stop" scope=${{ service: name }} /></p>
    <h3>Pools</h3><${Pools} service=${service} />
    <h3>What touches it</h3><${Touching} ...${value} />
    ${value.holds.length + value.reminders.length + value.overrides.items.length + value.incidents.length === 0 ? html`<p class="empty">No order, hold or incident.</p>` : null}
    <h3>Written</h3><${Paths} service=${service} />
    <h3>Targets, and who says what</h3><${Targets} ...${value} />
  </div>`;
};

/** Open while the address asks for a service. */
export const ServiceDialog = () => {
  const name = asked.value.service;
  return html`<${Dialog} title=${name ?? 'Service'} open=${name !== undefined} onClose=${() => want('service', null)}>
    ${name === undefined ? null : html`<${Whole} key=${name} name=${name} />`}
  <//>`;
};

// ---- one decision ----
// Everything that is known of one decision, over whatever one looks at: `#decision=41`.

type Evidence = Dossier['evidence'][number];

const BALLOTS_MAX = 20;

const Ballots = ({ evidence }: { evidence: readonly Evidence[] }) => {
  const [isAll, setAll] = useState(false);
  const regions = [...new Set(evidence.flatMap(({ ballots }) => Object.keys(ballots)))];
  if (evidence.length === 0) return html`<p class="dim">It rests on no count: an order, or a hold that passed.</p>`;
  return html`<${Table} caption="What was counted, by endpoint and vantage" head=${['endpoint', 'verdict', 'count', 'first fault', ...regions]}>
      ${(isAll ? evidence : evidence.slice(0, BALLOTS_MAX)).map(
        ({ endpoint, verdict, down, electorate, needs, firstFaultAgoMs, ballots }) => html`<tr key=${endpoint}>
        <th scope="row">${endpoint}</th><td><${Mark} state=${verdict ?? 'unknown'} /></td>
        <td>${down} of ${electorate} down${needs === null ? '' : `, needs ${needs}`}</td><td>${firstFaultAgoMs === null ? '–' : `${duration(firstFaultAgoMs)} before`}</td>
        ${regions.map((region) => html`<td>${ballots[region] === undefined ? html`<span class="dim">not asked</span>` : html`<${Mark} state=${ballots[region]} />`}</td>`)}
      </tr>`,
      )}
    <//>
    ${evidence.length > BALLOTS_MAX ? html`<button type="button" onClick=${() => setAll(!isAll)}>${isAll ? 'fewer' : `all ${evidence.length} endpoints`}</button>` : null}`;
};

const Votes = ({ votes, silent }: Pick<Dossier, 'votes' | 'silent'>) => html`<ul>
  ${votes.map(({ region, replica, state, because, ageMs }) => html`<li><${Mark} state=${state} /> ${region}/${replica} <span class="dim">${ageMs === null ? '' : `${duration(ageMs)} old`}</span>${because === null ? null : html`: ${because}`}</li>`)}
  ${silent.map((region) => html`<li><${Mark} state="silent" /> ${region}</li>`)}
</ul>`;

const Rules = ({ rules, holds }: Pick<Dossier, 'rules' | 'holds'>) => html`
  <p>${rules.passed === null ? 'Which rules were asked was not kept.' : rules.passed.length === 0 ? 'No rule was asked.' : html`Passed: ${rules.passed.map((rule) => html`<${Chip} tone="good">${rule}<//> `)}`}</p>
  ${rules.refused.map(
    ({
      service,
      pool,
      rule,
      risk,
      because,
      againAtMs,
      counterfactual,
    }) => html`<p><${Mark} state="fail" says=${rule} /> ${risk === null ? null : html`<${Chip}>${risk} risk<//>`} ${service}/${pool}: ${because}
    ${againAtMs === null ? null : html` It would pass by itself at <${At} atMs=${againAtMs} />.`} ${counterfactual === null ? null : html`<span class="dim">${counterfactual}</span>`}</p>`,
  )}
  ${holds.slice(0, BALLOTS_MAX).map(({ service, pool, hold, because }) => html`<p><${Chip} tone="warn">${hold}<//> ${service}/${pool}: ${because}</p>`)}
  ${holds.length > BALLOTS_MAX ? html`<p class="dim">and ${holds.length - BALLOTS_MAX} holds more</p>` : null}`;

const lookAt = (incident: string): void => {
  want('decision', null);
  want('incident', incident);
};

const Incidents = ({ incidents }: Pick<Dossier, 'incidents'>) =>
  html`<ul>${incidents.map(
    ({ id, region, kind, relation, detection, convergence }) => html`<li>
  ${relation} <button type="button" class="link" onClick=${() => lookAt(id)}>${region}: ${kind}</button>${' '}
  <${Mark} state=${detection.judgement} says="detection ${detection.ms === null ? detection.judgement : duration(detection.ms)}" /> <${Mark} state=${convergence.judgement} says="convergence ${convergence.ms === null ? convergence.judgement : duration(convergence.ms)}" />
</li>`,
  )}</ul>`;

const Neighbours = ({ previous, next }: Pick<Dossier, 'previous' | 'next'>) =>
  html`${[previous, next].map((each, n) => (each === null ? null : html`<button type="button" onClick=${() => want('decision', `${each.v}`)}>${n === 0 ? `← ${each.v}` : `${each.v} →`}</button> `))}`;

const WholeDecision = still(({ dossier }: { dossier: Dossier }) => {
  const moved = new Set(dossier.changes.map(({ service }) => service));
  const others = dossier.trail.filter(({ service }) => !moved.has(service));
  return html`<div>
    <p class="row"><${At} atMs=${dossier.atMs} /> <span>by ${dossier.by}, epoch ${dossier.epoch}</span> <${Neighbours} previous=${dossier.previous} next=${dossier.next} />
      <button type="button" onClick=${() => save(`decision-${dossier.v}.json`, 'application/json', JSON.stringify(dossier, null, 2))}>Save as JSON</button></p>
    <p><strong>${dossier.because}</strong></p>
    ${dossier.wouldChange === '' ? null : html`<h3>What would have changed it</h3><p>${dossier.wouldChange}</p>`}
    <h3>What it moved</h3><${Shares} changes=${dossier.changes} trail=${dossier.trail} />
    ${others.length === 0 ? null : html`<ul>${others.map((step) => html`<li>${step.service}: <${Write} step=${step} /></li>`)}</ul>`}
    ${dossier.trailOmitted > 0 ? html`<p class="dim">${dossier.trailOmitted} writes more are not kept</p>` : null}
    <h3>What was counted</h3><${Ballots} evidence=${dossier.evidence} />
    <h3>Who was heard</h3><${Votes} votes=${dossier.votes} silent=${dossier.silent} />
    <h3>Rules and holds</h3><${Rules} rules=${dossier.rules} holds=${dossier.holds} />
    ${dossier.incidents.length === 0 ? null : html`<h3>Incidents</h3><${Incidents} incidents=${dossier.incidents} />`}
    <p class="dim">Sealed over <code>${dossier.prevHash === '' ? 'nothing before' : dossier.prevHash}</code></p>
  </div>`;
});

/** Its writes and its incidents go on while one looks: asked for again as long as something is not there yet. */
const isOpen = ({ incidents }: Dossier): boolean => incidents.some(({ convergence }) => convergence.judgement === 'pending');
const TRY_AGAIN_MS = 3_000;

const Asked = ({ v }: { v: string }) => {
  const [dossier, setDossier] = useState<Dossier | null>(null);
  const [error, setError] = useState<unknown>(null);
  useEffect(() => {
    const cancel = new AbortController();
    let stop = (): void => undefined;
    const look = (): void => {
      get<Dossier>(`/v1/decisions/${encodeURIComponent(v)}`, cancel.signal).then(
        (found) => {
          setDossier(found);
          setError(null);
          if (isOpen(found)) stop = after(TRY_AGAIN_MS, look);
        },
        (why: unknown) => (cancel.signal.aborted ? undefined : setError(why)),
      );
    };
    look();
    return () => {
      cancel.abort();
      stop();
    };
  }, [v]);
  return html`<${Trouble} error=${error} />${dossier === null ? (error === null ? html`<p class="dim">Asking …</p>` : null) : html`<${WholeDecision} dossier=${dossier} />`}`;
};

export const DecisionDialog = () => {
  const v = asked.value.decision ?? null;
  return html`<${Dialog} title="Decision ${v ?? ''}" open=${v !== null} onClose=${() => want('decision', null)}>${v === null ? null : html`<${Asked} key=${v} v=${v} />`}<//>`;
};

// ---- the journal ----
// Every decision, every act and what was seen happen, newest first; decisions open their dossier.

const AT_ONCE = 50;
/** Behind every decision: what comes then are acts alone. */
const NO_DECISION = 'v9999999999';

interface Read {
  lines: readonly Line[];
  /** What to ask for next; null: that was all. */
  next: number | null;
}

const decisionsBefore = async (before: number | null, signal?: AbortSignal): Promise<Read> => {
  const page = await get<DecisionList>(`/v1/decisions?limit=${AT_ONCE}${before === null ? '' : `&before=${before}`}`, signal);
  return { lines: page.items.map(lineOfDecision), next: page.before };
};

/** The entries up to this one: the audit tells forwards, so one asks from so many before it. */
const actsUpTo = async (n: number, signal?: AbortSignal): Promise<Read> => {
  const from = Math.max(0, n - AT_ONCE);
  const { items } = await get<AuditPage>(`/v1/audit?limit=${AT_ONCE}&after=${NO_DECISION}.j${from}`, signal);
  // Where the first of them are not kept any more, it answers with what came later.
  const lines = items.filter((item) => item.kind !== 'decision' && item.record.n <= n).map(lineOfAct);
  return { lines, next: from === 0 || lines.length === 0 ? null : from };
};

interface Leaves {
  decisions: readonly Line[];
  acts: readonly Line[];
  nextDecision: number | null;
  nextAct: number | null;
}

const read = async (from: { before: number | null; upTo: number | null }, signal?: AbortSignal): Promise<Leaves> => {
  const none: Read = { lines: [], next: null };
  const [decisions, acts] = await Promise.all([
    from.before === null ? none : decisionsBefore(Number.isFinite(from.before) ? from.before : null, signal),
    from.upTo === null ? none : actsUpTo(from.upTo, signal),
  ]);
  return { decisions: decisions.lines, acts: acts.lines, nextDecision: decisions.next, nextAct: acts.next };
};

const withOlder = (pages: Leaves, older: Leaves): Leaves => ({
  decisions: [...pages.decisions, ...older.decisions],
  acts: joined(pages.acts, older.acts),
  nextDecision: older.nextDecision,
  nextAct: older.nextAct,
});

const EntryRow = still(({ line }: { line: Line }) => {
  const [open, setOpen] = useState(false);
  const { v, kind, atMs, by, because, data, services } = line;
  return html`<tr>
      <td><${At} atMs=${atMs} /></td>
      <td>${v === null ? html`<${Chip}>${kind}<//>` : html`<button type="button" class="link" onClick=${() => want('decision', `${v}`)}>decision ${v}</button>`}</td>
      <td>${by}</td>
      <td class="says">${because}${v !== null && services.length > 0 ? html` <span class="dim">moves ${count(services.length, 'service')}</span>` : null}</td>
      <td><button type="button" class="quiet" aria-expanded=${open} onClick=${() => setOpen(!open)}>JSON</button></td>
    </tr>
    ${open ? html`<tr class="more"><td colspan="5"><pre>${JSON.stringify(data, null, 2)}</pre></td></tr>` : null}`;
});

const SORTS = [
  ['', 'everything'],
  ['decision', 'decisions'],
  ['act', 'acts'],
  ['event', 'what was seen'],
] as const;

const Filters = ({ filter, set, kinds }: { filter: Filter; set(next: Filter): void; kinds: readonly string[] }) => {
  const change = (name: keyof Filter) => (event: { currentTarget: HTMLInputElement | HTMLSelectElement }) =>
    set({ ...filter, [name]: event.currentTarget.value });
  const regions = overview.value?.regions.map(({ name }) => name) ?? [];
  const text = (name: keyof Filter, label: string) =>
    html`<label>${label} <input type="search" size="12" value=${filter[name]} onInput=${change(name)} /></label>`;
  const choice = (name: keyof Filter, label: string, options: readonly (readonly [string, string])[]) =>
    html`<label>${label} <select value=${filter[name]} onChange=${change(name)}>${options.map(([value, says]) => html`<option value=${value}>${says}</option>`)}</select></label>`;
  const any = (names: readonly string[]) => [['', 'any'] as const, ...names.map((name) => [name, name] as const)];
  return html`<form class="inline" role="search" aria-label="Records" onSubmit=${(event: Event) => event.preventDefault()}>
    ${text('words', 'words')} ${choice('sort', 'what', SORTS)} ${choice('kind', 'kind', any(kinds))} ${text('service', 'service')} ${choice('region', 'region', any(regions))} ${text('by', 'who')}
    <button type="button" onClick=${() => set(NO_FILTER)}>clear</button>
  </form>`;
};

/** The newest of both chains, asked for once; the stream brings what comes later. */
const newest = (signal: AbortSignal): Promise<Leaves> => {
  const upTo = isOperator.peek() ? newestAct(lastId.peek()) : null;
  return read({ before: Number.POSITIVE_INFINITY, upTo }, signal);
};

export const Journal = () => {
  const [filter, set] = useState(NO_FILTER);
  const [pages, setPages] = useState<Leaves | null>(null);
  const older = useDeed();
  const isReady = isOperator.value && lastId.value !== null;
  // A stream that began anew has left something out.
  const first = useAsked(newest, [isReady, resets.value]);
  useEffect(() => (first.value === null ? undefined : setPages(first.value)), [first.value]);

  // Lines and their list keep their identity: an overview that changes draws none of them again.
  const live = useMemo(() => happenings.value.map(lineOfHappening), [happenings.value]);
  const { nextDecision = null, nextAct = null } = pages ?? {};
  const whole = useMemo(() => {
    const { decisions = [], acts = [] } = pages ?? {};
    return reaching(joined(decisions, acts, live), [endOf(decisions, nextDecision), endOf(acts, nextAct)]);
  }, [pages, live]);
  const services = overview.value?.services;
  const poolRegions = useMemo(
    () => new Map((services ?? []).flatMap(({ name, pools }) => pools.map((pool) => [`${name}/${pool.name}`, pool.region]))),
    [services],
  );
  const shown = whole.filter((line) => matches(line, filter, (pool) => poolRegions.get(pool)));
  const kinds = [...new Set(whole.map(({ kind }) => kind))].sort();
  const more = () =>
    older.run(async () => {
      const next = await read({ before: nextDecision, upTo: nextAct });
      setPages((last) => (last === null ? next : withOlder(last, next)));
    });
  const note = `${count(shown.length, 'record')}${shown.length === whole.length ? '' : ` of ${whole.length}`}; ${isOperator.value ? (lastId.value === null ? 'acts from before this moment come with the stream of events' : 'decisions and acts') : 'decisions; acts from before this moment are for operators'}`;
  return html`<${Panel} id="journal" title="Journal" watch=${first.ref} note=${note}
    aside=${html`<button type="button" disabled=${shown.length === 0} onClick=${() =>
      save(
        'journal.json',
        'application/json',
        JSON.stringify(
          shown.map(({ data }) => data),
          null,
          2,
        ),
      )}>Save as JSON</button>`}>
    <${Filters} filter=${filter} set=${set} kinds=${kinds} />
    <${Trouble} error=${first.error} />
    ${shown.length === 0 ? html`<${Empty}>${whole.length === 0 ? 'Nothing is on record yet.' : 'No record that was read is like this.'}<//>` : html`<div class="stack"><${Table} caption="Decisions, acts and events, newest first" head=${['when', 'what', 'who', 'because', 'record']}>${shown.map((line) => html`<${EntryRow} key=${line.id} line=${line} />`)}<//></div>`}
    ${nextDecision === null && nextAct === null ? null : html`<button type="button" disabled=${older.busy} onClick=${more}>older</button>`}
    <${Trouble} error=${older.error} />
  <//>`;
};

// ---- pages ----
// Who was paged, who has it, and whom nothing reached.

const FILTERS = [
  ['open', 'alerts that have not ended'],
  ['', 'not delivered'],
  ['all', 'all'],
] as const;
const PAGES_MAX = 100;
/** Deliveries are no events: somebody who looks is told within so long. */
const AGAIN_MS = 15_000;
const SEVERITIES: Readonly<Record<PageItem['severity'], Tone>> = { critical: 'bad', warning: 'warn', info: 'idle' };
const STATES: Readonly<Record<PageItem['state'], string>> = { waiting: 'pending', dead: 'failed', told: 'done' };
const REASON_CHARS_MIN = 10;
const REASON_CHARS_MAX = 500;

type Deed = 'acknowledge' | 'replay';
interface Wanted {
  deed: Deed;
  page: PageItem;
  /** Made once: a retry after a doubt is the same act. */
  key: string;
}

const Form = ({ wanted: { deed, page, key }, done }: { wanted: Wanted; done(said: string): void }) => {
  const [reason, setReason] = useState('');
  const [channels, setChannels] = useState<readonly string[]>(Object.keys(page.dead));
  const doing = useDeed();
  const names = [...new Set([...Object.keys(page.dead), ...page.delivered])];
  const toggle = (name: string) => setChannels(channels.includes(name) ? channels.filter((each) => each !== name) : [...channels, name]);
  const submit = (event: Event): void => {
    event.preventDefault();
    doing.run(async () => {
      const path = `/v1/pages/${encodeURIComponent(page.id)}/${deed}`;
      if (deed === 'replay') {
        const { channels: through } = await act<Replayed>('POST', path, { reason, channels }, { key });
        return done(`It goes again through ${through.join(', ')}.`);
      }
      const { by, pages } = await act<Acknowledged>('POST', path, { reason }, { key });
      done(pages.length === 0 ? `${by} had it already.` : `${by} has it.`);
    });
  };
  return html`<form class="form" onSubmit=${submit}>
    <p>${page.headline}</p>
    <p class="dim">${deed === 'acknowledge' ? 'Nobody else is woken for this alert, and whoever heard of it hears that you have it.' : 'It is sent again, through these channels.'}</p>
    ${deed === 'replay' ? html`<fieldset><legend>channels</legend>${names.map((name) => html`<label><input type="checkbox" checked=${channels.includes(name)} onChange=${() => toggle(name)} /> ${name}${page.dead[name] === undefined ? '' : `: ${page.dead[name].because}`}</label>`)}</fieldset>` : null}
    <${Field} label="reason" hint="what the next morning's reader should know" control=${(id: string) => html`<textarea id=${id} required minlength=${REASON_CHARS_MIN} maxlength=${REASON_CHARS_MAX} value=${reason} onInput=${({ currentTarget }: { currentTarget: HTMLTextAreaElement }) => setReason(currentTarget.value)} />`} />
    <${Trouble} error=${doing.error} />
    <${Doubt} error=${doing.error} />
    <p class="row"><button class="primary" disabled=${doing.busy || (deed === 'replay' && channels.length === 0)}>${doing.busy ? 'Sending …' : deed === 'acknowledge' ? 'I have it' : 'Send again'}</button></p>
  </form>`;
};

const Who = ({ page: { delivered, dead, acknowledged } }: { page: PageItem }) => html`
  ${acknowledged === null ? null : html`<p><${Mark} state="done" says="${acknowledged.by} has it" /> <span class="dim"><${Ago} atMs=${acknowledged.atMs} /></span></p>`}
  ${delivered.length === 0 ? html`<p class="dim">told nobody yet</p>` : html`<p>told ${delivered.join(', ')}</p>`}
  ${Object.entries(dead).map(([name, { because, tries, atMs }]) => html`<p><${Mark} state="failed" says=${name} /> ${because} <span class="dim">${count(tries, 'try', 'tries')}, <${Ago} atMs=${atMs} /></span></p>`)}`;

const PageRow = still(({ page, may, ask }: { page: PageItem; may: boolean; ask(deed: Deed, page: PageItem): void }) => {
  const { v, severity, state, thread, type, headline, atMs, action, acknowledged, delivered, dead } = page;
  const canReplay = Object.keys(dead).length > 0 || delivered.length > 0;
  return html`<tr>
    <td><${At} atMs=${atMs} /></td>
    <td><${Chip} tone=${SEVERITIES[severity]}>${severity}<//> ${v === 0 ? type : html`<button type="button" class="link" onClick=${() => want('decision', `${v}`)}>${type}</button>`}</td>
    <td class="says">${headline}</td>
    <td><${Mark} state=${STATES[state]} says=${state} /> <span class="dim">${thread}</span></td>
    <td><${Who} page=${page} /></td>
    <td>${may && action === 'trigger' && thread === 'firing' && acknowledged === null ? html`<button type="button" onClick=${() => ask('acknowledge', page)}>I have it</button> ` : null}
      ${may && canReplay ? html`<button type="button" onClick=${() => ask('replay', page)}>send again</button>` : null}</td>
  </tr>`;
});

export const Pages = () => {
  const [state, setState] = useState<string>('open');
  const [wanted, setWanted] = useState<Wanted | null>(null);
  const [said, say] = useState('');
  const round = useComputed(() => Math.floor(nowMs.value / AGAIN_MS)).value;
  const told = useComputed(
    () => happenings.value.find(({ type }) => type.startsWith('page.') || type === 'decision.made')?.id ?? null,
  ).value;
  const asked = useAsked(
    (signal) => get<PageList>(`/v1/pages?limit=${PAGES_MAX}${state === '' ? '' : `&state=${state}`}`, signal),
    [state, round, told],
  );
  const [ask] = useState(() => (deed: Deed, page: PageItem) => setWanted({ deed, page, key: freshKey() }));
  const done = (text: string): void => {
    setWanted(null);
    say(text);
    asked.again();
  };
  const items = asked.value?.items ?? [];
  const total = asked.value?.total ?? 0;
  const aside = html`<label>show <select value=${state} onChange=${({ currentTarget }: { currentTarget: HTMLSelectElement }) => setState(currentTarget.value)}>${FILTERS.map(([value, says]) => html`<option value=${value}>${says}</option>`)}</select></label>`;
  return html`<${Panel} id="pages" title="Pages" watch=${asked.ref} aside=${aside}>
    <p role="status">${said}</p>
    <${Trouble} error=${asked.error} />
    ${
      items.length === 0
        ? html`<${Empty}>${asked.value === null ? 'Nothing is known yet.' : 'No page is like this.'}<//>`
        : html`<div class="stack"><${Table} caption="Pages, newest first" head=${['when', 'what', 'it says', 'state', 'who', 'act']}>
          ${items.map((page) => html`<${PageRow} key=${page.id} page=${page} may=${isOperator.value} ask=${ask} />`)}
        <//></div>`
    }
    ${total > items.length ? html`<p class="dim">and ${total - items.length} more</p>` : null}
    <${Dialog} title=${wanted?.deed === 'replay' ? 'Send this page again' : 'Say that you have it'} open=${wanted !== null} onClose=${() => setWanted(null)}>
      ${wanted === null ? null : html`<${Form} key=${wanted.key} wanted=${wanted} done=${done} />`}
    <//>
  <//>`;
};

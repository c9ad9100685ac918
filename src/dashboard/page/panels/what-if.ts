// What would follow: of an act that is being written, of the death of a region, of whatever one supposes.
import { computed } from '@preact/signals';
import { useEffect, useState } from 'preact/hooks';
import type { Forecast, Ordered, Refusal, WhatIfMatrix } from '../../../client/schema.ts';
import {
  alike,
  COVERS,
  freshDraft,
  type Gist,
  gistOf,
  type Hypothesis,
  hypothesisOf,
  moves,
  movesText,
  namesText,
  type OrderKind,
  SUPPOSABLE,
  type Supposed,
  sentenceOf,
  sharesOf,
  shareText,
  withOrder,
} from '../acts.ts';
import { after } from '../browser.ts';
import { ask, nowMs, overview } from '../live.ts';
import { Ago, At, Chip, Field, html, Mark, type Node, Panel, Share, still, Table, type Tone, Trouble, useDeed } from '../parts.ts';
import { count, duration, percent, utc } from '../words.ts';

// ---- of an act ----
// What would follow of an act: asked of the dry run while the form is filled, shown with the rules that refuse it and when they would not.

type Told = Pick<Ordered, 'forecast' | 'refusals' | 'notes'> & Partial<Pick<Ordered, 'approval' | 'undo' | 'expiresAt'>>;

export interface Preview {
  told: Told | null;
  error: unknown;
  /** Not answered yet. */
  busy: boolean;
  atMs: number;
  /** The decision that it was foretold on. */
  v: number | undefined;
  again(): void;
}

export interface Question {
  method: 'POST' | 'PUT' | 'DELETE';
  path: string;
  body?: unknown;
}

const PAUSE_MS = 400;
const decided = computed(() => overview.value?.decision?.v);
const now = () => ({ atMs: nowMs.peek(), v: decided.peek() });

/** Asks when the question has been the same for a moment, and again whenever one of `on` changes. null: there is nothing to ask yet. */
export const usePreview = (question: Question | null, on: readonly unknown[] = []): Preview => {
  const key = question === null ? null : JSON.stringify(question);
  const [state, set] = useState<{ told: Told | null; error: unknown; atMs: number; v?: number | undefined; of: string | null }>({
    told: null,
    error: null,
    atMs: 0,
    of: null,
  });
  const [round, again] = useState(0);
  useEffect(() => {
    if (question === null) return;
    const cancel = new AbortController();
    const look = async (): Promise<void> => {
      const { method, path, body } = question;
      const answer = await ask(path, { method, ...(body === undefined ? {} : { body }), signal: cancel.signal });
      const said = (await answer.json()) as Told | Forecast;
      // A simulation answers with the forecast itself.
      const told = 'forecast' in said ? said : { forecast: said, refusals: said.refusals, notes: [] };
      set({ told, error: null, ...now(), of: key });
    };
    const give = after(PAUSE_MS, () =>
      look().catch((error: unknown) => (cancel.signal.aborted ? undefined : set({ told: null, error, ...now(), of: key }))),
    );
    return () => {
      give();
      cancel.abort();
    };
  }, [key, round, ...on]);
  // What was foretold of another order is not shown beside this one.
  const isCurrent = key !== null && state.of === key;
  const { told, error, atMs, v } = isCurrent ? state : { told: null, error: null, atMs: 0 };
  return { told, error, atMs, v, busy: key !== null && !isCurrent, again: () => again((each) => each + 1) };
};

/** A bar of what a pool gets after, with a line where it was. */
const Moves = (change: Parameters<typeof moves>[0]) => {
  const all = moves(change);
  return all.length === 0
    ? html`<span class="dim">as now</span>`
    : html`<ul class="plain moves">${all.map(({ pool, from, to }) => html`<li>${pool} <span class="number">${percent(from)} →</span> <${Share} value=${to} configured=${from} /></li>`)}</ul>`;
};

type Foreseen = Forecast['services'][number];

const Capacity = ({ capacity }: Pick<Foreseen, 'capacity'>) => {
  if (capacity === null) return html`<span class="dim">not known</span>`;
  const { leftPercent, because, source } = capacity;
  const tone: Tone = leftPercent < 0 ? 'bad' : leftPercent < 10 ? 'warn' : 'good';
  return html`<${Chip} tone=${tone}>${leftPercent < 0 ? `${Math.round(-leftPercent)} % too little` : `${Math.round(leftPercent)} % left`}<//> <span class="dim">${because} (${source})</span>`;
};

const isChanged = (service: Foreseen): boolean => moves(service).length > 0 || service.writes.length > 0;

const Arrival = ({ service: { mode, converge } }: { service: Foreseen }) =>
  mode !== 'auto'
    ? `not written: ${mode}`
    : converge === null
      ? 'not written'
      : html`${converge.source === 'history' ? `${duration(converge.p50Ms)}, p99 ` : 'at worst '}${duration(converge.p99Ms)} <span class="dim">${converge.because}</span>`;

/** Providers that would be asked for just what is decided are only named. */
const Writes = ({ service }: { service: Foreseen }) =>
  service.writes.length === 0
    ? html`<span class="dim">nothing</span>`
    : html`<ul class="plain">${service.writes.map((write) => {
        const alike = movesText(write) === movesText(service);
        return html`<li>${write.provider}${alike ? html` <span class="dim">the same</span>` : html`<${Moves} before=${write.before} after=${write.after} />`}</li>`;
      })}</ul>`;

/** `When` of a rule that time alone lets pass. */
const When = ({ atMs }: { atMs: number }) => html` It would pass at ${utc(atMs, nowMs.value)} UTC, in ${duration(atMs - nowMs.value)}.`;

const Refusals = ({ refusals }: { refusals: readonly Refusal[] }) =>
  refusals.length === 0
    ? null
    : html`<ul class="plain trouble">${refusals.slice(0, SHOWN_MAX).map(
        ({ service, pool, rule, risk, because, againAtMs, counterfactual }) => html`<li>
          <p><${Chip} tone="bad">${rule}<//> refuses ${service}/${pool}: ${because} <span class="dim">(${risk} risk)</span></p>
          <p class="because">${counterfactual}${againAtMs === null ? '' : html`.<${When} atMs=${againAtMs} />`}</p>
        </li>`,
      )}<${More} of=${refusals.length} what="refusal" /></ul>`;

const SHOWN_MAX = 20;
const STEP_HOLDS_MAX = 5;
const More = ({ of, what }: { of: number; what: string }) =>
  of > SHOWN_MAX ? html`<li class="dim">and ${count(of - SHOWN_MAX, what)} more</li>` : null;

const List = ({ title, items, what, none }: { title: string; items: readonly Node[]; what: string; none?: string }) =>
  items.length === 0 && none === undefined
    ? null
    : html`<h4>${title}</h4>${items.length === 0 ? html`<p class="dim">${none}</p>` : html`<ul class="plain">${items.slice(0, SHOWN_MAX)}<${More} of=${items.length} what=${what} /></ul>`}`;

const TONES: Readonly<Record<string, Tone>> = { critical: 'bad', warning: 'warn', info: 'idle' };
const heldItems = (holds: Forecast['holds']): readonly Node[] =>
  holds.map(({ service, pool, hold, because }) => html`<li><${Chip} tone="warn">held: ${hold}<//> ${service}/${pool}: ${because}</li>`);

const Steps = ({ steps }: Pick<Forecast, 'steps'>) =>
  steps.length === 0
    ? html`<p>Nothing would be decided.</p>`
    : html`<ol class="plain">${steps.map(
        ({ afterMs, v, because, changes, holds }) => html`<li>
        <p><b class="number">${afterMs === 0 ? 'at once' : `+${duration(afterMs)}`}</b> decision ${v}: ${because}</p>
        <ul>${alike(changes).map((change) => html`<li>${namesText(change.services)}: ${movesText(change) || 'stays as it is'}</li>`)}
          ${heldItems(holds).slice(0, STEP_HOLDS_MAX)}
          ${holds.length > STEP_HOLDS_MAX ? html`<li class="dim">and ${count(holds.length - STEP_HOLDS_MAX, 'hold')} more</li>` : null}</ul>
      </li>`,
      )}</ol>`;

/** `of`: what it follows from, where several stand side by side. */
const Followed = still(({ forecast, of = '' }: { forecast: Forecast; of?: string }) => {
  const { services, steps, holds, pages } = forecast;
  const changed = services.filter(isChanged);
  const rest = services.length - changed.length;
  return html`<div><${Steps} steps=${steps} />
    ${
      changed.length === 0
        ? null
        : html`<${Table} caption="Services whose route or write would change ${of}" head=${['service', 'share', 'providers write', 'capacity', 'users there in']}>
          ${changed.slice(0, SHOWN_MAX).map(
            (
              each,
            ) => html`<tr key=${each.service}><th scope="row">${each.service}</th><td><${Moves} ...${each} /></td><td><${Writes} service=${each} /></td>
              <td><${Capacity} capacity=${each.capacity} /></td><td><${Arrival} service=${each} /></td></tr>`,
          )}
        <//>`
    }
    ${changed.length > SHOWN_MAX ? html`<p class="dim">and ${count(changed.length - SHOWN_MAX, 'service')} more that change</p>` : null}
    ${rest > 0 ? html`<p class="dim">${count(rest, 'service')} ${rest === 1 ? 'stays' : 'stay'} as now</p>` : null}
    <${List} title="Held at the end" what="hold" items=${heldItems(holds)} />
    <${List} title="Who is told" what="page" none="Nobody is paged." items=${pages.map(({ severity, type, summary }) => html`<li><${Chip} tone=${TONES[severity] ?? 'idle'}>${severity}<//> <code>${type}</code> ${summary}</li>`)} /></div>`;
});

const noteItems = (notes: readonly string[]): readonly Node[] => [...new Set(notes)].map((note) => html`<li>${note}</li>`);

const sentence = ({ forecast, refusals }: Told): string => {
  if (refusals.length > 0) return `${count(refusals.length, 'refusal')} by safety rules: nothing would be written.`;
  if (forecast === null) return 'What follows could not be foretold.';
  const changes = new Set(forecast.steps.flatMap((step) => step.changes.map(({ service }) => service))).size;
  const isBack = changes > 0 && forecast.services.every((service) => moves(service).length === 0);
  const critical = forecast.pages.filter(({ severity }) => severity === 'critical').length;
  return `${changes === 0 ? 'No route changes' : `${count(changes, 'service')} ${changes === 1 ? 'changes' : 'change'}${isBack ? ', and at the end all is as now' : ''}`}; ${critical === 0 ? 'nobody is woken' : `${count(critical, 'critical page')}`}.`;
};

/** `idle`: what stands there while nothing can be asked. `passes`: the refusals are what break-glass would pass. */
export const Foretold = ({ preview, idle, passes = false }: { preview: Preview; idle: string; passes?: boolean }) => {
  const { told, error, busy, atMs, v, again } = preview;
  const refusals = told?.refusals ?? [];
  return html`<section class="note" aria-label="What would follow" aria-busy=${busy}>
    <p class="row"><b>What would follow</b>
      <span role="status">${told === null ? (busy ? 'asking …' : error === null ? idle : '') : passes && refusals.length > 0 ? `It passes ${count(refusals.length, 'refusal')} by break-glass.` : sentence(told)}</span>
      ${told === null && error === null ? null : html`<span class="dim">foretold <${Ago} atMs=${atMs} /></span> ${v === decided.value ? null : html`<${Chip} tone="warn">a decision came since<//>`} <button type="button" class="quiet" onClick=${again}>look again</button>`}</p>
    <${Trouble} error=${error} />
    <${Refusals} refusals=${refusals} />
    ${
      told?.forecast == null
        ? null
        : refusals.length === 0 || passes
          ? html`<${Followed} forecast=${told.forecast} />`
          : html`<details><summary>If it stood all the same</summary><${Followed} forecast=${told.forecast} /></details>`
    }
    <${List} title="Notes" what="note" items=${noteItems([...(told?.notes ?? []), ...(told?.forecast?.notes ?? [])])} />
  </section>`;
};

// ---- as a story ----

const Story = ({ forecast, of }: { forecast: Forecast; of: string }) => html`
  <${Refusals} refusals=${forecast.refusals} />
  <${Followed} forecast=${forecast} of=${of} />
  <${List} title="What it could not know" what="note" items=${noteItems(forecast.notes)} />`;

// ---- of what is supposed ----
// What would happen if: each region's death in a table, and whatever one wants to suppose. It writes nothing, so whoever may look may ask.

/** A replica works at it beside its probes: it takes its time. */
const FORECAST_MS = 20_000;
const HYPOTHESES_MAX = 20;
const HORIZONS_MS = [60_000, 120_000, 300_000, 600_000, 1_800_000];
type Input = { currentTarget: HTMLInputElement | HTMLSelectElement };

const regionOf = (): ((pool: string) => string | undefined) => {
  const regions = new Map(
    (overview.peek()?.services ?? []).flatMap(({ name, pools }) => pools.map((pool) => [`${name}/${pool.name}`, pool.region])),
  );
  return (pool) => regions.get(pool);
};

// ---- each region's death ----

const Left = ({ gist }: { gist: Gist }) =>
  gist.tightest === null
    ? html`<span class="dim">not known</span>`
    : html`<${Mark} state=${gist.tightest.leftPercent < 0 ? 'down' : 'ok'} says="${Math.round(gist.tightest.leftPercent)} % left" /> <span class="dim">${gist.tightest.service}${gist.overloaded > 1 ? ` and ${gist.overloaded - 1} more below 0` : ''}</span>`;

interface RegionProps {
  region: string;
  forecast: Forecast;
  isPicked: boolean;
  pick(region: string): void;
}
const Region = still(({ region, forecast, isPicked, pick }: RegionProps) => {
  const gist = gistOf(forecast, regionOf());
  return html`<tr>
    <th scope="row" class="tight">${region}</th>
    <td class="says">${gist.moved === 0 ? html`<span class="dim">nothing moves; its story says why</span>` : shareText(gist)}</td>
    <td class="number">${gist.moved}</td>
    <td><${Left} gist=${gist} /></td>
    <td>${gist.refused === 0 ? html`<span class="dim">nothing</span>` : html`<${Mark} state="fail" says=${count(gist.refused, 'refusal')} />`}${gist.held === 0 ? null : html` <${Chip} tone="warn">${gist.held} held<//>`}</td>
    <td>${gist.followMs === null ? html`<span class="dim">not known</span>` : duration(gist.followMs)}</td>
    <td><button type="button" class="quiet" aria-pressed=${isPicked} aria-label="the story of ${region}" onClick=${() => pick(region)}>story</button></td>
  </tr>`;
});

const Deaths = () => {
  const [found, setFound] = useState<{ matrix: WhatIfMatrix; atMs: number } | null>(null);
  const [picked, pick] = useState('');
  const story = found?.matrix.regions.find(({ region }) => region === picked)?.forecast;
  const deed = useDeed();
  const look = () =>
    deed.run(async () => {
      const matrix = (await (await ask('/v1/matrix', { ms: FORECAST_MS })).json()) as WhatIfMatrix;
      setFound({ matrix, atMs: overview.peek()?.clusterTimeMs ?? 0 });
    });
  return html`<h3>If a region dies now</h3>
    <p class="row"><button type="button" disabled=${deed.busy} onClick=${look}>${deed.busy ? 'Working it out …' : found === null ? 'Work it out' : 'Again'}</button>
      ${found === null ? html`<span class="dim">each region in turn, two minutes ahead</span>` : html`<span class="dim">as things stood <${At} atMs=${found.atMs} /></span>`}</p>
    <${Trouble} error=${deed.error} />
    ${
      found === null
        ? null
        : html`<${Table} caption="What if each region died" head=${['region', 'its traffic goes to', 'services', 'tightest', 'refused', 'users follow within', 'more']}>
      ${found.matrix.regions.map(({ region, forecast }) => html`<${Region} key=${region} region=${region} forecast=${forecast} isPicked=${region === picked} pick=${pick} />`)}
    <//>`
    }
    ${story === undefined ? null : html`<div class="note"><h4>If ${picked} dies</h4><${Story} of="if ${picked} dies" forecast=${story} /></div>`}`;
};

// ---- whatever one supposes ----

const Choice = ({
  label,
  value,
  options,
  set,
}: {
  label: string;
  value: string;
  options: readonly (readonly [string, string])[];
  set(value: string): void;
}) =>
  html`<${Field} label=${label} control=${(
    id: string,
  ) => html`<select id=${id} value=${value} onChange=${({ currentTarget }: Input) => set(currentTarget.value)}>
    ${options.some(([each]) => each === value) ? null : html`<option value=${value}>${value === '' ? 'choose' : value}</option>`}
    ${options.map(([each, says]) => html`<option value=${each}>${says}</option>`)}</select>`} />`;

const named = (names: readonly string[]): readonly (readonly [string, string])[] => names.map((name) => [name, name]);

const Text = ({
  label,
  value,
  set,
  hint,
  options,
}: {
  label: string;
  value: string;
  set(value: string): void;
  hint?: string;
  options?: readonly string[];
}) =>
  html`<${Field} label=${label} hint=${hint} control=${(
    id: string,
  ) => html`<input id=${id} value=${value} list=${options === undefined ? undefined : `${id}-names`} autocomplete="off" onInput=${({ currentTarget }: Input) => set(currentTarget.value)} />
    ${options === undefined ? null : html`<datalist id="${id}-names">${options.map((name) => html`<option value=${name} />`)}</datalist>`}`} />`;

const Place = ({
  draft,
  set,
  parts,
}: {
  draft: Supposed;
  set(next: Supposed): void;
  parts: readonly ('region' | 'service' | 'pool')[];
}) => {
  const seen = overview.value;
  const services = seen?.services ?? [];
  const pools = services.find(({ name }) => name === draft.service)?.pools.map(({ name }) => name) ?? [];
  return html`
    ${parts.includes('region') ? html`<${Choice} label="region" value=${draft.region} options=${named(seen?.regions.map(({ name }) => name) ?? [])} set=${(region: string) => set({ ...draft, region })} />` : null}
    ${parts.includes('service') ? html`<${Text} label="service" value=${draft.service} options=${services.map(({ name }) => name)} set=${(service: string) => set({ ...draft, service, pool: '', weights: {} })} />` : null}
    ${parts.includes('pool') ? html`<${Choice} label="pool" value=${draft.pool} options=${named(pools)} set=${(pool: string) => set({ ...draft, pool })} />` : null}`;
};

const Weights = ({ draft, set }: { draft: Supposed; set(next: Supposed): void }) => {
  const pools = overview.value?.services.find(({ name }) => name === draft.service)?.pools ?? [];
  const sum = Object.values(sharesOf(draft)).reduce((all, share) => all + share, 0);
  return html`<fieldset><legend>shares in per cent, together 100 (now ${percent(sum)})</legend>
    ${pools.map(({ name }) => html`<${Text} key=${name} label=${name} value=${draft.weights[name] ?? ''} set=${(share: string) => set({ ...draft, weights: { ...draft.weights, [name]: share } })} />`)}</fieldset>`;
};

const PLACES = { region: ['region'], service: ['service'], pool: ['service', 'pool'], everything: [] } as const;

const Order = ({ draft, set }: { draft: Supposed; set(next: Supposed): void }) => html`
  <${Choice} label="order" value=${draft.order} options=${named(Object.keys(COVERS))} set=${(order: string) => set(withOrder(draft, order as OrderKind))} />
  <${Choice} label="covers" value=${draft.covers} options=${named(COVERS[draft.order])} set=${(covers: string) => set({ ...draft, covers: covers as Supposed['covers'] })} />
  <${Place} draft=${draft} set=${set} parts=${PLACES[draft.covers]} />
  ${draft.order === 'pin' ? html`<${Weights} draft=${draft} set=${set} />` : null}
  <${Text} label="for" value=${draft.ttl} set=${(ttl: string) => set({ ...draft, ttl })} hint="such as 90m or 4h" />`;

const Fields = ({ draft, set }: { draft: Supposed; set(next: Supposed): void }) => {
  switch (draft.kind) {
    case 'pool-down':
      return html`<${Place} draft=${draft} set=${set} parts=${['service', 'pool']} />`;
    case 'override':
      return html`<${Order} draft=${draft} set=${set} />`;
    case 'override-gone':
      return html`<${Choice} label="order" value=${draft.id} options=${(overview.value?.overrides.items ?? []).map(({ id, kind }) => [id, `${id} (${kind})`] as const)} set=${(id: string) => set({ ...draft, id })} />`;
    default:
      return html`<${Place} draft=${draft} set=${set} parts=${['region']} />`;
  }
};

interface Answer {
  hypotheses: readonly Hypothesis[];
  horizonMs: number;
  forecast: Forecast;
}

const Suppose = () => {
  const [drafts, setDrafts] = useState<readonly Supposed[]>([]);
  const [horizonMs, setHorizon] = useState(HORIZONS_MS[2] ?? 300_000);
  const [told, setTold] = useState<Answer | null>(null);
  const deed = useDeed();
  const seen = overview.value;
  const fresh = (): Supposed => freshDraft(seen?.regions[0]?.name ?? '', seen?.services[0]?.name ?? '');
  const put = (n: number, draft: Supposed) => setDrafts(drafts.map((each, at) => (at === n ? draft : each)));
  const submit = (event: Event): void => {
    event.preventDefault();
    const hypotheses = drafts.map(hypothesisOf);
    deed.run(async () => {
      const forecast = (await (
        await ask('/v1/simulate', { method: 'POST', body: { hypotheses, horizonMs }, ms: FORECAST_MS })
      ).json()) as Forecast;
      setTold({ hypotheses, horizonMs, forecast });
    });
  };
  return html`<h3>Suppose that</h3>
    <form class="form" onSubmit=${submit}>
      ${drafts.length === 0 ? html`<p class="dim">Nothing else happens: what is under way goes on.</p>` : null}
      ${drafts.map(
        (draft, n) => html`<fieldset key=${n}><legend>${n === 0 ? 'first' : 'and'}</legend>
        <${Choice} label="what" value=${draft.kind} options=${SUPPOSABLE} set=${(kind: string) => put(n, { ...draft, kind: kind as Supposed['kind'] })} />
        <${Fields} draft=${draft} set=${(next: Supposed) => put(n, next)} />
        <button type="button" class="quiet" onClick=${() => setDrafts(drafts.filter((_, at) => at !== n))}>leave it out</button>
      </fieldset>`,
      )}
      <p class="row"><button type="button" disabled=${drafts.length >= HYPOTHESES_MAX} onClick=${() => setDrafts([...drafts, fresh()])}>${drafts.length === 0 ? 'suppose something' : 'and something else'}</button></p>
      <${Choice} label="look ahead" value=${`${horizonMs}`} options=${HORIZONS_MS.map((ms) => [`${ms}`, duration(ms)] as const)} set=${(ms: string) => setHorizon(Number(ms))} />
      <p class="row"><button class="primary" disabled=${deed.busy}>${deed.busy ? 'Working it out …' : 'What would happen?'}</button> <span class="dim">writes nothing</span></p>
    </form>
    <${Trouble} error=${deed.error} />
    <div role="status">${told === null ? null : html`<p><strong>${told.hypotheses.length === 0 ? 'As things are' : `If ${told.hypotheses.map(sentenceOf).join(', and ')}`}:</strong> <span class="dim">${duration(told.horizonMs)} ahead</span></p>`}</div>
    ${told === null ? null : html`<${Story} of="as supposed" forecast=${told.forecast} />`}`;
};

export const WhatIf = () => html`<${Panel} id="what-if" title="What if"><${Deaths} /><${Suppose} /><//>`;

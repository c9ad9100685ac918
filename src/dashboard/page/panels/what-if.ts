// What would happen if: each region's death in a table, and whatever one wants to suppose. It writes nothing, so whoever may look may ask.
import { useState } from 'preact/hooks';
import type { Forecast, WhatIfMatrix } from '../../../client/schema.ts';
import { type Gist, gistOf, shareText } from '../forecast.ts';
import { html } from '../html.ts';
import { ask } from '../live/api.ts';
import { overview } from '../live/live.ts';
import { At, Chip, Field, Mark, Panel, still, Table, Trouble, useDeed } from '../parts.ts';
import {
  COVERS,
  type Draft,
  freshDraft,
  type Hypothesis,
  hypothesisOf,
  KINDS,
  type OrderKind,
  sentenceOf,
  weightsOf,
  withOrder,
} from '../suppose.ts';
import { count, duration, percent } from '../words.ts';
import { Story } from './story.ts';

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

const Place = ({ draft, set, parts }: { draft: Draft; set(next: Draft): void; parts: readonly ('region' | 'service' | 'pool')[] }) => {
  const seen = overview.value;
  const services = seen?.services ?? [];
  const pools = services.find(({ name }) => name === draft.service)?.pools.map(({ name }) => name) ?? [];
  return html`
    ${parts.includes('region') ? html`<${Choice} label="region" value=${draft.region} options=${named(seen?.regions.map(({ name }) => name) ?? [])} set=${(region: string) => set({ ...draft, region })} />` : null}
    ${parts.includes('service') ? html`<${Text} label="service" value=${draft.service} options=${services.map(({ name }) => name)} set=${(service: string) => set({ ...draft, service, pool: '', weights: {} })} />` : null}
    ${parts.includes('pool') ? html`<${Choice} label="pool" value=${draft.pool} options=${named(pools)} set=${(pool: string) => set({ ...draft, pool })} />` : null}`;
};

const Weights = ({ draft, set }: { draft: Draft; set(next: Draft): void }) => {
  const pools = overview.value?.services.find(({ name }) => name === draft.service)?.pools ?? [];
  const sum = Object.values(weightsOf(draft)).reduce((all, share) => all + share, 0);
  return html`<fieldset><legend>shares in per cent, together 100 (now ${percent(sum)})</legend>
    ${pools.map(({ name }) => html`<${Text} key=${name} label=${name} value=${draft.weights[name] ?? ''} set=${(share: string) => set({ ...draft, weights: { ...draft.weights, [name]: share } })} />`)}</fieldset>`;
};

const PLACES = { region: ['region'], service: ['service'], pool: ['service', 'pool'], everything: [] } as const;

const Order = ({ draft, set }: { draft: Draft; set(next: Draft): void }) => html`
  <${Choice} label="order" value=${draft.order} options=${named(Object.keys(COVERS))} set=${(order: string) => set(withOrder(draft, order as OrderKind))} />
  <${Choice} label="covers" value=${draft.covers} options=${named(COVERS[draft.order])} set=${(covers: string) => set({ ...draft, covers: covers as Draft['covers'] })} />
  <${Place} draft=${draft} set=${set} parts=${PLACES[draft.covers]} />
  ${draft.order === 'pin' ? html`<${Weights} draft=${draft} set=${set} />` : null}
  <${Text} label="for" value=${draft.ttl} set=${(ttl: string) => set({ ...draft, ttl })} hint="such as 90m or 4h" />`;

const Fields = ({ draft, set }: { draft: Draft; set(next: Draft): void }) => {
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

interface Told {
  hypotheses: readonly Hypothesis[];
  horizonMs: number;
  forecast: Forecast;
}

const Suppose = () => {
  const [drafts, setDrafts] = useState<readonly Draft[]>([]);
  const [horizonMs, setHorizon] = useState(HORIZONS_MS[2] ?? 300_000);
  const [told, setTold] = useState<Told | null>(null);
  const deed = useDeed();
  const seen = overview.value;
  const fresh = (): Draft => freshDraft(seen?.regions[0]?.name ?? '', seen?.services[0]?.name ?? '');
  const put = (n: number, draft: Draft) => setDrafts(drafts.map((each, at) => (at === n ? draft : each)));
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
        <${Choice} label="what" value=${draft.kind} options=${KINDS} set=${(kind: string) => put(n, { ...draft, kind: kind as Draft['kind'] })} />
        <${Fields} draft=${draft} set=${(next: Draft) => put(n, next)} />
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

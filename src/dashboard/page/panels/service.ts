// One service, whole: its pools and why they are as they are, every vantage's word on every target, what was written where, and what would have changed it.
import type { Dossier, MatrixCell, ServiceOne } from '../../../client/schema.ts';
import { html, type Node } from '../html.ts';
import { asked, want } from '../live/address.ts';
import { get } from '../live/api.ts';
import { overview } from '../live/live.ts';
import { nameOf } from '../order-form.ts';
import { Ago, At, Chip, Dialog, Mark, Share, Table, type Tone, Trouble, useAsked } from '../parts.ts';
import { count, duration, list, percent } from '../words.ts';
import { Left, OrderLink, StageChip } from './order-parts.ts';

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

// What a decision moved: shares before and after, by service; what each provider was asked to serve, how that went, and when it last proved that it works.
import { useState } from 'preact/hooks';
import type { Dossier, Route } from '../../../client/schema.ts';
import { html } from '../html.ts';
import { overview } from '../live/live.ts';
import { Ago, Mark, Share, Table } from '../parts.ts';
import { count, duration, percent } from '../words.ts';

type Change = Dossier['changes'][number];
type Step = Dossier['trail'][number];

const OUTCOMES: Readonly<Record<Step['outcome'], string>> = {
  applied: 'done',
  conflict: 'warn',
  undecided: 'warn',
  fatal: 'failed',
  refused: 'failed',
};

export const Write = ({ step }: { step: Step }) => html`<span>
  <${Mark} state=${OUTCOMES[step.outcome]} says="${step.provider} ${step.outcome}" /> <span class="dim">${duration(step.afterMs)} after, took ${duration(step.tookMs)}${step.tries > 1 ? `, ${count(step.tries, 'try', 'tries')}` : ''}</span>
  ${step.because === '' ? null : html` ${step.because}`}
  ${step.settled === undefined ? null : html` <span class="dim">then ${step.settled.ended} in ${duration(step.settled.tookMs)}${step.settled.because === '' ? '' : `: ${step.settled.because}`}</span>`}
  ${step.requests.length === 0 ? null : html` <span class="dim">requests ${step.requests.map((id) => html`<code>${id}</code> `)}</span>`}
</span>`;

const Proof = ({ service }: { service: string }) => {
  const found = overview.value?.services.find(({ name }) => name === service);
  if (found === undefined) return null;
  return found.provenAtMs === null
    ? html`<p class="dim">never proved that its traffic moves</p>`
    : html`<p class="dim">last proved that its traffic moves <${Ago} atMs=${found.provenAtMs} /></p>`;
};

const pools = ({ before, after }: { before: Route; after: Route }): readonly string[] => [
  ...new Set([...Object.keys(before), ...Object.keys(after)]),
];

const Rows = ({ change, trail }: { change: Change; trail: readonly Step[] }) => {
  const names = pools(change);
  return html`${names.map((pool, n) => {
    const [from, to] = [change.before[pool] ?? 0, change.after[pool] ?? 0];
    return html`<tr>
      ${n === 0 ? html`<th scope="rowgroup" rowspan=${names.length}>${change.service}</th>` : null}
      <td class="tight">${pool}</td><td><${Share} value=${from} /></td><td><${Share} value=${to} /></td>
      <td class="number">${from === to ? '' : `${to > from ? '+' : '−'}${percent(Math.abs(to - from))}`}</td>
      ${n === 0 ? html`<td rowspan=${names.length}>${trail.length === 0 ? html`<span class="dim">no write is on record</span>` : trail.map((step) => html`<p key=${step.provider}><${Write} step=${step} /></p>`)}<${Proof} service=${change.service} /></td>` : null}
    </tr>`;
  })}`;
};

const SHOWN_MAX = 10;

export const Shares = ({ changes, trail }: { changes: readonly Change[]; trail: readonly Step[] }) => {
  const [isAll, setAll] = useState(false);
  if (changes.length === 0) return html`<p class="dim">It moved no traffic.</p>`;
  const shown = isAll ? changes : changes.slice(0, SHOWN_MAX);
  const steps = Map.groupBy(trail, ({ service }) => service);
  return html`<${Table} caption="Shares before and after, and what was written" head=${['service', 'pool', 'before', 'after', 'change', 'provider']}>
      ${shown.map((change) => html`<${Rows} key=${change.service} change=${change} trail=${steps.get(change.service) ?? []} />`)}
    <//>
    ${changes.length > SHOWN_MAX ? html`<button type="button" onClick=${() => setAll(!isAll)}>${isAll ? `the first ${SHOWN_MAX}` : `all ${changes.length} services`}</button>` : null}`;
};

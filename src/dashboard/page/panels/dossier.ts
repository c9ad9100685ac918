// Everything that is known of one decision, over whatever one looks at: `#decision=41`.
import { useEffect, useState } from 'preact/hooks';
import type { Dossier } from '../../../client/schema.ts';
import { after, save } from '../browser.ts';
import { html } from '../html.ts';
import { asked, want } from '../live/address.ts';
import { get } from '../live/api.ts';
import { At, Chip, Dialog, Mark, still, Table, Trouble } from '../parts.ts';
import { duration } from '../words.ts';
import { Shares, Write } from './shares.ts';

type Evidence = Dossier['evidence'][number];

const SHOWN_MAX = 20;

const Ballots = ({ evidence }: { evidence: readonly Evidence[] }) => {
  const [isAll, setAll] = useState(false);
  const regions = [...new Set(evidence.flatMap(({ ballots }) => Object.keys(ballots)))];
  if (evidence.length === 0) return html`<p class="dim">It rests on no count: an order, or a hold that passed.</p>`;
  return html`<${Table} caption="What was counted, by endpoint and vantage" head=${['endpoint', 'verdict', 'count', 'first fault', ...regions]}>
      ${(isAll ? evidence : evidence.slice(0, SHOWN_MAX)).map(
        ({ endpoint, verdict, down, electorate, needs, firstFaultAgoMs, ballots }) => html`<tr key=${endpoint}>
        <th scope="row">${endpoint}</th><td><${Mark} state=${verdict ?? 'unknown'} /></td>
        <td>${down} of ${electorate} down${needs === null ? '' : `, needs ${needs}`}</td><td>${firstFaultAgoMs === null ? '–' : `${duration(firstFaultAgoMs)} before`}</td>
        ${regions.map((region) => html`<td>${ballots[region] === undefined ? html`<span class="dim">not asked</span>` : html`<${Mark} state=${ballots[region]} />`}</td>`)}
      </tr>`,
      )}
    <//>
    ${evidence.length > SHOWN_MAX ? html`<button type="button" onClick=${() => setAll(!isAll)}>${isAll ? 'fewer' : `all ${evidence.length} endpoints`}</button>` : null}`;
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
  ${holds.slice(0, SHOWN_MAX).map(({ service, pool, hold, because }) => html`<p><${Chip} tone="warn">${hold}<//> ${service}/${pool}: ${because}</p>`)}
  ${holds.length > SHOWN_MAX ? html`<p class="dim">and ${holds.length - SHOWN_MAX} holds more</p>` : null}`;

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

const Whole = still(({ dossier }: { dossier: Dossier }) => {
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
const AGAIN_MS = 3_000;

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
          if (isOpen(found)) stop = after(AGAIN_MS, look);
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
  return html`<${Trouble} error=${error} />${dossier === null ? (error === null ? html`<p class="dim">Asking …</p>` : null) : html`<${Whole} dossier=${dossier} />`}`;
};

export const DecisionDialog = () => {
  const v = asked.value.decision ?? null;
  return html`<${Dialog} title="Decision ${v ?? ''}" open=${v !== null} onClose=${() => want('decision', null)}>${v === null ? null : html`<${Asked} key=${v} v=${v} />`}<//>`;
};

// What would follow of an act: asked of the dry run while the form is filled, shown with the rules that refuse it and when they would not.
import { computed } from '@preact/signals';
import { useEffect, useState } from 'preact/hooks';
import type { Forecast, Ordered, Refusal } from '../../../client/schema.ts';
import { after } from '../browser.ts';
import { html, type Node } from '../html.ts';
import { ask } from '../live/api.ts';
import { nowMs, overview } from '../live/live.ts';
import { Ago, Chip, Table, type Tone, Trouble } from '../parts.ts';
import { count, duration, percent, utc } from '../words.ts';

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

type Route = Readonly<Record<string, number>>;

/** What differs: pool, before, after. */
const moved = (before: Route, after: Route): readonly (readonly [string, number, number])[] =>
  [...new Set([...Object.keys(before), ...Object.keys(after)])]
    .map((pool) => [pool, before[pool] ?? 0, after[pool] ?? 0] as const)
    .filter(([, from, to]) => from !== to);

const Moves = ({ before, after }: { before: Route; after: Route }) => {
  const all = moved(before, after);
  return all.length === 0
    ? html`<span class="dim">as now</span>`
    : html`<ul class="plain moves">${all.map(([pool, from, to]) => html`<li>${pool} <span class="number">${percent(from)} → <b>${percent(to)}</b></span></li>`)}</ul>`;
};

type Foreseen = Forecast['services'][number];

const Capacity = ({ capacity }: Pick<Foreseen, 'capacity'>) => {
  if (capacity === null) return html`<span class="dim">not known</span>`;
  const { leftPercent, because } = capacity;
  const tone: Tone = leftPercent < 0 ? 'bad' : leftPercent < 10 ? 'warn' : 'good';
  return html`<${Chip} tone=${tone} title=${because}>${leftPercent < 0 ? `${Math.round(-leftPercent)} % too little` : `${Math.round(leftPercent)} % left`}<//>`;
};

const arrives = ({ mode, converge }: Foreseen): string => {
  if (mode !== 'auto') return `not written: ${mode}`;
  if (converge === null) return 'not written';
  return converge.source === 'history'
    ? `${duration(converge.p50Ms)}, p99 ${duration(converge.p99Ms)}`
    : `${duration(converge.p99Ms)} at worst`;
};

/** Providers that would be asked for just what is decided are only named. */
const Writes = ({ service: { before, after, writes } }: { service: Foreseen }) =>
  writes.length === 0
    ? html`<span class="dim">nothing</span>`
    : html`<ul class="plain">${writes.map((write) => {
        const alike = JSON.stringify(moved(write.before, write.after)) === JSON.stringify(moved(before, after));
        return html`<li>${write.provider}${alike ? html` <span class="dim">the same</span>` : html`<${Moves} before=${write.before} after=${write.after} />`}</li>`;
      })}</ul>`;

/** `When` of a rule that time alone lets pass. */
const When = ({ atMs }: { atMs: number }) => html` It would pass at ${utc(atMs, nowMs.value)} UTC, in ${duration(atMs - nowMs.value)}.`;

export const Refusals = ({ refusals }: { refusals: readonly Refusal[] }) =>
  refusals.length === 0
    ? null
    : html`<ul class="plain trouble">${refusals.slice(0, SHOWN_MAX).map(
        ({ service, pool, rule, risk, because, againAtMs, counterfactual }) => html`<li>
          <p><${Chip} tone="bad">${rule}<//> refuses ${service}/${pool}: ${because} <span class="dim">(${risk} risk)</span></p>
          <p class="because">${counterfactual}${againAtMs === null ? '' : html`.<${When} atMs=${againAtMs} />`}</p>
        </li>`,
      )}<${More} of=${refusals.length} what="refusal" /></ul>`;

const SHOWN_MAX = 12;
/** Of one decision. */
const STEP_MAX = 3;
const More = ({ of, what }: { of: number; what: string }) =>
  of > SHOWN_MAX ? html`<li class="dim">and ${count(of - SHOWN_MAX, what)} more</li>` : null;

const List = ({ title, items, what, none }: { title: string; items: readonly Node[]; what: string; none?: string }) =>
  items.length === 0 && none === undefined
    ? null
    : html`<h4>${title}</h4>${items.length === 0 ? html`<p class="dim">${none}</p>` : html`<ul class="plain">${items.slice(0, SHOWN_MAX).map((item) => html`<li>${item}</li>`)}<${More} of=${items.length} what=${what} /></ul>`}`;

const Followed = ({ forecast }: { forecast: Forecast }) => {
  const { services, steps, holds, pages } = forecast;
  const changed = services.filter(({ before, after, writes }) => moved(before, after).length > 0 || writes.length > 0);
  const rest = services.length - changed.length;
  return html`
    ${
      changed.length === 0
        ? null
        : html`<${Table} caption="Services whose route or write would change" head=${['service', 'share', 'providers write', 'capacity', 'users there in']}>
          ${changed.slice(0, SHOWN_MAX).map(
            (
              each,
            ) => html`<tr key=${each.service}><th scope="row">${each.service}</th><td><${Moves} ...${each} /></td><td><${Writes} service=${each} /></td>
              <td class="moves"><${Capacity} capacity=${each.capacity} /></td><td>${arrives(each)}</td></tr>`,
          )}
        <//>`
    }
    ${changed.length > SHOWN_MAX ? html`<p class="dim">and ${count(changed.length - SHOWN_MAX, 'service')} more that change</p>` : null}
    ${rest > 0 ? html`<p class="dim">${count(rest, 'service')} ${rest === 1 ? 'stays' : 'stay'} as now</p>` : null}
    <${List} title="Held" what="hold" items=${holds.map(({ service, pool, hold, because }) => html`<${Chip} tone="warn">${hold}<//> ${service}/${pool}: ${because}`)} />
    <${List} title="Decisions" what="decision" items=${steps.map(({ afterMs, v, because, changes }) => html`<span class="number">+${duration(afterMs)} v${v}</span> ${because}${changes.slice(0, STEP_MAX).map((change) => html`<div class="because">${change.service} <${Moves} before=${change.before} after=${change.after} /></div>`)}`)} />
    <${List} title="Who is told" what="page" none="Nobody is paged." items=${pages.map(({ severity, type, summary }) => html`<${Chip} tone=${severity === 'critical' ? 'bad' : severity === 'warning' ? 'warn' : 'idle'}>${severity}<//> <code>${type}</code> ${summary}`)} />`;
};

const sentence = ({ forecast, refusals }: Told): string => {
  if (refusals.length > 0) return `${count(refusals.length, 'refusal')} by safety rules: nothing would be written.`;
  if (forecast === null) return 'What follows could not be foretold.';
  const changes = new Set(forecast.steps.flatMap((step) => step.changes.map(({ service }) => service))).size;
  const isBack = changes > 0 && forecast.services.every(({ before, after }) => moved(before, after).length === 0);
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
    <${List} title="Notes" what="note" items=${[...new Set([...(told?.notes ?? []), ...(told?.forecast?.notes ?? [])])]} />
  </section>`;
};

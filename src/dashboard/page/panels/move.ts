// A move before it is ordered: the plan with its times, who has to agree, what would be lost, what can't be taken back. Then tried without writing, then ordered.
import { useEffect, useState } from 'preact/hooks';
import type { PlannedStep, Platform, RunBegun, RunOrder, RunPlan } from '../../../client/schema.ts';
import { freshKey } from '../browser.ts';
import { html, type Node } from '../html.ts';
import { want } from '../live/address.ts';
import { act, ask, get } from '../live/api.ts';
import { may } from '../live/session.ts';
import { Chip, Field, Mark, Table, Trouble, useDeed } from '../parts.ts';
import { numbersOf, personsText, planBars, sourceText, spanText } from '../steps.ts';
import { count, duration } from '../words.ts';
import { Doubt, Reason } from './deeds.ts';
import { Bars } from './run.ts';

const ON_FAIL: Readonly<Record<PlannedStep['onFail'], string>> = {
  stop: 'then it stops',
  continue: 'then it goes on',
  ask: 'then a human is asked',
};

const Way = ({ says, way }: { says: string; way: RunPlan['estimate']['whole'] }) => html`
  <dt>${says}</dt><dd><b>${spanText(way)}</b> <details><summary>by the longest way: ${count(way.path.length, 'step')}</summary><ol>${way.path.map((id) => html`<li><code>${id}</code></li>`)}</ol></details></dd>`;

/** What there is to know before it is ordered. */
const Summary = ({ plan }: { plan: RunPlan }) => {
  const { platform, model, from, to, mode, steps, estimate, approvals, losses, cannotUndo } = plan;
  const seeds = steps.filter((step) => step.estimate.source === 'seed').length;
  return html`<dl class="facts">
    <dt>move</dt><dd>${platform} (${model}) from ${from} to <b>${to}</b>, ${mode}</dd>
    <${Way} says="until ${to} serves" way=${estimate.recovery} />
    <${Way} says="until all has ended" way=${estimate.whole} />
    <dt>from</dt><dd>${count(steps.length - seeds, 'step')} measured here, ${seeds} assumed; waits for persons are in no estimate</dd>
    <dt>has to agree</dt><dd><${Lines} none="nobody else" all=${approvals.map(({ step, persons }) => html`${personsText(persons)} ${step === null ? 'more, to begin' : html`to <code>${step}</code>`}`)} /></dd>
    <dt>would be lost now${mode === 'graceful' ? ' if forced' : ''}</dt><dd><${Lines} none="nothing that is known of" all=${losses} /></dd>
    <dt>can’t be taken back</dt><dd><${Lines} none="nothing" all=${cannotUndo.map(({ step, because }) => html`<code>${step}</code> ${because}`)} /></dd>
  </dl>`;
};

const Lines = ({ all, none }: { all: readonly Node[]; none: string }) =>
  all.length === 0 ? none : html`<ul class="plain">${all.map((line) => html`<li>${line}</li>`)}</ul>`;

/** In their order, on one axis of time; what a step waits for is named by its number. */
const Steps = ({ plan: { steps } }: { plan: RunPlan }) => {
  const bars = planBars(steps);
  return html`<${Table} caption="Steps of the plan, in order" head=${['no.', 'step', 'after', 'when, and for how long', 'undo']}>
    ${steps.map(
      ({ id, target, phase, needs, estimate, timeoutMs, onFail, persons, undo }, at) => html`<tr key=${id}>
        <td class="number">${at + 1}</td>
        <th scope="row">${target}<br /><code class="dim">${id}</code> <${Chip}>${phase}<//>${persons === 0 ? '' : html` <${Chip} tone="warn">${personsText(persons)} to agree<//>`}</th>
        <td>${numbersOf(steps, needs)}</td>
        <td class="times"><${Bars} bar=${bars.get(id)} /> ${spanText(estimate)} <span class="dim">${sourceText(estimate)}; at most ${duration(timeoutMs)}, ${ON_FAIL[onFail]}</span></td>
        <td>${undo.can ? 'can be undone' : html`<span class="dim">no: ${undo.because}</span>`}</td>
      </tr>`,
    )}
  <//>`;
};

interface Wish {
  to: string;
  mode: RunOrder['mode'];
  purpose: RunOrder['purpose'];
  reason: string;
  ticket: string;
  /** Minutes, as typed. */
  forceAfter: string;
}

const orderOf = ({ to, mode, purpose, reason, ticket, forceAfter }: Wish): RunOrder => ({
  mode,
  purpose,
  reason: reason.trim(),
  ...(to === '' ? {} : { to }),
  ...(ticket.trim() === '' ? {} : { ticket: ticket.trim() }),
  ...(mode !== 'graceful' || forceAfter === '' ? {} : { forceAfterMs: Math.round(Number(forceAfter) * 60_000) }),
});

interface SelectProps {
  label: string;
  value: string;
  hint?: string;
  set(value: string): void;
  options: readonly (readonly [value: string, says: string])[];
}
const Select = ({ label, hint, value, set, options }: SelectProps) =>
  html`<${Field} label=${label} hint=${hint} control=${(id: string) => html`
  <select id=${id} value=${value} onChange=${({ currentTarget }: { currentTarget: HTMLSelectElement }) => set(currentTarget.value)}>
    ${options.map(([each, says]) => html`<option value=${each}>${says}</option>`)}
  </select>`} />`;

const Input = ({
  label,
  hint,
  value,
  set,
  ...rest
}: Omit<SelectProps, 'options'> & Readonly<Record<string, unknown>>) => html`<${Field} label=${label} hint=${hint}
  control=${(id: string) => html`<input id=${id} value=${value} autocomplete="off" ...${rest} onInput=${({ currentTarget }: { currentTarget: HTMLInputElement }) => set(currentTarget.value)} />`} />`;

/** The plan of a wish, asked anew when what it is made of changes. */
const usePlan = (platform: string, { to, mode, purpose }: Wish): { plan: RunPlan | null; error: unknown } => {
  const [state, set] = useState<{ plan: RunPlan | null; error: unknown }>({ plan: null, error: null });
  useEffect(() => {
    const cancel = new AbortController();
    const query = new URLSearchParams({ mode, purpose, ...(to === '' ? {} : { to }) });
    get<RunPlan>(`/v1/platforms/${encodeURIComponent(platform)}/plan?${query}`, cancel.signal).then(
      (plan) => set({ plan, error: null }),
      (error: unknown) => (cancel.signal.aborted ? undefined : set({ plan: null, error })),
    );
    return () => cancel.abort();
  }, [platform, to, mode, purpose]);
  return state;
};

const Tried = ({ begun: { run } }: { begun: RunBegun }): Node =>
  html`<p class="note" role="status"><${Mark} state="pass" says="Nothing was written." /> ${
    run.state === 'proposed'
      ? `It would be proposed, and begin when ${personsText((run.approval?.persons ?? 0) - (run.approval?.by.length ?? 0))} more ${run.approval?.persons === 2 ? 'has' : 'have'} agreed.`
      : 'It would begin at once.'
  }</p>`;

/** `onOrdered`: it stands. */
export const Move = ({ platform, onOrdered }: { platform: Platform; onOrdered(): void }) => {
  const [key] = useState(freshKey);
  const [wish, setWish] = useState<Wish>({ to: '', mode: 'graceful', purpose: 'failover', reason: '', ticket: '', forceAfter: '' });
  const [tried, setTried] = useState<RunBegun | null>(null);
  const { plan, error: noPlan } = usePlan(platform.name, wish);
  const { busy, error, run, clear } = useDeed();
  const set = (name: keyof Wish) => (value: string) => {
    setTried(null);
    clear();
    setWish((last) => ({ ...last, [name]: value }));
  };
  const url = `/v1/platforms/${encodeURIComponent(platform.name)}/runs`;
  const submit = (event: Event): void => {
    event.preventDefault();
    run(async () => {
      if (tried === null)
        return setTried((await (await ask(`${url}?dryRun=true`, { method: 'POST', body: orderOf(wish) })).json()) as RunBegun);
      // To the region that was shown, whatever has become the first of the priorities meanwhile.
      const begun = await act<RunBegun>('POST', url, { ...orderOf(wish), to: tried.plan.to }, { key });
      want('run', begun.run.id);
      onOrdered();
    });
  };
  const isOperator = may('operator');
  const shown = tried?.plan ?? plan;
  return html`<form class="form" onSubmit=${submit}>
    <${Select} label="Purpose" value=${wish.purpose} set=${set('purpose')} options=${[['failover', 'failover'], ['failback', 'failback: home again'], ['drill', 'drill']]} />
    <${Select} label="To" value=${wish.to} set=${set('to')} options=${[['', 'by the priorities'], ...platform.regions.filter((region) => region !== platform.active).map((region) => [region, region] as const)]} />
    <${Select} label="Mode" value=${wish.mode} set=${set('mode')} options=${[['graceful', 'graceful: nothing is lost'], ['ungraceful', 'ungraceful: the region that is left is gone, or counts as gone']]} />
    ${shown === null ? html`<p class="dim">${noPlan === null ? 'Asking for the plan …' : 'There is no plan.'}</p>` : html`<${Summary} plan=${shown} />`}
    ${
      isOperator
        ? html`${wish.mode === 'graceful' ? html`<${Input} label="Force after, in minutes" hint="It goes on ungracefully by itself when it has not ended by then. Empty: only when a human says so." type="number" min="1" max="1440" step="1" value=${wish.forceAfter} set=${set('forceAfter')} />` : null}
          <${Reason} value=${wish.reason} set=${set('reason')} />
          <${Input} label="Ticket, if there is one" value=${wish.ticket} set=${set('ticket')} maxlength="100" />`
        : html`<p class="dim">To order it takes an operator; the plan moves nothing.</p>`
    }
    <${Trouble} error=${error ?? noPlan} />${tried === null ? null : html`<${Doubt} error=${error} /><${Tried} begun=${tried} />`}
    ${
      isOperator
        ? html`<p class="row"><button class=${tried === null ? '' : 'danger'} disabled=${busy || plan === null}>${tried === null ? 'Try it: nothing is written' : `Order it: ${tried.plan.from} to ${tried.plan.to}, ${tried.plan.mode}`}</button>
          <span role="status">${busy ? 'asking …' : ''}</span></p>`
        : null
    }
  </form>
  ${shown === null ? null : html`<${Steps} plan=${shown} />`}`;
};

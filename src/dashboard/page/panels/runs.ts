// Runbooks: moves before they are ordered, runs while they go on, and what humans say to them.
import { useComputed } from '@preact/signals';
import { useEffect, useRef, useState } from 'preact/hooks';
import type {
  PlannedStep,
  Platform,
  PlatformList,
  Run,
  RunBegun,
  RunItem,
  RunList,
  RunOne,
  RunOrder,
  RunPlan,
  RunStep,
  RunWaiting,
  VerifyReport,
} from '../../../client/schema.ts';
import {
  type Bar,
  causeText,
  type Deed,
  deedsOf,
  isOpen,
  numbersOf,
  personsText,
  planBars,
  runBars,
  sourceText,
  spanText,
  stepsShown,
} from '../acts.ts';
import { freshKey } from '../browser.ts';
import { act, ask, asked, get, isNotOffered, may, nowMs, Refused, useWatched, want } from '../live.ts';
import {
  At,
  Chip,
  Dialog,
  Doubt,
  Empty,
  Field,
  html,
  letGo,
  Mark,
  type Node,
  Panel,
  still,
  Table,
  Trouble,
  useDeed,
  useKept,
} from '../parts.ts';
import { count, duration } from '../words.ts';

// ---- what a human says to a run ----
// What a human says to a run: agree, answer, stop, take back, force. Each with a reason, to the state that was read, under a key that is kept for retries.

/** A run as it was read, with the tag of what a human decides about. */
interface Read {
  run: Run;
  tag: string | null;
}

const readRun = async (id: string): Promise<Read> => {
  const answer = await ask(`/v1/runs/${encodeURIComponent(id)}`);
  return { run: ((await answer.json()) as RunOne).run, tag: answer.headers.get('etag') };
};

const Reason = ({
  value,
  set,
  most = 500,
  needed = true,
}: {
  value: string;
  set(text: string): void;
  most?: number;
  needed?: boolean;
}) => html`
  <${Field} label=${needed ? 'Reason' : 'Reason, if there is one'} hint=${needed ? 'What the next morning’s reader should know: 10 to 500 characters.' : undefined}
    control=${(
      id: string,
    ) => html`<input id=${id} value=${value} required=${needed} minlength=${needed ? 10 : undefined} maxlength=${most} autocomplete="off"
      onInput=${({ currentTarget }: { currentTarget: HTMLInputElement }) => set(currentTarget.value)} />`} />`;

type Choice = RunWaiting['choices'][number];
interface Wanted extends Read {
  deed: Deed;
  waiting: RunWaiting | null;
}

const SAYS: Readonly<Record<Deed, readonly [label: string, means: string]>> = {
  approve: ['Agree', 'It begins when enough different persons have agreed.'],
  answer: ['Answer', 'The step waits for your word.'],
  abort: ['Abort', 'Nothing more begins; what is under way ends, and what is done stays done.'],
  undo: ['Take back', 'What can be taken back is, last first. The steps say what can’t.'],
  force: ['Force', 'It goes on ungracefully: what only a graceful run does is left out. What is done stays done.'],
};
const CHOICES: Readonly<Record<Choice, string>> = {
  retry: 'retry: try the step again',
  skip: 'skip: go on without it',
  stop: 'stop: begin nothing more',
};

const bodyOf = ({ deed, waiting }: Wanted, choice: Choice, reason: string): object => {
  if (deed === 'answer') return { step: waiting?.step, choice, reason };
  const step = waiting?.step ?? null;
  return deed === 'approve' ? { ...(step === null ? {} : { step }), ...(reason === '' ? {} : { reason }) } : { reason };
};

const Form = ({ wanted, onDone }: { wanted: Wanted; onDone(): void }) => {
  const { deed, waiting } = wanted;
  const form = `${deed} ${wanted.run.id} ${waiting?.step ?? ''}`;
  const [key] = useKept(form, 'key', freshKey);
  const [{ run, tag }, setRead] = useState<Read>(wanted);
  const [reason, setReason] = useKept(form, 'reason', () => '');
  const [choice, setChoice] = useKept<Choice>(form, 'choice', () => waiting?.choices[0] ?? 'retry');
  const { busy, error, run: doIt } = useDeed();
  const submit = (event: Event): void => {
    event.preventDefault();
    doIt(async () => {
      await act('POST', `/v1/runs/${encodeURIComponent(run.id)}/${deed}`, bodyOf(wanted, choice, reason.trim()), {
        key,
        ...(tag === null ? {} : { ifMatch: tag }),
      });
      letGo(form);
      onDone();
    });
  };
  const isStale = error instanceof Refused && error.problem.status === 412;
  return html`<form class="form" onSubmit=${submit}>
    <p>${run.purpose} of <b>${run.platform}</b> from ${run.from} to ${run.to}${waiting?.step ? html`, step <code>${waiting.step}</code>` : null}; it is ${run.state}, ${run.mode}. ${SAYS[deed][1]}</p>
    ${waiting === null ? null : html`<p class="dim">${waiting.because}</p>`}
    ${
      deed === 'answer'
        ? html`<fieldset><legend>What becomes of it</legend>${waiting?.choices.map(
            (each) =>
              html`<label><input type="radio" name="choice" checked=${each === choice} onChange=${() => setChoice(each)} /> ${CHOICES[each]}</label>`,
          )}</fieldset>`
        : null
    }
    <${Reason} value=${reason} set=${setReason} needed=${deed !== 'approve'} />
    <${Trouble} error=${error} /><${Doubt} error=${error} />
    ${isStale ? html`<p><button type="button" onClick=${() => doIt(async () => setRead(await readRun(run.id)))}>Read it again, and keep what is written here</button></p>` : null}
    <p class="row"><button class=${deed === 'approve' ? 'primary' : 'danger'} disabled=${busy}>${SAYS[deed][0]}</button><span role="status">${busy ? 'sending …' : ''}</span></p>
  </form>`;
};

/** Who may not act sees what it waits for, and no buttons. */
const Controls = ({ read, onDone }: { read: Read; onDone(): void }) => {
  const [wanted, want] = useState<Wanted | null>(null);
  const button = (deed: Deed, waiting: RunWaiting | null, says: Node = SAYS[deed][0]): Node =>
    may(deed === 'approve' ? 'approver' : 'operator')
      ? html`<button type="button" onClick=${() => want({ ...read, deed, waiting })}>${says} …</button>`
      : null;
  const close = (): void => want(null);
  return html`
    ${
      read.run.waiting.length === 0
        ? null
        : html`<ul class="plain">${read.run.waiting.map(
            (each) => html`<li class="note">
              <p><b>${each.step ?? 'To begin'}</b>: ${each.because}</p>
              <p class="row dim">${each.wants === 'approval' ? `${each.by.length} of ${each.persons} agreed${each.by.length === 0 ? '' : `: ${each.by.join(', ')}`}` : 'waits for an answer'}
                ${button(each.wants === 'approval' ? 'approve' : 'answer', each)}</p>
            </li>`,
          )}</ul>`
    }
    <p class="row">${deedsOf(read.run).map((deed) => button(deed, null))}</p>
    <${Dialog} title=${wanted === null ? '' : `${SAYS[wanted.deed][0]}: ${wanted.run.id}`} open=${wanted !== null} onClose=${close}>
      ${
        wanted === null
          ? null
          : html`<${Form} wanted=${wanted} onDone=${() => {
              close();
              onDone();
            }} />`
      }
    <//>`;
};

// ---- one run ----
// One run: what it waits for, what can be said to it, and each step with what it took beside what it was to take.

/** By the marks that there are. */
const MARKED: Readonly<Record<string, string>> = {
  proposed: 'warn',
  running: 'warn',
  stopping: 'warn',
  asking: 'warn',
  acting: 'warn',
  undoing: 'warn',
  waiting: 'warn',
  aborted: 'fail',
  breach: 'fail',
  bad: 'fail',
  good: 'ok',
};
/** A state of a run, a step, a check or a line, with a mark. */
export const State = ({ state, title }: { state: string; title?: string }) =>
  html`<${Mark} state=${MARKED[state] ?? state} says=${state} title=${title} />`;

/** Estimated above, usual and slow; measured below. Its figures stand beside it. */
const Bars = ({ bar }: { bar: Bar | undefined }) =>
  bar === undefined
    ? null
    : html`<svg class="bars" viewBox="0 0 100 12" preserveAspectRatio="none" aria-hidden="true" focusable="false">
        <rect class="track" x=${bar.x} y="1" width=${bar.slow} height="4" />
        <rect class="usual" x=${bar.x} y="1" width=${Math.max(0.5, bar.usual)} height="4" />
        ${bar.took === null ? null : html`<rect class=${bar.isOver ? 'over' : 'fill'} x=${bar.x} y="7" width=${Math.max(0.5, bar.took)} height="4" />`}
      </svg>`;

/** Goes on counting while it is under way. */
const Took = ({ step }: { step: RunStep }) => {
  const text = useComputed(() => (step.startedAtMs === null ? '' : duration(Math.max(step.tookMs ?? 0, nowMs.value - step.startedAtMs))));
  const ended = step.endedAtMs !== null || !['acting', 'undoing'].includes(step.state);
  return html`<span class="number">${ended ? (step.tookMs === null ? '–' : duration(step.tookMs)) : text}</span>`;
};

const StepRow = still(({ step, bar, isOnWay }: { step: RunStep; bar: Bar | undefined; isOnWay: boolean }) => {
  const { id, target, phase, state, because, tries, persons, approvedBy, undo, estimate } = step;
  return html`<tr>
    <th scope="row">${target}<br /><code class="dim">${id}</code></th>
    <td>${phase}${isOnWay ? html`<br /><span class="dim">longest way</span>` : null}</td>
    <td><${State} state=${state} />${tries > 1 ? ` try ${tries}` : ''}
      ${because === '' || state === 'pending' ? null : html`<p class="dim">${because}</p>`}
      ${persons === 0 ? null : html`<p class="dim">${personsText(persons)} to agree${approvedBy.length === 0 ? '' : `; ${approvedBy.join(', ')} did`}</p>`}
      ${undo.can || state === 'pending' ? null : html`<p class="dim">no undo: ${undo.because}</p>`}
    </td>
    <td class="times"><${Bars} bar=${bar} /><${Took} step=${step} />${bar?.isOver ? html` <${Mark} state="slow" says="longer than p95" />` : null}
      <p class="dim">${spanText(estimate)}, ${sourceText(estimate)}</p></td>
  </tr>`;
});

const Facts = ({ read: { run } }: { read: Read }) => html`<dl class="facts">
  <dt>why</dt><dd>${causeText(run.cause)}${causeText(run.cause).startsWith(run.because) ? null : html`<br /><span class="dim">${run.because}</span>`}</dd>
  <dt>recovered</dt><dd>${run.recoveryMs === null ? 'not yet' : `after ${duration(run.recoveryMs)}`} <span class="dim">estimated ${spanText(run.estimate.recovery)}</span></dd>
  <dt>whole</dt><dd>${run.tookMs === null ? 'not begun' : duration(run.tookMs)} <span class="dim">estimated ${spanText(run.estimate.whole)}; waits for persons are in no estimate</span></dd>
  ${run.startedAtMs === null ? null : html`<dt>began</dt><dd><${At} atMs=${run.startedAtMs} /></dd>`}
  ${run.forceAfterMs === null ? null : html`<dt>forced</dt><dd>by itself ${duration(run.forceAfterMs)} after its begin</dd>`}
  ${run.aborted === null ? null : html`<dt>aborted</dt><dd>by ${run.aborted.by}: ${run.aborted.reason}</dd>`}
  <dt>carried out by</dt><dd>${run.executor === null ? 'nobody yet' : `${run.executor.region}/${run.executor.replica}`}</dd>
</dl>`;

const OPEN_MS = 5_000;
const ENDED_MS = 60_000;

/** `item`: as the list has it. */
const RunCard = ({ item, onChange }: { item: RunItem; onChange(): void }) => {
  const open = isOpen(item);
  const { value, error, again, ref } = useWatched(() => readRun(item.id), open ? OPEN_MS : ENDED_MS, ['run.changed'], `${item.id} ${open}`);
  const steps = value === null ? [] : stepsShown(value.run);
  const bars = runBars(steps);
  return html`<article class="card ${item.state === 'failed' || item.state === 'aborted' ? 'bad' : open ? 'warn' : 'good'}" ref=${ref} aria-label=${item.id}>
    <h3>${item.purpose} of ${item.platform}: ${item.from} to ${item.to}</h3>
    <p class="row" role="status"><${State} state=${item.state} /> <span>${item.mode}, ${item.progress.done} of ${item.progress.of} steps</span> <code class="dim">${item.id}</code></p>
    ${item.now.map((line) => html`<p class="because">${line}</p>`)}
    <${Trouble} error=${error} />
    ${
      value === null
        ? html`<p class="dim">Asking for its steps …</p>`
        : html`<${Controls} read=${value} onDone=${() => {
            again();
            onChange();
          }} />
          <${Facts} read=${value} />
          <${Table} caption="Steps of ${item.id}: what they took beside what they were to take" head=${['step', 'phase', 'state', 'took, beside estimated']}>
            ${steps.map((step) => html`<${StepRow} key=${step.id} step=${step} bar=${bars.get(step.id)} isOnWay=${value.run.criticalPath.includes(step.id)} />`)}
          <//>`
    }
  </article>`;
};

// ---- a move ----
// A move before it is ordered: the plan with its times, who has to agree, what would be lost, what can't be taken back. Then tried without writing, then ordered.

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

const BLANK: Wish = { to: '', mode: 'graceful', purpose: 'failover', reason: '', ticket: '', forceAfter: '' };

/** `onOrdered`: it stands. */
const Move = ({ platform, onOrdered }: { platform: Platform; onOrdered(): void }) => {
  const form = `move ${platform.name}`;
  const [key] = useKept(form, 'key', freshKey);
  const [wish, setWish] = useKept<Wish>(form, 'wish', () => BLANK);
  const [tried, setTried] = useState<RunBegun | null>(null);
  const { plan, error: noPlan } = usePlan(platform.name, wish);
  const { busy, error, run, clear } = useDeed();
  const set = (name: keyof Wish) => (value: string) => {
    setTried(null);
    clear();
    setWish({ ...wish, [name]: value });
  };
  const url = `/v1/platforms/${encodeURIComponent(platform.name)}/runs`;
  const submit = (event: Event): void => {
    event.preventDefault();
    run(async () => {
      if (tried === null)
        return setTried((await (await ask(`${url}?dryRun=true`, { method: 'POST', body: orderOf(wish) })).json()) as RunBegun);
      // To the region that was shown, whatever has become the first of the priorities meanwhile.
      const begun = await act<RunBegun>('POST', url, { ...orderOf(wish), to: tried.plan.to }, { key });
      letGo(form);
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

// ---- runbooks ----
// Runbooks: what moves together, how ready it is, what moves it now and what moved it before. The runs that go on stand open; others open by their name.

// ---- a platform ----

const ORDER = ['bad', 'unknown', 'good'];

const brokenIn = (readiness: Platform['readiness']): number =>
  readiness?.lines.filter(({ is, weight }) => is === 'bad' && weight === 'must').length ?? 0;

const Score = ({ readiness }: Pick<Platform, 'readiness'>) => {
  if (readiness === null) return html`<span class="dim">not audited yet</span>`;
  const broken = brokenIn(readiness);
  return html`${broken > 0 ? html`<${Chip} tone="bad">${broken} must be mended<//> ` : null}<b>${readiness.score} of 100</b>, <${At} atMs=${readiness.atMs} />`;
};

const Readiness = ({ name, readiness }: Pick<Platform, 'name' | 'readiness'>) => {
  const lines = readiness?.lines.toSorted((a, b) => ORDER.indexOf(a.is) - ORDER.indexOf(b.is)) ?? [];
  if (lines.length === 0) return null;
  return html`<details open=${brokenIn(readiness) > 0}><summary>Readiness: ${count(lines.length, 'check')}</summary>
    <${Table} caption="Readiness of ${name}" head=${['is', 'check', 'of', 'because', 'what to do']}>
      ${lines.map(({ is, check, of, weight, because, fix }) => html`<tr><td><${State} state=${is} /></td><th scope="row">${check} <span class="dim">${weight}</span></th><td>${of}</td><td>${because}</td><td>${fix}</td></tr>`)}
    <//>
  </details>`;
};

const LastRuns = ({ lastRuns }: Pick<Platform, 'lastRuns'>) =>
  lastRuns.length === 0
    ? html`<span class="dim">nothing was moved yet: all times are assumed</span>`
    : html`<ul class="plain">${lastRuns.map(
        ({ run, purpose, mode, tookMs, steps, atMs }) => html`<li>
          <details><summary><b>${duration(tookMs)}</b> ${purpose}, ${mode}, <${At} atMs=${atMs} /></summary>
            <dl class="facts">${Object.entries(steps).map(([id, ms]) => html`<dt><code>${id}</code></dt><dd>${duration(ms)}</dd>`)}</dl>
            <button type="button" class="link" onClick=${() => want('run', run)}>${run}</button>
          </details></li>`,
      )}</ul>`;

/** Asked on demand: it costs the systems around a look. */
const Verify = ({ name, regions }: Pick<Platform, 'name' | 'regions'>) => {
  const [region, setRegion] = useState('');
  const [report, set] = useState<VerifyReport | null>(null);
  const { busy, error, run } = useDeed();
  const look = (event: Event): void => {
    event.preventDefault();
    const query = region === '' ? '' : `?region=${encodeURIComponent(region)}`;
    run(async () => set(await get<VerifyReport>(`/v1/platforms/${encodeURIComponent(name)}/verify${query}`)));
  };
  return html`<form class="inline" onSubmit=${look}>
      <label>deployment in <select value=${region} onChange=${({ currentTarget }: { currentTarget: HTMLSelectElement }) => setRegion(currentTarget.value)}>
        <option value="">all regions</option>${regions.map((each) => html`<option value=${each}>${each}</option>`)}
      </select></label>
      <button disabled=${busy}>Verify</button><span role="status">${busy ? 'looking, up to ten seconds …' : report === null ? '' : `${report.outcome}, as ${report.by.region}/${report.by.replica} saw it`}</span>
    </form>
    <${Trouble} error=${error} />
    ${
      report === null
        ? null
        : html`<p><${State} state=${report.outcome === 'good' ? 'good' : 'bad'} /> <${At} atMs=${report.atMs} /></p>
          ${
            report.lines.length === 0
              ? html`<${Empty}>Nothing was looked at.<//>`
              : html`<${Table} caption="Deployment of ${name}, in the order in which it comes to be" head=${['step', 'region', 'is', 'of', 'because', 'what to do']}>
                ${report.lines.map((line) => html`<tr><th scope="row">${line.step}</th><td>${line.region}</td><td><${State} state=${line.is} /></td><td>${line.of}</td><td>${line.because}</td><td>${line.fix}</td></tr>`)}
              <//>`
          }`
    }`;
};

const PlatformCard = ({ platform, onChange }: { platform: Platform; onChange(): void }) => {
  const { name, model, regions, services, trigger, failback, active, sinceAtMs, because, openRun } = platform;
  const [moving, setMoving] = useState(false);
  const opener = useRef<HTMLButtonElement>(null);
  const close = (): void => {
    setMoving(false);
    opener.current?.focus();
  };
  return html`<article class="card ${openRun === null ? 'good' : 'warn'}" aria-labelledby="platform-${name}">
    <h3 id="platform-${name}">${name} <${Chip}>${model}<//></h3>
    <dl class="facts">
      <dt>active in</dt><dd><b>${active}</b>${sinceAtMs === null ? '' : html` since <${At} atMs=${sinceAtMs} />`} <span class="dim">${because}</span></dd>
      <dt>regions</dt><dd>${regions.map((region, at) => html`${region}${at === 0 ? html` <span class="dim">(home)</span>` : ''} `)}</dd>
      <dt>services</dt><dd>${services.join(', ')}</dd>
      <dt>begins</dt><dd>${{ off: 'by humans only', propose: 'when somebody agrees', auto: 'by itself' }[trigger]}; back home: ${failback}</dd>
      <dt>moves now</dt><dd>${openRun === null ? 'nothing' : html`<button type="button" class="link" onClick=${() => want('run', openRun.id)}>${openRun.purpose} to ${openRun.to}</button> <${State} state=${openRun.state} />`}</dd>
      <dt>readiness</dt><dd><${Score} readiness=${platform.readiness} /></dd>
      <dt>moves took</dt><dd><${LastRuns} lastRuns=${platform.lastRuns} /></dd>
    </dl>
    <${Readiness} name=${name} readiness=${platform.readiness} />
    <p><button type="button" ref=${opener} class=${may('operator') ? 'primary' : ''} onClick=${() => setMoving(true)}>${may('operator') ? `Move ${name} …` : `Plan a move of ${name} …`}</button></p>
    <${Verify} name=${name} regions=${regions} />
    <${Dialog} title="Move ${name}" open=${moving} onClose=${close}>${
      moving
        ? html`<${Move} platform=${platform} onOrdered=${() => {
            close();
            onChange();
          }} />`
        : null
    }<//>
  </article>`;
};

// ---- all of them, and their runs ----

const LOOK_MS = 15_000;
const SHOWN_MAX = 50;

const look = async () => {
  const [platforms, runs] = await Promise.all([get<PlatformList>('/v1/platforms'), get<RunList>(`/v1/runs?state=all&limit=${SHOWN_MAX}`)]);
  return { platforms: platforms.items, runs: runs.items, total: runs.total };
};

const Past = still(
  ({ item, isShown }: { item: RunItem; isShown: boolean }) => html`<tr>
    <th scope="row"><button type="button" class="link" aria-expanded=${isShown} onClick=${() => want('run', isShown ? null : item.id)}>${item.purpose} of ${item.platform}</button></th>
    <td>${item.from} to ${item.to}, ${item.mode}</td>
    <td><${State} state=${item.state} /></td>
    <td><${At} atMs=${item.startedAtMs ?? item.createdAtMs} /></td>
    <td>${item.recoveryMs === null ? '–' : duration(item.recoveryMs)} <span class="dim">of ${spanText(item.estimate.recovery)}</span></td>
    <td>${item.tookMs === null ? '–' : duration(item.tookMs)} <span class="dim">of ${spanText(item.estimate.whole)}</span></td>
    <td>${causeText(item.cause)}</td>
  </tr>`,
);

export const Runs = () => {
  const { value, error, again, ref } = useWatched(look, LOOK_MS, ['run.changed', 'config.applied']);
  const { platforms, runs, total } = value ?? { platforms: [], runs: [], total: 0 };
  const shown = runs.filter((item) => isOpen(item) || item.id === asked.value.run);
  const past = runs.filter((item) => !isOpen(item));
  return html`<${Panel} id="runs" title="Runbooks" watch=${ref}>
    ${isNotOffered(error) ? html`<${Empty}>This replica carries out no runs.<//>` : html`<${Trouble} error=${error} />`}
    ${value === null && error === null ? html`<${Empty}>Asking what there is …<//>` : null}
    ${value !== null && platforms.length === 0 ? html`<${Empty}>No platform is configured (cluster.platforms): routes move alone.<//>` : null}
    ${shown.map((item) => html`<${RunCard} key=${item.id} item=${item} onChange=${again} />`)}
    ${platforms.map((platform) => html`<${PlatformCard} key=${platform.name} platform=${platform} onChange=${again} />`)}
    ${
      past.length === 0
        ? null
        : html`<h3>Runs that have ended</h3>
          <${Table} caption="Runs that have ended, the newest first" head=${['run', 'move', 'state', 'began', 'recovered', 'took', 'why']}>
            ${past.map((item) => html`<${Past} key=${item.id} item=${item} isShown=${item.id === asked.value.run} />`)}
          <//>
          ${total > runs.length ? html`<p class="dim">${count(runs.length, 'run')} of ${total}; GET /v1/runs?state=all&limit=200 has more.</p>` : null}`
    }
  <//>`;
};

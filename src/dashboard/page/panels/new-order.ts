// A new order: what, where, why, for how long; what would follow is shown while it is filled. What is written here stays through refusals, doubts and a new
// sign-in, until it is placed or dropped.
import { computed, signal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import type { Ordered, Refusal } from '../../../client/schema.ts';
import { after, freshKey } from '../browser.ts';
import { html, type Node } from '../html.ts';
import { asked, want } from '../live/address.ts';
import { act, Refused } from '../live/api.ts';
import { nowMs, overview } from '../live/live.ts';
import { forgetting } from '../live/session.ts';
import {
  BLANK,
  type Draft,
  draftFrom,
  foretold,
  KINDS,
  type Kind,
  type Known,
  type Mistakes,
  mistakesIn,
  nameOf,
  ofKind,
  orderOf,
  poolsOf,
  REACHES,
  type Reach,
  sumOf,
  TTLS,
  wayPast,
  weightsOf,
} from '../order-form.ts';
import { Field, Trouble, useDeed } from '../parts.ts';
import { sharing } from '../same.ts';
import { duration, percent, utc, utcMinute } from '../words.ts';
import { Foretold, type Preview, usePreview } from './foretold.ts';
import { Doubt, isDoubt, lookAtIt, UndoLines } from './order-parts.ts';

const draft = signal<Draft>(BLANK);
/** Of this order, also when it is sent again. */
const key = signal(freshKey());
const placed = signal<Ordered | null>(null);
/** Somebody tried to place it: what is missing is said. */
const tried = signal(false);
let begunFrom: string | null = null;

const set = (change: Partial<Draft>): void => {
  draft.value = { ...draft.value, ...change };
};
/** Another order altogether: a rule that it may pass is another one too. */
const move = (change: Partial<Draft>): void => set({ ...change, breakGlass: false });

const renew = (next: Draft): void => {
  draft.value = next;
  key.value = freshKey();
  placed.value = null;
  tried.value = false;
};

/** What was filled in of another order is kept as far as it fits: the reason is often the same. */
const beginFrom = (text: string): void => {
  if (text === begunFrom) return;
  begunFrom = text;
  renew(draftFrom(text, { ...draft.value, breakGlass: false }));
};

/** Forgets what is written. */
export const drop = (): void => {
  begunFrom = null;
  renew(BLANK);
  want('order', null);
};
forgetting.add(drop);

/** Leaves the form for what it stands in, so that the keyboard goes on from there. */
const leave = (): void => {
  drop();
  document.getElementById('orders')?.focus();
};

/** The same object as long as it says the same. */
const known = computed<Known>((): Known => {
  const seen = overview.value;
  const next = {
    regions: seen?.regions.map(({ name }) => name) ?? [],
    pools: Object.fromEntries(seen?.services.map(({ name, pools }) => [name, pools.map((pool) => pool.name)]) ?? []),
  };
  lastKnown = sharing(lastKnown, next);
  return lastKnown;
});
let lastKnown: Known = { regions: [], pools: {} };

type Typed = { currentTarget: HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement };
type Name = keyof Mistakes;

/** A label and its control, with what is wrong with it once somebody tried. */
const Asked = ({
  name,
  label,
  hint,
  mistakes,
  control,
}: {
  name: Name;
  label: string;
  hint?: string;
  mistakes: Mistakes;
  control(given: object): Node;
}) => {
  const wrong = tried.value ? mistakes[name] : undefined;
  return html`<${Field} label=${label} hint=${wrong === undefined ? hint : `✕ ${wrong}`}
    control=${(id: string) => control({ id, 'aria-describedby': `${id}-hint`, 'aria-invalid': wrong === undefined ? undefined : 'true' })} />`;
};

const Choose = ({
  legend,
  name,
  all,
  chosen,
  say,
  on,
}: {
  legend: string;
  name: string;
  all: readonly string[];
  chosen: string;
  say(each: string): Node;
  on(each: string): void;
}) => html`
  <fieldset><legend>${legend}</legend>
    <div class="row">${all.map((each) => html`<label key=${each} class="choice"><input type="radio" name=${name} value=${each} checked=${each === chosen} onChange=${() => on(each)} /> ${say(each)}</label>`)}</div>
  </fieldset>`;

const Select = ({ of, value, on, ...given }: { of: readonly string[]; value: string; on(text: string): void }) => html`
  <select ...${given} value=${value} onChange=${({ currentTarget }: Typed) => on(currentTarget.value)}>
    <option value="">choose …</option>${of.map((each) => html`<option key=${each} value=${each}>${each}</option>`)}
  </select>`;

const Input = ({ value, on, ...given }: { value: string; on(text: string): void }) =>
  html`<input autocomplete="off" ...${given} value=${value} onInput=${({ currentTarget }: Typed) => on(currentTarget.value)} />`;

const Weights = ({ known, mistakes }: { known: Known; mistakes: Mistakes }) => {
  const { service, weights } = draft.value;
  const pools = poolsOf(draft.value, known);
  const shares = new Map(overview.value?.services.find(({ name }) => name === service)?.pools.map((pool) => [pool.name, pool]));
  const sum = sumOf(draft.value, pools);
  const from = (share: 'share' | 'configuredShare') => () =>
    move({ weights: weightsOf(pools.map((pool) => [pool, shares.get(pool)?.[share] ?? 0])) });
  if (pools.length === 0) return null;
  return html`<fieldset><legend>Shares, in thousandths</legend>
    ${pools.map(
      (
        pool,
      ) => html`<${Asked} key=${pool} name="weights" label=${pool} mistakes=${{}} hint="now ${percent(shares.get(pool)?.share ?? 0)}, configured ${percent(shares.get(pool)?.configuredShare ?? 0)}"
        control=${(given: object) => html`<${Input} ...${given} aria-invalid=${tried.value && mistakes.weights !== undefined ? 'true' : undefined} inputmode="numeric" value=${weights[pool] ?? ''} on=${(text: string) => move({ weights: { ...weights, [pool]: text } })} />`} />`,
    )}
    <p role="status">${sum === null ? 'Whole thousandths, please.' : `Together ${sum} of 1000.`} ${tried.value && mistakes.weights !== undefined ? html`<strong class="mark bad">✕ ${mistakes.weights}</strong>` : null}</p>
    <p class="row"><button type="button" onClick=${from('share')}>as they are now</button><button type="button" onClick=${from('configuredShare')}>as configured</button></p>
  </fieldset>`;
};

const Where = ({ known, mistakes }: { known: Known; mistakes: Mistakes }) => {
  const { kind, reach, region, service, pool } = draft.value;
  const { reaches } = KINDS[kind];
  return html`
    ${reaches.length < 2 ? null : html`<${Choose} legend="Where" name="reach" all=${reaches} chosen=${reach} say=${(each: Reach) => REACHES[each]} on=${(each: Reach) => move({ reach: each })} />`}
    ${reach !== 'region' ? null : html`<${Asked} name="region" label="Region" mistakes=${mistakes} control=${(given: object) => html`<${Select} ...${given} of=${known.regions} value=${region} on=${(text: string) => move({ region: text })} />`} />`}
    ${reach !== 'pool' && reach !== 'service' ? null : html`<${Asked} name="service" label="Service" mistakes=${mistakes} control=${(given: object) => html`<${Select} ...${given} of=${Object.keys(known.pools)} value=${service} on=${(text: string) => move({ service: text, pool: '', weights: {} })} />`} />`}
    ${reach !== 'pool' ? null : html`<${Asked} name="pool" label="Pool" mistakes=${mistakes} control=${(given: object) => html`<${Select} ...${given} of=${poolsOf(draft.value, known)} value=${pool} on=${(text: string) => move({ pool: text })} />`} />`}
    ${kind === 'pin' ? html`<${Weights} known=${known} mistakes=${mistakes} />` : null}`;
};

const Why = ({ mistakes }: { mistakes: Mistakes }) => {
  const { reason, ticket, ttl, startsAt } = draft.value;
  return html`
    <${Asked} name="reason" label="Reason" hint="What the next morning's reader should know; 10 to 500 characters. Many will read it." mistakes=${mistakes}
      control=${(given: object) => html`<textarea ...${given} required maxlength="500" value=${reason} onInput=${({ currentTarget }: Typed) => set({ reason: currentTarget.value })}></textarea>`} />
    <${Asked} name="ticket" label="Ticket, if there is one" mistakes=${mistakes} control=${(given: object) => html`<${Input} ...${given} value=${ticket} on=${(text: string) => set({ ticket: text })} />`} />
    <${Asked} name="ttl" label="Stands for" hint="Then automation takes over again. Five minutes before the end it is said." mistakes=${mistakes}
      control=${(given: object) => html`<div class="row">${TTLS.map((each) => html`<button key=${each} type="button" aria-pressed=${ttl === each} onClick=${() => set({ ttl: each })}>${each}</button>`)}<${Input} ...${given} required size="8" class="short" value=${ttl} on=${(text: string) => set({ ttl: text })} /></div>`} />
    <${Asked} name="startsAt" label="Starts at (UTC), empty: at once" mistakes=${mistakes}
      control=${(given: object) => html`<${Input} ...${given} type="datetime-local" min=${utcMinute(nowMs.peek())} value=${startsAt} on=${(text: string) => set({ startsAt: text })} />`} />`;
};

/** Only once a rule refused. */
const BreakGlass = ({ preview, error }: { preview: Preview; error: unknown }) => {
  const { breakGlass } = draft.value;
  const last = useRef<readonly Refusal[]>([]);
  // While it is asked anew the box stays under the finger.
  if (!preview.busy)
    last.current = preview.told?.refusals ?? (error instanceof Refused ? ((error.problem.refusals ?? []) as readonly Refusal[]) : []);
  const way = wayPast(last.current);
  if (way === 'free' && !breakGlass) return null;
  if (way === 'none')
    return html`<p class="trouble">Nothing passes this: users would be left with nowhere to go. Order less, or bring something else up first.</p>`;
  return html`<fieldset class="trouble"><legend>A safety rule refuses it</legend>
    <label class="choice"><input type="checkbox" checked=${breakGlass} onChange=${({ currentTarget }: { currentTarget: HTMLInputElement }) => set({ breakGlass: currentTarget.checked })} /> Pass it by break-glass</label>
    <p>It pages, and stands in the journal with your name. ${way === 'second-person' ? 'The risk is high: it is in force only once a second person has agreed.' : ''}</p>
  </fieldset>`;
};

const Placed = ({ ordered }: { ordered: Ordered }) => {
  const said = useRef<HTMLDivElement>(null);
  useEffect(() => said.current?.focus(), []);
  const { override, approval, undo, notes } = ordered;
  const starts = override.startsAtMs;
  const says =
    approval === 'needed'
      ? 'It is not in force: a second person with the role approver has to agree first.'
      : starts !== undefined && starts > nowMs.peek()
        ? `It begins at ${utc(starts, nowMs.peek())} UTC.`
        : 'It is in force from the next decision on.';
  return html`<div ref=${said} tabindex="-1" class="note" role="status">
    <p><strong>${nameOf(override)} is ordered</strong> as <button type="button" class="link" onClick=${() => want('override', override.id)}>${override.id}</button>. ${says} It ends at ${utc(override.expiresAtMs, nowMs.peek())} UTC.</p>
    ${notes.map((note) => html`<p class="dim">${note}</p>`)}
    <${UndoLines} undo=${undo} title="To take it back:" />
    <p><button type="button" class="primary" onClick=${leave}>Done</button></p>
  </div>`;
};

const Form = () => {
  const form = useRef<HTMLFormElement>(null);
  const { busy, error, run, clear } = useDeed();
  const names = known.value;
  const now = draft.value;
  const mistakes = mistakesIn(now, names, nowMs.peek());
  const body = foretold(now, names, nowMs.peek());
  const question = body === null ? null : ({ method: 'POST', path: '/v1/overrides?dryRun=true', body } as const);
  const preview = usePreview(question);
  const isRefused = !now.breakGlass && (preview.told?.refusals.length ?? 0) > 0;
  useEffect(() => {
    // What was refused is not what is written here now.
    if (error instanceof Refused) clear();
  }, [now.kind, now.reach, now.region, now.service, now.pool, now.weights]);
  const place = (event: Event): void => {
    event.preventDefault();
    tried.value = true;
    if (Object.keys(mistakes).length > 0) {
      after(0, () => form.current?.querySelector<HTMLElement>('[aria-invalid]')?.focus());
      return;
    }
    run(async () => {
      placed.value = await act<Ordered>('POST', '/v1/overrides', orderOf(now, poolsOf(now, names)), { key: key.value });
      lookAtIt();
    });
  };
  return html`<form ref=${form} class="split" noValidate onSubmit=${place}>
    <div class="form">
      <${Choose} legend="What" name="kind" all=${Object.keys(KINDS)} chosen=${now.kind} say=${(each: Kind) => each} on=${(each: Kind) => {
        draft.value = ofKind(now, each);
      }} />
      <p class="dim">${now.kind}: ${KINDS[now.kind].does}.</p>
      <${Where} known=${names} mistakes=${mistakes} />
      <${Why} mistakes=${mistakes} />
    </div>
    <div>
      <${Foretold} preview=${preview} passes=${now.breakGlass} idle="Say what and where, and for how long." />
      <${BreakGlass} preview=${preview} error=${error} />
      <${Trouble} error=${error} />
      <${Doubt} error=${error} then="Send it again as it is: it has the same key, and is never ordered twice. The list shows it once it stands." />
      <p class="row">
        <button type="submit" class=${now.breakGlass ? 'danger' : 'primary'} disabled=${busy || preview.busy || isRefused}>${now.breakGlass ? 'Place order by break-glass' : isDoubt(error) ? 'Send again' : 'Place order'}</button>
        <button type="button" onClick=${leave}>Drop it</button>
        <span role="status">${busy ? 'sending …' : isRefused ? 'A safety rule refuses it.' : `It would stand for ${duration(orderOf(now, []).ttlMs ?? 0)}.`}</span>
      </p>
    </div>
  </form>`;
};

/** Open while the address asks for an order. */
export const NewOrder = () => {
  const text = asked.value.order ?? '';
  const head = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    if (text === '') return;
    beginFrom(text);
    head.current?.scrollIntoView({ block: 'start' });
    head.current?.focus({ preventScroll: true });
  }, [text]);
  if (text === '') return null;
  return html`<section aria-labelledby="new-order">
    <h3 id="new-order" ref=${head} tabindex="-1">New order: ${nameOf({ kind: draft.value.kind, scope: orderOf(draft.value, []).scope })}</h3>
    ${placed.value === null ? html`<${Form} />` : html`<${Placed} ordered=${placed.value} />`}
  </section>`;
};

// What humans have ordered, one order with all of it, and the form of a new one.
import { computed, effect, signal } from '@preact/signals';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { Ordered, OverrideOne, Refusal } from '../../../client/schema.ts';
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
  type Stage,
  spanMs,
  stageOf,
  sumOf,
  TTLS,
  wayPast,
  weightsOf,
  withEnd,
} from '../acts.ts';
import { after, freshKey } from '../browser.ts';
import { act, ask, asked, forgetting, isApprover, isOperator, me, nowMs, overview, Refused, want } from '../live.ts';
import {
  Ago,
  At,
  Chip,
  Dialog,
  Doubt,
  Empty,
  Field,
  html,
  isDoubt,
  Left,
  type Listed,
  lookAtIt,
  Mark,
  type Node,
  Panel,
  SignInButton,
  StageChip,
  still,
  Table,
  Trouble,
  UndoLines,
  useAsked,
  useDeed,
} from '../parts.ts';
import { count, duration, percent, sharing, utc, utcMinute } from '../words.ts';
import { Foretold, type Preview, type Question, usePreview } from './what-if.ts';

// ---- one order ----
// One order: what is measured beside it, and what can be done with it: end it, agree to it, change its end. What would follow is shown before each.

interface Read {
  one: OverrideOne;
  /** Of what was read: an act is for this and nothing newer. */
  ifMatch: string;
}

const pathOf = (id: string): string => `/v1/overrides/${encodeURIComponent(id)}`;

const read = async (id: string, signal: AbortSignal): Promise<Read> => {
  const answer = await ask(pathOf(id), { signal });
  return { one: (await answer.json()) as OverrideOne, ifMatch: answer.headers.get('etag') ?? '' };
};

type Deed = 'end' | 'agree' | 'change';

const SAYS: Readonly<Record<Deed, { button: string; then: string; class: string; undo: string }>> = {
  end: {
    button: 'End it now',
    then: 'Ended. Automation takes over again, under the safety rules.',
    class: 'danger',
    undo: 'To put it back:',
  },
  agree: { button: 'Agree to it', then: 'Agreed.', class: 'danger', undo: 'To take it back:' },
  change: { button: 'Change its end', then: 'Its end is changed.', class: 'primary', undo: 'To take it back:' },
};

const questionOf = (deed: Deed, { override }: OverrideOne, ttl: string): Question | null => {
  const { id } = override;
  if (deed === 'end') return { method: 'DELETE', path: `${pathOf(id)}?dryRun=true` };
  if (deed === 'change') {
    const ttlMs = spanMs(ttl);
    return ttlMs === null ? null : { method: 'PUT', path: `${pathOf(id)}?dryRun=true`, body: withEnd(override, ttlMs, nowMs.peek()) };
  }
  const approval = { by: me.peek()?.name ?? '', atMs: Math.round(override.createdAtMs) };
  const { told: _, ...order } = override;
  return { method: 'POST', path: '/v1/simulate', body: { hypotheses: [{ kind: 'override', override: { ...order, approval } }] } };
};

const send = (deed: Deed, { one: { override }, ifMatch }: Read, ttl: string): Promise<Ordered> => {
  const path = pathOf(override.id);
  if (deed === 'end') return act<Ordered>('DELETE', path, undefined, { ifMatch });
  if (deed === 'agree') return act<Ordered>('POST', `${path}/approve`, undefined, { ifMatch });
  return act<Ordered>('PUT', path, withEnd(override, spanMs(ttl) ?? 0, nowMs.peek()), { ifMatch });
};

interface ActProps {
  deed: Deed;
  of: Read;
  again(): void;
  onDone(done: Ordered): void;
  onLeave(): void;
}

const Act = ({ deed, of, again, onDone, onLeave }: ActProps) => {
  const [ttl, setTtl] = useState('1h');
  const { busy, error, run } = useDeed();
  const preview = usePreview(questionOf(deed, of.one, ttl), [of.ifMatch]);
  const isLate = (of.one.override.startsAtMs ?? 0) > nowMs.peek();
  const submit = (event: Event): void => {
    event.preventDefault();
    run(async () => {
      try {
        onDone(await send(deed, of, ttl));
      } catch (why) {
        // Somebody else changed it, or nobody knows: what stands now is shown.
        if (!(why instanceof Refused) || why.problem.status === 412) again();
        throw why;
      } finally {
        lookAtIt();
      }
    });
  };
  const isFit = deed !== 'change' || spanMs(ttl) !== null;
  return html`<form onSubmit=${submit}>
    ${
      deed === 'change'
        ? html`<${Field} label=${isLate ? 'Ends so long after its start' : 'Ends so long from now'} hint="15m, 1h 30m, 2d; at most 7 d"
            control=${(id: string) => html`<input id=${id} autocomplete="off" value=${ttl} onInput=${({ currentTarget }: { currentTarget: HTMLInputElement }) => setTtl(currentTarget.value)} />`} />`
        : null
    }
    <${Foretold} preview=${preview} passes=${deed === 'agree' || of.one.override.breakGlass === true} idle="Say for how long." />
    <${Trouble} error=${error} />
    <${Doubt} error=${error} then="What stands now is read again: look, then do it again if it is not so. It is done once at most, since it is for the order as it was read." />
    <p class="row"><button type="submit" class=${SAYS[deed].class} disabled=${busy || preview.busy || !isFit}>${SAYS[deed].button}</button>
      <button type="button" onClick=${onLeave}>Leave it</button><span role="status">${busy ? 'sending …' : ''}</span></p>
  </form>`;
};

const Facts = ({ one }: { one: OverrideOne }) => {
  const { override, because, measured } = one;
  const { id, reason, owner, by, ticket, weights, breakGlass, drill, approval, createdAtMs, startsAtMs, expiresAtMs } = override;
  const fact = (name: string, value: Node): Node =>
    value === undefined || value === null ? null : html`<dt>${name}</dt><dd>${value}</dd>`;
  return html`<p class="row"><${StageChip} order=${{ ...override, obeyed: one.obeyed }} /> <${Left} order=${{ ...override, obeyed: one.obeyed }} />
      ${breakGlass === true ? html`<${Chip} tone="warn">break-glass<//>` : null} ${drill === true ? html`<${Chip}>drill<//>` : null}</p>
    <p>${because}</p>
    <dl class="facts">
      ${fact('id', html`<code>${id}</code>`)}
      ${fact('reason', reason)}
      ${fact('owner', `${owner}${by === undefined || by === owner ? '' : `, given by ${by}`}`)}
      ${fact('ticket', ticket)}
      ${fact(
        'shares',
        weights &&
          Object.entries(weights)
            .map(([pool, share]) => `${pool} ${percent(share)}`)
            .join(', '),
      )}
      ${fact('agreed to', approval === undefined ? null : approval.by === null ? 'by nobody yet' : html`by ${approval.by} <${At} atMs=${approval.atMs ?? 0} />`)}
      ${fact('given', html`<${At} atMs=${createdAtMs} />`)}
      ${startsAtMs === undefined ? null : fact('starts', html`<${At} atMs=${startsAtMs} />`)}
      ${fact('ends', html`<${At} atMs=${expiresAtMs} />`)}
    </dl>
    ${
      measured.length === 0
        ? null
        : html`<${Table} caption="What is measured of the pools that it is about" head=${['pool', 'region', 'measured', 'share', 'count']}>${measured
            .slice(0, AUDITS_MAX)
            .map(
              ({ service, pool, region, verdict, share, count: told }) =>
                html`<tr><th scope="row">${service}/${pool}</th><td>${region}</td><td><${Mark} state=${verdict} /></td><td class="number">${share === null ? '–' : percent(share)}</td><td>${told}</td></tr>`,
            )}<//>`
    }
    ${measured.length > AUDITS_MAX ? html`<p class="dim">and ${measured.length - AUDITS_MAX} pools more</p>` : null}`;
};
const AUDITS_MAX = 20;

/** Which deeds this reader may try; the API decides. */
const deedsOf = ({ override }: OverrideOne): readonly Deed[] => [
  ...(isApprover.value && override.approval?.by === null && override.by !== me.value?.name ? (['agree'] as const) : []),
  ...(isOperator.value ? (['end', 'change'] as const) : []),
];

const One = ({ id }: { id: string }) => {
  const [done, setDone] = useState<{ deed: Deed; ordered: Ordered } | null>(null);
  const isGone = done?.deed === 'end';
  const listed = overview.value?.overrides.items.find((item) => item.id === id);
  // Ages are not news.
  const { value, error, again, ref } = useAsked(
    (signal) => (isGone ? Promise.reject(new Error('it has ended')) : read(id, signal)),
    [id, listed?.because, listed?.expiresAtMs, listed?.approval?.by, overview.value?.overrides.version],
  );
  const [deed, choose] = useState<Deed | null>(null);
  const isOwn = value !== null && value.one.override.approval?.by === null && value.one.override.by === me.value?.name;
  return html`<div ref=${ref}>
    ${
      done === null
        ? null
        : html`<div class="note" role="status"><p><strong>${SAYS[done.deed].then}</strong></p><${UndoLines} undo=${done.ordered.undo} title=${SAYS[done.deed].undo} /></div>`
    }
    ${isGone ? null : html`<${Trouble} error=${error} />`}
    ${value === null ? (error === null ? html`<p>Asking …</p>` : null) : isGone ? null : html`<${Facts} one=${value.one} />`}
    ${isOwn ? html`<p class="note">Somebody else has to agree to it: whoever ordered it can't.</p>` : null}
    ${isOperator.value || isGone ? null : html`<p><${SignInButton} says="Sign in to act on it" /></p>`}
    ${
      value === null || isGone
        ? null
        : deed === null
          ? html`<p class="row">${deedsOf(value.one).map(
              (each) =>
                html`<button key=${each} type="button" onClick=${() => {
                  setDone(null);
                  choose(each);
                }}>${SAYS[each].button} …</button>`,
            )}</p>`
          : html`<${Act} key=${deed} deed=${deed} of=${value} again=${again} onLeave=${() => choose(null)} onDone=${(ordered: Ordered) => {
              choose(null);
              setDone({ deed, ordered });
              again();
            }} />`
    }
  </div>`;
};

/** Open while the address asks for an order that stands. */
const OrderDialog = () => {
  const id = asked.value.override;
  const listed = overview.value?.overrides.items.find((item) => item.id === id);
  return html`<${Dialog} title=${listed === undefined ? 'Order' : nameOf(listed)} open=${id !== undefined} onClose=${() => want('override', null)}>
    ${id === undefined ? null : html`<${One} key=${id} id=${id} />`}
  <//>`;
};

// ---- a new order ----
// A new order: what, where, why, for how long; what would follow is shown while it is filled. What is written here stays through refusals, doubts and a new
// sign-in, until it is placed or dropped.

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
  if (text === '' || text === begunFrom) return;
  begunFrom = text;
  renew(draftFrom(text, { ...draft.peek(), breakGlass: false }));
};
// Before anything is drawn of it: a form that is shown blank first takes a quick hand's press for an order with nothing in it.
effect(() => beginFrom(asked.value.order ?? ''));

/** Forgets what is written. */
const drop = (): void => {
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
  // Before the first answer no region is known: what is pressed then would be taken for an order without one.
  const isEarly = names.regions.length === 0;
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
        <button type="submit" class=${now.breakGlass ? 'danger' : 'primary'} disabled=${busy || preview.busy || isRefused || isEarly}>${now.breakGlass ? 'Place order by break-glass' : isDoubt(error) ? 'Send again' : 'Place order'}</button>
        <button type="button" onClick=${leave}>Drop it</button>
        <span role="status">${busy ? 'sending …' : isEarly ? 'Asking what is so …' : isRefused ? 'A safety rule refuses it.' : `It would stand for ${duration(orderOf(now, []).ttlMs ?? 0)}.`}</span>
      </p>
    </div>
  </form>`;
};

/** Open while the address asks for an order. */
const NewOrder = () => {
  const text = asked.value.order ?? '';
  const head = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    if (text === '') return;
    head.current?.scrollIntoView({ block: 'start' });
    head.current?.focus({ preventScroll: true });
  }, [text]);
  if (text === '') return null;
  return html`<section aria-labelledby="new-order">
    <h3 id="new-order" ref=${head} tabindex="-1">New order: ${nameOf({ kind: draft.value.kind, scope: orderOf(draft.value, []).scope })}</h3>
    ${placed.value === null ? html`<${Form} />` : html`<${Placed} ordered=${placed.value} />`}
  </section>`;
};

// ---- all orders ----
// What humans have ordered: whether it is so, why not, for how long, and what health says of the same pools. Whoever may, orders here.

/** What needs somebody comes first. */
const STAGE_TONES: Readonly<Record<Stage, string>> = { waits: 'warn', ignored: 'bad', obeyed: 'good', coming: '', over: '' };
const RANK = Object.keys(STAGE_TONES);
const ORDERS_MAX = 24;

/** As it was when the answer was made. */
const stageThen = (order: Listed): Stage => stageOf(order, order.expiresAtMs - order.leftMs);

const Covers = ({ covers }: Pick<Listed, 'covers'>) =>
  html`<span class="dim">measured there:</span> ${Object.entries(covers).map(([verdict, pools]) => (pools === 0 ? null : html`<${Mark} state=${verdict} says="${count(pools, 'pool')} ${verdict}" /> `))}`;

const Card = still(({ order }: { order: Listed }) => {
  const { id, reason, owner, by, ticket, because, breakGlass, drill, createdAtMs, approval } = order;
  return html`<li class="card ${STAGE_TONES[stageThen(order)]}">
    <h4><button type="button" class="link" onClick=${() => want('override', id)}>${nameOf(order)}</button></h4>
    <p class="row"><${StageChip} order=${order} /> <${Left} order=${order} /> ${breakGlass === true ? html`<${Chip} tone="warn">break-glass<//>` : null} ${drill === true ? html`<${Chip}>drill<//>` : null}</p>
    <p>${because}</p>
    <p><${Covers} covers=${order.covers} /></p>
    <p>“${reason}”</p>
    <p class="dim">${owner}${by === undefined || by === owner ? '' : `, given by ${by}`}${approval?.by == null ? '' : `, agreed to by ${approval.by}`}${ticket === undefined ? '' : `, ${ticket}`}, <${Ago} atMs=${createdAtMs} /></p>
  </li>`;
});

const begin = (): void => want('order', 'new');

export const Orders = () => {
  const items = overview.value?.overrides.items ?? [];
  const all = asked.value.orders === 'all' || items.length <= ORDERS_MAX;
  const shown = items
    .toSorted((a, b) => RANK.indexOf(stageThen(a)) - RANK.indexOf(stageThen(b)) || b.createdAtMs - a.createdAtMs)
    .slice(0, all ? undefined : ORDERS_MAX);
  const wanted = asked.value.order !== undefined;
  const aside = isOperator.value
    ? html`<button type="button" aria-expanded=${wanted} onClick=${begin}>New order …</button>`
    : html`<${SignInButton} says=${wanted ? 'Sign in to give the order' : 'Sign in to order'} />`;
  return html`<${Panel} id="orders" title="Orders" aside=${aside} note="They stand above automation until they end, and hide nothing that is measured.">
    ${isOperator.value ? html`<${NewOrder} />` : null}
    ${
      items.length === 0
        ? html`<${Empty}>Nobody has ordered anything: automation decides.<//>`
        : html`<ul class="cards">${shown.map((order) => html`<${Card} key=${order.id} order=${order} />`)}</ul>`
    }
    ${all ? null : html`<p><button type="button" onClick=${() => want('orders', 'all')}>all ${items.length}</button></p>`}
    <${OrderDialog} />
  <//>`;
};

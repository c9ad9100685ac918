// One order: what is measured beside it, and what can be done with it: end it, agree to it, change its end. What would follow is shown before each.
import { useState } from 'preact/hooks';
import type { Ordered, OverrideOne } from '../../../client/schema.ts';
import { html, type Node } from '../html.ts';
import { asked, want } from '../live/address.ts';
import { act, ask, Refused } from '../live/api.ts';
import { nowMs, overview } from '../live/live.ts';
import { isApprover, isOperator, me } from '../live/session.ts';
import { nameOf, spanMs, withEnd } from '../order-form.ts';
import { At, Chip, Dialog, Field, Mark, Table, Trouble, useAsked, useDeed } from '../parts.ts';
import { percent } from '../words.ts';
import { Foretold, type Question, usePreview } from './foretold.ts';
import { Doubt, Left, lookAtIt, StageChip, UndoLines } from './order-parts.ts';
import { SignInButton } from './sign-in.ts';

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
            .slice(0, SHOWN_MAX)
            .map(
              ({ service, pool, region, verdict, share, count: told }) =>
                html`<tr><th scope="row">${service}/${pool}</th><td>${region}</td><td><${Mark} state=${verdict} /></td><td class="number">${share === null ? '–' : percent(share)}</td><td>${told}</td></tr>`,
            )}<//>`
    }
    ${measured.length > SHOWN_MAX ? html`<p class="dim">and ${measured.length - SHOWN_MAX} pools more</p>` : null}`;
};
const SHOWN_MAX = 20;

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
export const OrderDialog = () => {
  const id = asked.value.override;
  const listed = overview.value?.overrides.items.find((item) => item.id === id);
  return html`<${Dialog} title=${listed === undefined ? 'Order' : nameOf(listed)} open=${id !== undefined} onClose=${() => want('override', null)}>
    ${id === undefined ? null : html`<${One} key=${id} id=${id} />`}
  <//>`;
};

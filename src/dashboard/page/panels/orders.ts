// What humans have ordered: whether it is so, why not, for how long, and what health says of the same pools. Whoever may, orders here.
import { html } from '../html.ts';
import { asked, want } from '../live/address.ts';
import { overview } from '../live/live.ts';
import { isOperator } from '../live/session.ts';
import { nameOf, type Stage, stageOf } from '../order-form.ts';
import { Ago, Chip, Empty, Mark, Panel, still } from '../parts.ts';
import { count } from '../words.ts';
import { NewOrder } from './new-order.ts';
import { OrderDialog } from './order-dialog.ts';
import { Left, type Listed, StageChip } from './order-parts.ts';
import { SignInButton } from './sign-in.ts';

/** What needs somebody comes first. */
const TONES: Readonly<Record<Stage, string>> = { waits: 'warn', ignored: 'bad', obeyed: 'good', coming: '', over: '' };
const RANK = Object.keys(TONES);
const SHOWN_MAX = 24;

/** As it was when the answer was made. */
const stageThen = (order: Listed): Stage => stageOf(order, order.expiresAtMs - order.leftMs);

const Covers = ({ covers }: Pick<Listed, 'covers'>) =>
  html`<span class="dim">measured there:</span> ${Object.entries(covers).map(([verdict, pools]) => (pools === 0 ? null : html`<${Mark} state=${verdict} says="${count(pools, 'pool')} ${verdict}" /> `))}`;

const Card = still(({ order }: { order: Listed }) => {
  const { id, reason, owner, by, ticket, because, breakGlass, drill, createdAtMs, approval } = order;
  return html`<li class="card ${TONES[stageThen(order)]}">
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
  const all = asked.value.orders === 'all' || items.length <= SHOWN_MAX;
  const shown = items
    .toSorted((a, b) => RANK.indexOf(stageThen(a)) - RANK.indexOf(stageThen(b)) || b.createdAtMs - a.createdAtMs)
    .slice(0, all ? undefined : SHOWN_MAX);
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

// Who was paged, who has it, and whom nothing reached.
import { useComputed } from '@preact/signals';
import { useState } from 'preact/hooks';
import type { Acknowledged, PageItem, PageList, Replayed } from '../../../client/schema.ts';
import { freshKey } from '../browser.ts';
import { html } from '../html.ts';
import { want } from '../live/address.ts';
import { act, get, Refused } from '../live/api.ts';
import { happenings, nowMs } from '../live/live.ts';
import { isOperator } from '../live/session.ts';
import { Ago, At, Chip, Dialog, Empty, Field, Mark, Panel, still, Table, type Tone, Trouble, useAsked, useDeed } from '../parts.ts';
import { count } from '../words.ts';

const FILTERS = [
  ['open', 'alerts that have not ended'],
  ['', 'not delivered'],
  ['all', 'all'],
] as const;
const SHOWN_MAX = 100;
/** Deliveries are no events: somebody who looks is told within so long. */
const AGAIN_MS = 15_000;
const TONES: Readonly<Record<PageItem['severity'], Tone>> = { critical: 'bad', warning: 'warn', info: 'idle' };
const STATES: Readonly<Record<PageItem['state'], string>> = { waiting: 'pending', dead: 'failed', told: 'done' };
const REASON_CHARS_MIN = 10;
const REASON_CHARS_MAX = 500;

type Deed = 'acknowledge' | 'replay';
interface Wanted {
  deed: Deed;
  page: PageItem;
  /** Made once: a retry after a doubt is the same act. */
  key: string;
}

const Form = ({ wanted: { deed, page, key }, done }: { wanted: Wanted; done(said: string): void }) => {
  const [reason, setReason] = useState('');
  const [channels, setChannels] = useState<readonly string[]>(Object.keys(page.dead));
  const doing = useDeed();
  const names = [...new Set([...Object.keys(page.dead), ...page.delivered])];
  const toggle = (name: string) => setChannels(channels.includes(name) ? channels.filter((each) => each !== name) : [...channels, name]);
  const submit = (event: Event): void => {
    event.preventDefault();
    doing.run(async () => {
      const path = `/v1/pages/${encodeURIComponent(page.id)}/${deed}`;
      if (deed === 'replay') {
        const { channels: through } = await act<Replayed>('POST', path, { reason, channels }, { key });
        return done(`It goes again through ${through.join(', ')}.`);
      }
      const { by, pages } = await act<Acknowledged>('POST', path, { reason }, { key });
      done(pages.length === 0 ? `${by} had it already.` : `${by} has it.`);
    });
  };
  const isDoubt = doing.error !== null && !(doing.error instanceof Refused && doing.error.problem.code !== 'ERR_UNDECIDED');
  return html`<form class="form" onSubmit=${submit}>
    <p>${page.headline}</p>
    <p class="dim">${deed === 'acknowledge' ? 'Nobody else is woken for this alert, and whoever heard of it hears that you have it.' : 'It is sent again, through these channels.'}</p>
    ${deed === 'replay' ? html`<fieldset><legend>channels</legend>${names.map((name) => html`<label><input type="checkbox" checked=${channels.includes(name)} onChange=${() => toggle(name)} /> ${name}${page.dead[name] === undefined ? '' : `: ${page.dead[name].because}`}</label>`)}</fieldset>` : null}
    <${Field} label="reason" hint="what the next morning's reader should know" control=${(id: string) => html`<textarea id=${id} required minlength=${REASON_CHARS_MIN} maxlength=${REASON_CHARS_MAX} value=${reason} onInput=${({ currentTarget }: { currentTarget: HTMLTextAreaElement }) => setReason(currentTarget.value)} />`} />
    <${Trouble} error=${doing.error} />
    ${isDoubt ? html`<p class="note" role="status">Nobody knows whether it was done. Sending it again does no harm.</p>` : null}
    <p class="row"><button class="primary" disabled=${doing.busy || (deed === 'replay' && channels.length === 0)}>${doing.busy ? 'Sending …' : deed === 'acknowledge' ? 'I have it' : 'Send again'}</button></p>
  </form>`;
};

const Who = ({ page: { delivered, dead, acknowledged } }: { page: PageItem }) => html`
  ${acknowledged === null ? null : html`<p><${Mark} state="done" says="${acknowledged.by} has it" /> <span class="dim"><${Ago} atMs=${acknowledged.atMs} /></span></p>`}
  ${delivered.length === 0 ? html`<p class="dim">told nobody yet</p>` : html`<p>told ${delivered.join(', ')}</p>`}
  ${Object.entries(dead).map(([name, { because, tries, atMs }]) => html`<p><${Mark} state="failed" says=${name} /> ${because} <span class="dim">${count(tries, 'try', 'tries')}, <${Ago} atMs=${atMs} /></span></p>`)}`;

const Row = still(({ page, may, ask }: { page: PageItem; may: boolean; ask(deed: Deed, page: PageItem): void }) => {
  const { v, severity, state, thread, type, headline, atMs, action, acknowledged, delivered, dead } = page;
  const canReplay = Object.keys(dead).length > 0 || delivered.length > 0;
  return html`<tr>
    <td><${At} atMs=${atMs} /></td>
    <td><${Chip} tone=${TONES[severity]}>${severity}<//> ${v === 0 ? type : html`<button type="button" class="link" onClick=${() => want('decision', `${v}`)}>${type}</button>`}</td>
    <td class="says">${headline}</td>
    <td><${Mark} state=${STATES[state]} says=${state} /> <span class="dim">${thread}</span></td>
    <td><${Who} page=${page} /></td>
    <td>${may && action === 'trigger' && thread === 'firing' && acknowledged === null ? html`<button type="button" onClick=${() => ask('acknowledge', page)}>I have it</button> ` : null}
      ${may && canReplay ? html`<button type="button" onClick=${() => ask('replay', page)}>send again</button>` : null}</td>
  </tr>`;
});

export const Pages = () => {
  const [state, setState] = useState<string>('open');
  const [wanted, setWanted] = useState<Wanted | null>(null);
  const [said, say] = useState('');
  const round = useComputed(() => Math.floor(nowMs.value / AGAIN_MS)).value;
  const told = useComputed(
    () => happenings.value.find(({ type }) => type.startsWith('page.') || type === 'decision.made')?.id ?? null,
  ).value;
  const asked = useAsked(
    (signal) => get<PageList>(`/v1/pages?limit=${SHOWN_MAX}${state === '' ? '' : `&state=${state}`}`, signal),
    [state, round, told],
  );
  const [ask] = useState(() => (deed: Deed, page: PageItem) => setWanted({ deed, page, key: freshKey() }));
  const done = (text: string): void => {
    setWanted(null);
    say(text);
    asked.again();
  };
  const items = asked.value?.items ?? [];
  const total = asked.value?.total ?? 0;
  const aside = html`<label>show <select value=${state} onChange=${({ currentTarget }: { currentTarget: HTMLSelectElement }) => setState(currentTarget.value)}>${FILTERS.map(([value, says]) => html`<option value=${value}>${says}</option>`)}</select></label>`;
  return html`<${Panel} id="pages" title="Pages" watch=${asked.ref} aside=${aside}>
    <p role="status">${said}</p>
    <${Trouble} error=${asked.error} />
    ${
      items.length === 0
        ? html`<${Empty}>${asked.value === null ? 'Nothing is known yet.' : 'No page is like this.'}<//>`
        : html`<div class="stack"><${Table} caption="Pages, newest first" head=${['when', 'what', 'it says', 'state', 'who', 'act']}>
          ${items.map((page) => html`<${Row} key=${page.id} page=${page} may=${isOperator.value} ask=${ask} />`)}
        <//></div>`
    }
    ${total > items.length ? html`<p class="dim">and ${total - items.length} more</p>` : null}
    <${Dialog} title=${wanted?.deed === 'replay' ? 'Send this page again' : 'Say that you have it'} open=${wanted !== null} onClose=${() => setWanted(null)}>
      ${wanted === null ? null : html`<${Form} key=${wanted.key} wanted=${wanted} done=${done} />`}
    <//>
  <//>`;
};

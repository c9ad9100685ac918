// Every decision, every act and what was seen happen, newest first; decisions open their dossier.
import { useEffect, useMemo, useState } from 'preact/hooks';
import type { AuditPage, DecisionList } from '../../../client/schema.ts';
import { save } from '../browser.ts';
import { html } from '../html.ts';
import {
  endOf,
  type Filter,
  joined,
  type Line,
  lineOfAct,
  lineOfDecision,
  lineOfHappening,
  matches,
  NO_FILTER,
  newestAct,
  reaching,
} from '../journal.ts';
import { want } from '../live/address.ts';
import { get } from '../live/api.ts';
import { happenings, lastId, overview, resets } from '../live/live.ts';
import { isOperator } from '../live/session.ts';
import { At, Chip, Empty, Panel, still, Table, Trouble, useAsked, useDeed } from '../parts.ts';
import { count } from '../words.ts';

const AT_ONCE = 50;
/** Behind every decision: what comes then are acts alone. */
const NO_DECISION = 'v9999999999';

interface Read {
  lines: readonly Line[];
  /** What to ask for next; null: that was all. */
  next: number | null;
}

const decisionsBefore = async (before: number | null, signal?: AbortSignal): Promise<Read> => {
  const page = await get<DecisionList>(`/v1/decisions?limit=${AT_ONCE}${before === null ? '' : `&before=${before}`}`, signal);
  return { lines: page.items.map(lineOfDecision), next: page.before };
};

/** The entries up to this one: the audit tells forwards, so one asks from so many before it. */
const actsUpTo = async (n: number, signal?: AbortSignal): Promise<Read> => {
  const from = Math.max(0, n - AT_ONCE);
  const { items } = await get<AuditPage>(`/v1/audit?limit=${AT_ONCE}&after=${NO_DECISION}.j${from}`, signal);
  // Where the first of them are not kept any more, it answers with what came later.
  const lines = items.filter((item) => item.kind !== 'decision' && item.record.n <= n).map(lineOfAct);
  return { lines, next: from === 0 || lines.length === 0 ? null : from };
};

interface Pages {
  decisions: readonly Line[];
  acts: readonly Line[];
  nextDecision: number | null;
  nextAct: number | null;
}

const read = async (from: { before: number | null; upTo: number | null }, signal?: AbortSignal): Promise<Pages> => {
  const none: Read = { lines: [], next: null };
  const [decisions, acts] = await Promise.all([
    from.before === null ? none : decisionsBefore(Number.isFinite(from.before) ? from.before : null, signal),
    from.upTo === null ? none : actsUpTo(from.upTo, signal),
  ]);
  return { decisions: decisions.lines, acts: acts.lines, nextDecision: decisions.next, nextAct: acts.next };
};

const withOlder = (pages: Pages, older: Pages): Pages => ({
  decisions: [...pages.decisions, ...older.decisions],
  acts: joined(pages.acts, older.acts),
  nextDecision: older.nextDecision,
  nextAct: older.nextAct,
});

const Row = still(({ line }: { line: Line }) => {
  const [open, setOpen] = useState(false);
  const { v, kind, atMs, by, because, data, services } = line;
  return html`<tr>
      <td><${At} atMs=${atMs} /></td>
      <td>${v === null ? html`<${Chip}>${kind}<//>` : html`<button type="button" class="link" onClick=${() => want('decision', `${v}`)}>decision ${v}</button>`}</td>
      <td>${by}</td>
      <td class="says">${because}${v !== null && services.length > 0 ? html` <span class="dim">moves ${count(services.length, 'service')}</span>` : null}</td>
      <td><button type="button" class="quiet" aria-expanded=${open} onClick=${() => setOpen(!open)}>JSON</button></td>
    </tr>
    ${open ? html`<tr class="more"><td colspan="5"><pre>${JSON.stringify(data, null, 2)}</pre></td></tr>` : null}`;
});

const SORTS = [
  ['', 'everything'],
  ['decision', 'decisions'],
  ['act', 'acts'],
  ['event', 'what was seen'],
] as const;

const Filters = ({ filter, set, kinds }: { filter: Filter; set(next: Filter): void; kinds: readonly string[] }) => {
  const change = (name: keyof Filter) => (event: { currentTarget: HTMLInputElement | HTMLSelectElement }) =>
    set({ ...filter, [name]: event.currentTarget.value });
  const regions = overview.value?.regions.map(({ name }) => name) ?? [];
  const text = (name: keyof Filter, label: string) =>
    html`<label>${label} <input type="search" size="12" value=${filter[name]} onInput=${change(name)} /></label>`;
  const choice = (name: keyof Filter, label: string, options: readonly (readonly [string, string])[]) =>
    html`<label>${label} <select value=${filter[name]} onChange=${change(name)}>${options.map(([value, says]) => html`<option value=${value}>${says}</option>`)}</select></label>`;
  const any = (names: readonly string[]) => [['', 'any'] as const, ...names.map((name) => [name, name] as const)];
  return html`<form class="inline" role="search" aria-label="Records" onSubmit=${(event: Event) => event.preventDefault()}>
    ${text('words', 'words')} ${choice('sort', 'what', SORTS)} ${choice('kind', 'kind', any(kinds))} ${text('service', 'service')} ${choice('region', 'region', any(regions))} ${text('by', 'who')}
    <button type="button" onClick=${() => set(NO_FILTER)}>clear</button>
  </form>`;
};

/** The newest of both chains, asked for once; the stream brings what comes later. */
const newest = (signal: AbortSignal): Promise<Pages> => {
  const upTo = isOperator.peek() ? newestAct(lastId.peek()) : null;
  return read({ before: Number.POSITIVE_INFINITY, upTo }, signal);
};

export const Journal = () => {
  const [filter, set] = useState(NO_FILTER);
  const [pages, setPages] = useState<Pages | null>(null);
  const older = useDeed();
  const isReady = isOperator.value && lastId.value !== null;
  // A stream that began anew has left something out.
  const first = useAsked(newest, [isReady, resets.value]);
  useEffect(() => (first.value === null ? undefined : setPages(first.value)), [first.value]);

  // Lines and their list keep their identity: an overview that changes draws none of them again.
  const live = useMemo(() => happenings.value.map(lineOfHappening), [happenings.value]);
  const { nextDecision = null, nextAct = null } = pages ?? {};
  const whole = useMemo(() => {
    const { decisions = [], acts = [] } = pages ?? {};
    return reaching(joined(decisions, acts, live), [endOf(decisions, nextDecision), endOf(acts, nextAct)]);
  }, [pages, live]);
  const services = overview.value?.services;
  const poolRegions = useMemo(
    () => new Map((services ?? []).flatMap(({ name, pools }) => pools.map((pool) => [`${name}/${pool.name}`, pool.region]))),
    [services],
  );
  const shown = whole.filter((line) => matches(line, filter, (pool) => poolRegions.get(pool)));
  const kinds = [...new Set(whole.map(({ kind }) => kind))].sort();
  const more = () =>
    older.run(async () => {
      const next = await read({ before: nextDecision, upTo: nextAct });
      setPages((last) => (last === null ? next : withOlder(last, next)));
    });
  const note = `${count(shown.length, 'record')}${shown.length === whole.length ? '' : ` of ${whole.length}`}; ${isOperator.value ? (lastId.value === null ? 'acts from before this moment come with the stream of events' : 'decisions and acts') : 'decisions; acts from before this moment are for operators'}`;
  return html`<${Panel} id="journal" title="Journal" watch=${first.ref} note=${note}
    aside=${html`<button type="button" disabled=${shown.length === 0} onClick=${() =>
      save(
        'journal.json',
        'application/json',
        JSON.stringify(
          shown.map(({ data }) => data),
          null,
          2,
        ),
      )}>Save as JSON</button>`}>
    <${Filters} filter=${filter} set=${set} kinds=${kinds} />
    <${Trouble} error=${first.error} />
    ${shown.length === 0 ? html`<${Empty}>${whole.length === 0 ? 'Nothing is on record yet.' : 'No record that was read is like this.'}<//>` : html`<div class="stack"><${Table} caption="Decisions, acts and events, newest first" head=${['when', 'what', 'who', 'because', 'record']}>${shown.map((line) => html`<${Row} key=${line.id} line=${line} />`)}<//></div>`}
    ${nextDecision === null && nextAct === null ? null : html`<button type="button" disabled=${older.busy} onClick=${more}>older</button>`}
    <${Trouble} error=${older.error} />
  <//>`;
};

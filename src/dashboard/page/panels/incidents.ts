// What went wrong, newest first; one of them with its measured times against the goals, and as a report to be finished by people.
import { useEffect, useState } from 'preact/hooks';
import type { DecisionList, Dossier, IncidentList, IncidentOne } from '../../../client/schema.ts';
import { copy, origin, save } from '../browser.ts';
import { html } from '../html.ts';
import { asked, want } from '../live/address.ts';
import { get } from '../live/api.ts';
import { nowMs, overview } from '../live/live.ts';
import { At, Chip, Dialog, Empty, Mark, Panel, still, Trouble, useDeed } from '../parts.ts';
import { postMortem } from '../post-mortem.ts';
import { type Course, courseOf, detectionText } from '../timeline.ts';
import type { Overview } from '../types.ts';
import { count, duration, list } from '../words.ts';
import { Times } from './course.ts';

/** As the overview tells of it, or the list. */
type Card = Overview['incidents'][number];
type Short = Pick<Card, 'id' | 'kind' | 'region' | 'because' | 'v' | 't0AtMs' | 't3AtMs' | 'closedAtMs' | 'detection'> & {
  convergence: Pick<Card['convergence'], 'ms' | 'judgement'>;
};

const OLDER_MAX = 100;
const DECISIONS_MAX = 100;

const recorded = async (course: Course): Promise<string> => {
  const untilMs = course.closedAtMs ?? Number.POSITIVE_INFINITY;
  const [dossier, decisions] = await Promise.all([
    get<Dossier>(`/v1/decisions/${course.v}`).catch(() => null),
    get<DecisionList>(`/v1/decisions?limit=${DECISIONS_MAX}`).then(
      ({ items }) => items,
      () => [],
    ),
  ]);
  const during = decisions.filter(({ v, atMs }) => v >= course.v && atMs <= untilMs);
  return postMortem({
    course,
    cluster: overview.peek()?.cluster.name ?? '',
    nowMs: nowMs.peek(),
    origin: origin(),
    dossier,
    decisions: during,
  });
};

const Report = ({ course }: { course: Course }) => {
  const [text, setText] = useState<string | null>(null);
  const [said, say] = useState('');
  const making = useDeed();
  const copying = useDeed();
  const close = (): void => {
    setText(null);
    say('');
    copying.clear();
  };
  const take = async (): Promise<void> => {
    await copy(text ?? '');
    say('Copied.');
  };
  return html`
    <button type="button" disabled=${making.busy} onClick=${() => making.run(async () => setText(await recorded(course)))}>Report as Markdown</button>
    <${Trouble} error=${making.error} />
    <${Dialog} title="Report of ${course.id}" open=${text !== null} onClose=${close}>
      <p class="dim">What was recorded is filled in; what is in italics only people know.</p>
      <textarea class="report" readonly aria-label="The report as Markdown" value=${text} />
      <p class="row">
        <button type="button" class="primary" onClick=${() => copying.run(take)}>Copy</button>
        <button type="button" onClick=${() => save(`incident-${course.id}.md`, 'text/markdown', text ?? '')}>Save</button>
        <span role="status">${said}</span>
      </p>
      <${Trouble} error=${copying.error} />
    <//>`;
};

/** What keeps moves of its services back now. */
const Holds = ({ course }: { course: Course }) => {
  const holds = overview.value?.holds.filter(({ service }) => course.services.includes(service)) ?? [];
  if (course.closedAtMs !== null || holds.length === 0) return null;
  return html`<h4>Held back now</h4><ul>${holds.slice(0, 10).map(({ service, pool, hold, because }) => html`<li><${Chip} tone="warn">${hold}<//> ${service}/${pool}: ${because}</li>`)}
    ${holds.length > 10 ? html`<li class="dim">and ${holds.length - 10} more</li>` : null}</ul>`;
};

const Whole = still(
  ({ course }: { course: Course }) => html`<div>
  <p>${course.because}</p>
  <p class="dim">${count(course.services.length, 'service')}: ${list(course.services)}. ${course.closedAtMs === null ? 'It goes on.' : html`Over since <${At} atMs=${course.closedAtMs} />.`}</p>
  <${Holds} course=${course} />
  <${Times} course=${course} />
  <p class="row"><button type="button" onClick=${() => want('decision', `${course.v}`)}>Decision ${course.v}: evidence and votes</button> <${Report} course=${course} /></p>
</div>`,
);

/** Asked for again whenever the overview's word on it changes. */
const Opened = ({ id, short }: { id: string; short: Short | undefined }) => {
  const [course, setCourse] = useState<Course | null>(null);
  const [error, setError] = useState<unknown>(null);
  useEffect(() => {
    const cancel = new AbortController();
    get<IncidentOne>(`/v1/incidents/${encodeURIComponent(id)}`, cancel.signal).then(
      (one) => {
        setCourse(courseOf(one));
        setError(null);
      },
      (why: unknown) => (cancel.signal.aborted ? undefined : setError(why)),
    );
    return () => cancel.abort();
  }, [id, short]);
  return html`<${Trouble} error=${error} />${course === null ? (error === null ? html`<p class="dim">Asking …</p>` : null) : html`<${Whole} course=${course} />`}`;
};

const Entry = still(({ short, isOpen }: { short: Short; isOpen: boolean }) => {
  const { id, kind, region, because, t0AtMs, t3AtMs, closedAtMs, detection, convergence } = short;
  return html`<li class="entry ${closedAtMs === null ? 'bad' : ''}">
    <h3><button type="button" class="link" aria-expanded=${isOpen} onClick=${() => want('incident', isOpen ? 'none' : id)}>${region}: ${kind}</button>
      ${closedAtMs === null ? html` <${Chip} tone="bad">goes on<//>` : html` <${Chip}>lasted ${duration(closedAtMs - (t0AtMs ?? t3AtMs))}<//>`}</h3>
    <p class="row"><span><${At} atMs=${t3AtMs} /></span>
      <${Mark} state=${detection.judgement} says=${detection.ms === null ? 'detection not measured' : `detected in ${detectionText(detection)}`} />
      <${Mark} state=${convergence.judgement} says=${convergence.ms === null ? `convergence ${convergence.judgement}` : `users landed in ${duration(convergence.ms)}`} /></p>
    ${isOpen ? html`<${Opened} key=${id} id=${id} short=${short} />` : html`<p class="dim">${because}</p>`}
  </li>`;
});

/** So many before somebody asks for more. */
const SHOWN_MAX = 6;

export const Incidents = () => {
  const [older, setOlder] = useState<readonly Short[] | null>(null);
  const asking = useDeed();
  const newest = (overview.value?.incidents ?? []) as readonly Short[];
  const ids = new Set(newest.map(({ id }) => id));
  const all = [...newest, ...(older ?? []).filter(({ id }) => !ids.has(id))];
  const opened = asked.value.incident ?? all.find(({ closedAtMs }) => closedAtMs === null)?.id ?? null;
  const shown = older === null ? all.slice(0, SHOWN_MAX) : all;
  const isElsewhere = opened !== null && opened !== 'none' && !shown.some(({ id }) => id === opened);
  const more = () => asking.run(async () => setOlder((await get<IncidentList>(`/v1/incidents?limit=${OLDER_MAX}`)).items));
  return html`<${Panel} id="incidents" title="Incidents">
    ${isElsewhere ? html`<div class="entry"><h3>${opened} <button type="button" class="quiet" onClick=${() => want('incident', null)}>close</button></h3><${Opened} key=${opened} id=${opened} short=${all.find(({ id }) => id === opened)} /></div>` : null}
    ${all.length === 0 ? html`<${Empty}>${overview.value === null ? 'Nothing is known yet.' : 'No incident is on record.'}<//>` : html`<ol class="plain entries">${shown.map((short) => html`<${Entry} key=${short.id} short=${short} isOpen=${short.id === opened} />`)}</ol>`}
    ${older === null && all.length > 0 ? html`<button type="button" disabled=${asking.busy} onClick=${more}>older</button>` : null}
    <${Trouble} error=${asking.error} />
  <//>`;
};

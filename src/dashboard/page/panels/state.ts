// What is so: regions, services, votes, incidents. The panels that are there first.
import { useEffect, useRef, useState } from 'preact/hooks';
import type { DecisionList, Dossier, IncidentList, IncidentOne, Route } from '../../../client/schema.ts';
import { copy, onWidth, origin, save } from '../browser.ts';
import {
  type Bar,
  type Course,
  convergenceText,
  courseOf,
  type Drawing,
  decidedAtMs,
  detectionText,
  drawingOf,
  isPending,
  judged,
  postMortem,
  type ServiceBar,
  type ServiceTimes,
  signed,
  slowestFirst,
  stampsOf,
} from '../incident.ts';
import { asked, get, nowMs, overview, want } from '../live.ts';
import {
  Ago,
  At,
  Chip,
  Dialog,
  Empty,
  html,
  Mark,
  OrderLink,
  Panel,
  Share,
  still,
  Table,
  type Tone,
  Trouble,
  useDeed,
  useInTurns,
} from '../parts.ts';
import type { DoubtCard, Overview, PoolCard, RegionCard, ServiceCard, VantageCard } from '../types.ts';
import { count, duration, list, percent, utc } from '../words.ts';

// ---- regions ----
// A card for each region: does it serve, does it see, who holds it back.

const WORST = ['down', 'suspect', 'unready', 'unknown', 'up'] as const;
const worstOf = ({ pools }: RegionCard): (typeof WORST)[number] => WORST.find((verdict) => pools[verdict] > 0) ?? 'unknown';

const TONES: Readonly<Record<string, Tone>> = { up: 'good', suspect: 'warn', unready: 'warn', down: 'bad', unknown: 'idle' };

const Vantage = ({ vantage }: { vantage: VantageCard }) => html`<li>
  <${Mark} state=${vantage.state} /> ${vantage.replica}
  <span class="dim">${vantage.ageMs === null ? '' : ` vote ${duration(vantage.ageMs)} old`}${vantage.version === null ? '' : `, ${vantage.version}`}</span>
  ${vantage.because === '' ? null : html`<p class="because">${vantage.because}</p>`}
</li>`;

const Card = still(({ region }: { region: RegionCard }) => {
  const worst = worstOf(region);
  const counts = WORST.filter((verdict) => region.pools[verdict] > 0).map((verdict) => `${region.pools[verdict]} ${verdict}`);
  const { not } = region.share;
  const { actual, configured } = region.sharesSum;
  const order = region.evacuated ?? region.drained;
  const served = configured === 0 ? 0 : Math.round((100 * actual) / configured) * 10;
  return html`<li class="card ${TONES[worst]}">
    <h3>${region.name} ${region.coordinates ? html`<${Chip} title="decides for all regions">coordinates<//>` : null}</h3>
    <p><${Mark} state=${worst} says=${counts.length === 0 ? 'no pool here' : counts.join(', ')} /></p>
    <p class="row"><span class="dim">traffic</span> <${Share} value=${served} /></p>
    <p class="dim">${percent(served)} of what is configured${not > 0 ? `; ${count(not, 'service')} not at all` : ''}</p>
    ${order === null ? null : html`<p><${Chip} tone="warn">order ${order}<//></p>`}
    ${region.holds.length > 0 ? html`<p><${Chip} tone="warn">held: ${list(region.holds, 3)}<//></p>` : null}
    <ul class="plain">${region.vote ? region.vantages.map((vantage) => html`<${Vantage} key=${vantage.replica} vantage=${vantage} />`) : html`<li class="dim">has no vote</li>`}</ul>
    <p class="row"><${OrderLink} kind="drain" scope=${{ region: region.name }} /><${OrderLink} kind="evacuate" scope=${{ region: region.name }} /></p>
  </li>`;
});

export const Regions = () => {
  const seen = overview.value;
  return html`<${Panel} id="regions" title="Regions">
    ${seen === null || seen.regions.length === 0 ? html`<${Empty}>No region is known yet.<//>` : html`<ul class="cards">${seen.regions.map((region) => html`<${Card} key=${region.name} region=${region} />`)}</ul>`}
  <//>`;
};

// ---- shares ----
// What a decision moved: shares before and after, by service; what each provider was asked to serve, how that went, and when it last proved that it works.

type Change = Dossier['changes'][number];
type Step = Dossier['trail'][number];

const OUTCOMES: Readonly<Record<Step['outcome'], string>> = {
  applied: 'done',
  conflict: 'warn',
  undecided: 'warn',
  fatal: 'failed',
  refused: 'failed',
};

export const Write = ({ step }: { step: Step }) => html`<span>
  <${Mark} state=${OUTCOMES[step.outcome]} says="${step.provider} ${step.outcome}" /> <span class="dim">${duration(step.afterMs)} after, took ${duration(step.tookMs)}${step.tries > 1 ? `, ${count(step.tries, 'try', 'tries')}` : ''}</span>
  ${step.because === '' ? null : html` ${step.because}`}
  ${step.settled === undefined ? null : html` <span class="dim">then ${step.settled.ended} in ${duration(step.settled.tookMs)}${step.settled.because === '' ? '' : `: ${step.settled.because}`}</span>`}
  ${step.requests.length === 0 ? null : html` <span class="dim">requests ${step.requests.map((id) => html`<code>${id}</code> `)}</span>`}
</span>`;

const Proof = ({ service }: { service: string }) => {
  const found = overview.value?.services.find(({ name }) => name === service);
  if (found === undefined) return null;
  return found.provenAtMs === null
    ? html`<p class="dim">never proved that its traffic moves</p>`
    : html`<p class="dim">last proved that its traffic moves <${Ago} atMs=${found.provenAtMs} /></p>`;
};

const pools = ({ before, after }: { before: Route; after: Route }): readonly string[] => [
  ...new Set([...Object.keys(before), ...Object.keys(after)]),
];

const ShareRows = ({ change, trail }: { change: Change; trail: readonly Step[] }) => {
  const names = pools(change);
  return html`${names.map((pool, n) => {
    const [from, to] = [change.before[pool] ?? 0, change.after[pool] ?? 0];
    return html`<tr>
      ${n === 0 ? html`<th scope="rowgroup" rowspan=${names.length}>${change.service}</th>` : null}
      <td class="tight">${pool}</td><td><${Share} value=${from} /></td><td><${Share} value=${to} /></td>
      <td class="number">${from === to ? '' : `${to > from ? '+' : '−'}${percent(Math.abs(to - from))}`}</td>
      ${n === 0 ? html`<td rowspan=${names.length}>${trail.length === 0 ? html`<span class="dim">no write is on record</span>` : trail.map((step) => html`<p key=${step.provider}><${Write} step=${step} /></p>`)}<${Proof} service=${change.service} /></td>` : null}
    </tr>`;
  })}`;
};

const CHANGES_MAX = 10;

export const Shares = ({ changes, trail }: { changes: readonly Change[]; trail: readonly Step[] }) => {
  const [isAll, setAll] = useState(false);
  if (changes.length === 0) return html`<p class="dim">It moved no traffic.</p>`;
  const shown = isAll ? changes : changes.slice(0, CHANGES_MAX);
  const steps = Map.groupBy(trail, ({ service }) => service);
  return html`<${Table} caption="Shares before and after, and what was written" head=${['service', 'pool', 'before', 'after', 'change', 'provider']}>
      ${shown.map((change) => html`<${ShareRows} key=${change.service} change=${change} trail=${steps.get(change.service) ?? []} />`)}
    <//>
    ${changes.length > CHANGES_MAX ? html`<button type="button" onClick=${() => setAll(!isAll)}>${isAll ? `the first ${CHANGES_MAX}` : `all ${changes.length} services`}</button>` : null}`;
};

// ---- services ----
// Where each service's traffic goes, beside where it should go; a cell for each region. Hundreds of services stay a table that can be read.

/** A route's thousandths are whole: thirds of it differ by one from what is configured. */
const isMoved = ({ share, configuredShare }: PoolCard): boolean => share !== null && Math.abs(share - configuredShare) > 1;

const Cell = still(({ pool }: { pool: PoolCard | undefined }) =>
  pool === undefined
    ? html`<td class="dim">–</td>`
    : html`<td class="cell ${pool.cause} ${isMoved(pool) ? 'moved' : ''}" title="${pool.name}: ${pool.cause}, ${pool.up} of ${pool.total} up${pool.hold === null ? '' : `, held: ${pool.hold}`}">
        <${Mark} state=${pool.cause} says=${pool.share === null ? '–' : percent(pool.share)} />
        ${isMoved(pool) ? html`<span class="dim"> of ${percent(pool.configuredShare)}</span>` : null}
        ${pool.hold === null ? null : html` <${Chip} tone="warn">${pool.hold}<//>`}
        ${pool.gray > 0 ? html` <${Chip} tone="warn">gray<//>` : null}
      </td>`,
);

interface RowProps {
  service: ServiceCard;
  regions: readonly string[];
}
const ServiceLine = still(({ service, regions }: RowProps) => {
  const byRegion = Map.groupBy(service.pools, ({ region }) => region);
  return html`<tr>
    <th scope="row"><button type="button" class="link" onClick=${() => want('service', service.name)}>${service.name}</button></th>
    <td>${service.mode === 'auto' ? 'auto' : html`<${Chip} tone="warn">${service.mode}<//>`}</td>
    ${regions.map((region) => html`<${Cell} key=${region} pool=${byRegion.get(region)?.[0]} />`)}
    <td>${service.provider} <span class="dim">${service.applied === null ? 'nothing written' : `fence ${service.applied.fence}`}</span></td>
    <td>${service.provenAtMs === null ? html`<span class="dim">never</span>` : html`<${At} atMs=${service.provenAtMs} />`}</td>
  </tr>`;
});

const isNotable = ({ moved, mode, pools }: ServiceCard): boolean =>
  moved || mode !== 'auto' || pools.some(({ verdict, hold, gray }) => verdict !== 'up' || hold !== null || gray > 0);

/** Beyond this only what is not as configured is shown, and of that so many, until somebody asks for all. */
const SERVICES_MAX = 30;

/** Rows that are drawn anew in one picture. */
const TURN = 25;
const nameOf = ({ name }: ServiceCard): string => name;

/** Rows of one table: of several tables those out of sight are neither laid out nor painted, which a row of a table cannot be spared. */
const LEAF = 25;

const captionOf = (services: readonly ServiceCard[], all: number): string => {
  const which = services.length === all ? '' : ` (${services[0]?.name} to ${services.at(-1)?.name})`;
  return `Services${which}, their share in each region, and what was written`;
};

const Tables = ({ services, regions }: { services: readonly ServiceCard[]; regions: readonly string[] }) => {
  const shown = useInTurns(services, TURN, nameOf);
  const leaves = Array.from({ length: Math.ceil(shown.length / LEAF) }, (_, at) => shown.slice(at * LEAF, (at + 1) * LEAF));
  return leaves.map(
    (
      leaf,
      at,
    ) => html`<div class="leaf" key=${at}><${Table} caption=${captionOf(leaf, shown.length)} head=${['service', 'mode', ...regions, 'provider', 'proven']}>
      ${leaf.map((service) => html`<${ServiceLine} key=${service.name} service=${service} regions=${regions} />`)}
    <//></div>`,
  );
};

const noteOf = (shown: number, found: number, of: number, filter: string): string =>
  `${shown < found ? `the first ${shown} of ` : ''}${count(found, 'service')} of ${of}: ${filter === '' ? 'what is not as configured' : 'by name'}`;

export const Services = () => {
  const seen = overview.value;
  if (seen === null) return html`<${Panel} id="services" title="Services"><${Empty}>Nothing is known yet.<//><//>`;
  const filter = asked.value.services ?? '';
  const all = filter === 'all' || seen.services.length <= SERVICES_MAX;
  const found = seen.services.filter((service) => (all ? true : filter === '' ? isNotable(service) : service.name.includes(filter)));
  const shown = all ? found : found.slice(0, SERVICES_MAX);
  const regions = seen.regions.map(({ name }) => name);
  const aside = html`<form class="inline" role="search" onSubmit=${(event: Event) => event.preventDefault()}>
    <label>name <input type="search" value=${filter === 'all' ? '' : filter} onInput=${({ currentTarget }: { currentTarget: HTMLInputElement }) => want('services', currentTarget.value === '' ? null : currentTarget.value)} /></label>
    ${all ? null : html`<button type="button" onClick=${() => want('services', 'all')}>all ${seen.services.length}</button>`}
  </form>`;
  return html`<${Panel} id="services" title="Services and their shares" aside=${aside} note=${all ? undefined : noteOf(shown.length, found.length, seen.services.length, filter)}>
    ${
      shown.length === 0
        ? html`<${Empty}>${filter === '' ? 'All services are as configured.' : 'No service has this in its name.'}<//>`
        : html`<${Tables} services=${shown} regions=${regions} />`
    }
  <//>`;
};

// ---- votes ----
// Who says what of whom: the targets that anybody doubts, with every vantage's word, its reason and the count that decides.

const DoubtRow = still(({ doubt, vantages }: { doubt: DoubtCard; vantages: readonly string[] }) => {
  const [open, setOpen] = useState(false);
  const reasons = vantages.flatMap((region) => {
    const cell = doubt.cells[region];
    return cell === undefined || cell.because === '' ? [] : [{ region, ...cell }];
  });
  return html`<tr>
      <th scope="row"><button type="button" class="link" onClick=${() => want('service', doubt.service)}>${doubt.target}</button></th>
      ${vantages.map((region) => {
        const cell = doubt.cells[region];
        return html`<td key=${region} title=${cell?.because}>${cell === undefined ? html`<span class="dim">not asked</span>` : html`<${Mark} state=${cell.state} />`}</td>`;
      })}
      <td><${Mark} state=${doubt.verdict} /> <span class="dim">${doubt.tally}</span></td>
      <td>${reasons.length === 0 ? null : html`<button type="button" class="quiet" aria-expanded=${open} onClick=${() => setOpen(!open)}>why</button>`}</td>
    </tr>
    ${open ? html`<tr class="more"><td colspan=${vantages.length + 3}><ul class="plain">${reasons.map(({ region, state, because, ageMs }) => html`<li><b>${region}</b> ${state}: ${because} <span class="dim">${ageMs === null ? '' : `vote ${duration(ageMs)} old`}</span></li>`)}</ul></td></tr>` : null}`;
});

export const Votes = () => {
  const seen = overview.value;
  const vantages = seen?.regions.filter(({ vote }) => vote).map(({ name }) => name) ?? [];
  const abstaining = seen?.regions.filter(({ vote, vantages: own }) => vote && own.every(({ state }) => state !== 'ok')) ?? [];
  const note =
    abstaining.length === 0
      ? undefined
      : html`Without a vote now: ${abstaining.map(({ name, vantages: own }) => html`<b>${name}</b> (${own[0]?.because ?? 'not heard'}) `)}`;
  return html`<${Panel} id="votes" title="Votes" note=${note}>
    ${
      seen === null || seen.doubts.length === 0
        ? html`<${Empty}>${seen === null ? 'Nothing is known yet.' : 'Every vantage that votes sees every target up.'}<//>`
        : html`<${Table} caption="Targets in doubt: what each vantage says" head=${['target', ...vantages, 'verdict', '']}>
          ${seen.doubts.map((doubt) => html`<${DoubtRow} key=${doubt.target} doubt=${doubt} vantages=${vantages} />`)}
        <//>`
    }
    ${seen !== null && seen.doubtsOmitted > 0 ? html`<p class="dim">and ${count(seen.doubtsOmitted, 'target')} more</p>` : null}
  <//>`;
};

// ---- one incident ----
// One incident's times as a drawing and as tables with the same numbers. What is not there yet grows while one looks.

const LABEL_PX = 16;
const BAR_PX = 14;
const ROW_PX = 44;
const GLYPHS: Readonly<Record<string, string>> = { met: '✓', missed: '✕', pending: '…', unmeasured: '–' };

const Parts = ({ bar, y }: { bar: Bar; y: number }) => html`
  ${bar.parts.map(({ kind, x, width }) => html`<rect class="part ${kind} ${bar.judgement}" x=${x} y=${y} width=${width} height=${BAR_PX} />`)}
  ${bar.goalX === null ? null : html`<line class="goal-line" x1=${bar.goalX} x2=${bar.goalX} y1=${y - 4} y2=${y + BAR_PX + 4} />`}`;

const steps = ({ curve }: ServiceBar, y: number): string =>
  curve
    .map(({ x, share }, n) => {
      const at = (y + BAR_PX * (1 - share)).toFixed(1);
      return n === 0 ? `M${x.toFixed(1)} ${at}` : `H${x.toFixed(1)}V${at}`;
    })
    .join('');

const BarRow = ({ bar, y, width }: { bar: ServiceBar; y: number; width: number }) => {
  const room = Math.max(8, Math.floor((width - 170) / 7.2));
  const name = bar.service.length > room ? `${bar.service.slice(0, room - 1)}…` : bar.service;
  return html`<g>
    <text x="0" y=${y + 12}>${name}</text>
    <text class="judged ${bar.judgement}" x=${width} y=${y + 12} text-anchor="end">${GLYPHS[bar.judgement]} ${bar.text}${bar.isCut ? ' →' : ''}</text>
    <${Parts} bar=${bar} y=${y + 18} />
    ${bar.curve.length < 2 ? null : html`<path class="curve" d=${steps(bar, y + 18)} />`}
  </g>`;
};

const Picture = ({ drawing, says, goal }: { drawing: Drawing; says: string; goal: string }) => {
  const { width, labels, levels, ticks, zeroX, detection, services } = drawing;
  const top = levels * LABEL_PX + 6;
  const first = top + ROW_PX;
  const bottom = first + services.length * ROW_PX;
  return html`<svg class="timeline" viewBox="0 0 ${width} ${bottom + 22}" width=${width} height=${bottom + 22} role="img" aria-label=${says}>
    ${ticks.map(({ x, text }) => html`<line class="grid" x1=${x} x2=${x} y1=${top} y2=${bottom} /><text class="tick" x=${x} y=${bottom + 15} text-anchor=${x < 24 ? 'start' : x > width - 24 ? 'end' : 'middle'}>${text}</text>`)}
    <line class="zero" x1=${zeroX} x2=${zeroX} y1=${top} y2=${bottom} />
    ${labels.map(({ x, level }) => html`<line class="lead" x1=${x} x2=${x} y1=${top - level * LABEL_PX - 4} y2=${top + 18 + BAR_PX} />`)}
    ${labels.map(({ text, left, level }) => html`<text x=${left} y=${top - level * LABEL_PX - 6}>${text}</text>`)}
    <text x="0" y=${top + 12}>detection</text>
    <text class="judged ${detection.judgement}" x=${width} y=${top + 12} text-anchor="end">${GLYPHS[detection.judgement]} ${goal}${detection.isCut ? ' →' : ''}</text>
    <${Parts} bar=${detection} y=${top + 18} />
    ${services.map((bar, n) => html`<${BarRow} key=${bar.service} bar=${bar} y=${first + n * ROW_PX} width=${width} />`)}
  </svg>`;
};

const ServiceRow = ({ course, times, now }: { course: Course; times: ServiceTimes; now: number }) => {
  const ms = (value: number | null) => (value === null ? html`<span class="dim">–</span>` : duration(value));
  return html`<tr>
    <th scope="row">${times.service}</th>
    <td class="number">${signed(decidedAtMs(course, times.service) - course.t3AtMs)}</td>
    <td class="number">${ms(times.acknowledgedMs)}</td><td class="number">${ms(times.authoritativeMs)}</td><td class="number">${ms(times.convergedMs)}</td>
    <td><${Mark} state=${judged(course, times, now)} /></td>
    <td class="says">${times.landed.map(({ region, ms: after }) => `${region} ${duration(after)}`).join(', ')}${times.because === null ? null : html` <span class="dim">${times.because}</span>`}</td>
  </tr>`;
};

/** So many bars before somebody asks for all. */
const BARS_MAX = 8;

export const Times = ({ course }: { course: Course }) => {
  const ref = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(0);
  const [isAll, setAll] = useState(false);
  useEffect(() => (ref.current === null ? undefined : onWidth(ref.current, setWidth)), []);
  // Only what goes on is drawn again each second.
  const now = isPending(course) ? nowMs.value : (course.closedAtMs ?? nowMs.peek());
  const all = slowestFirst(course);
  const shown = isAll ? all : all.slice(0, BARS_MAX);
  const { detection, convergence, witnesses } = course;
  const landed = convergenceText(course, now);
  const more = all.length - shown.length;
  return html`<div ref=${ref}>
    <dl class="facts">
      <dt>detection</dt><dd><${Mark} state=${detection.judgement} /> ${detectionText(detection)} <span class="dim">goal ${duration(detection.goalMs)}; from the first failed probe, at most from the last good look</span></dd>
      <dt>convergence</dt><dd><${Mark} state=${convergence.judgement} /> ${landed} <span class="dim">goal ${duration(convergence.goalMs)}; of the slowest service</span></dd>
    </dl>
    ${width === 0 ? null : html`<${Picture} drawing=${drawingOf(course, shown, now, Math.max(240, width))} goal=${`${detectionText(detection)} of ${duration(detection.goalMs)}`} says="Detected in ${detectionText(detection)}; users landed: ${landed}. The tables below have the numbers." />`}
    <p class="legend dim"><span class="key unsure"></span> it may have begun <span class="key detect"></span> until the decision <span class="key t4"></span> acknowledged <span class="key t5"></span> all servers <span class="key t6"></span> users
      <span class="key pending"></span> still waiting <span class="key goal-key"></span> goal; the line over a bar: how many of ${count(witnesses.length, 'vantage')} saw users land</p>
    <${Table} caption="The incident's times" head=${['stamp', 'what', 'UTC', 'from the decision', 'note']}>
      ${stampsOf(course).map(
        ({ id, name, atMs, state, because }) => html`<tr>
        <th scope="row">${id}</th><td>${name}</td>
        <td class="number">${atMs === null ? html`<${Mark} state=${state} says=${state} />` : utc(atMs, now)}</td>
        <td class="number">${atMs === null ? '' : signed(atMs - course.t3AtMs)}</td><td class="dim">${because}</td>
      </tr>`,
      )}
    <//>
    ${
      all.length === 0
        ? null
        : html`<${Table} caption="Times of each service, from its decision" head=${['service', 'decided', 't4', 't5', 't6', 'goal', 'users landed, by vantage']}>
          ${shown.map((times) => html`<${ServiceRow} key=${times.service} course=${course} times=${times} now=${now} />`)}
        <//>`
    }
    ${more > 0 || isAll ? html`<button type="button" onClick=${() => setAll(!isAll)}>${isAll ? 'the slowest only' : `all ${all.length} services`}</button>` : null}
  </div>`;
};

// ---- incidents ----
// What went wrong, newest first; one of them with its measured times against the goals, and as a report to be finished by people.

/** As the overview tells of it, or the list. */
type Incident = Overview['incidents'][number];
type Short = Pick<Incident, 'id' | 'kind' | 'region' | 'because' | 'v' | 't0AtMs' | 't3AtMs' | 'closedAtMs' | 'detection'> & {
  convergence: Pick<Incident['convergence'], 'ms' | 'judgement'>;
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
const INCIDENTS_MAX = 6;

export const Incidents = () => {
  const [older, setOlder] = useState<readonly Short[] | null>(null);
  const asking = useDeed();
  const newest = (overview.value?.incidents ?? []) as readonly Short[];
  const ids = new Set(newest.map(({ id }) => id));
  const all = [...newest, ...(older ?? []).filter(({ id }) => !ids.has(id))];
  const opened = asked.value.incident ?? all.find(({ closedAtMs }) => closedAtMs === null)?.id ?? null;
  const shown = older === null ? all.slice(0, INCIDENTS_MAX) : all;
  const isElsewhere = opened !== null && opened !== 'none' && !shown.some(({ id }) => id === opened);
  const more = () => asking.run(async () => setOlder((await get<IncidentList>(`/v1/incidents?limit=${OLDER_MAX}`)).items));
  return html`<${Panel} id="incidents" title="Incidents">
    ${isElsewhere ? html`<div class="entry"><h3>${opened} <button type="button" class="quiet" onClick=${() => want('incident', null)}>close</button></h3><${Opened} key=${opened} id=${opened} short=${all.find(({ id }) => id === opened)} /></div>` : null}
    ${all.length === 0 ? html`<${Empty}>${overview.value === null ? 'Nothing is known yet.' : 'No incident is on record.'}<//>` : html`<ol class="plain entries">${shown.map((short) => html`<${Entry} key=${short.id} short=${short} isOpen=${short.id === opened} />`)}</ol>`}
    ${older === null && all.length > 0 ? html`<button type="button" disabled=${asking.busy} onClick=${more}>older</button>` : null}
    <${Trouble} error=${asking.error} />
  <//>`;
};

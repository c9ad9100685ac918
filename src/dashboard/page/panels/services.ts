// Where each service's traffic goes, beside where it should go; a cell for each region. Hundreds of services stay a table that can be read.
import { html } from '../html.ts';
import { asked, want } from '../live/address.ts';
import { overview } from '../live/live.ts';
import { At, Chip, Empty, Mark, Panel, still, Table, useInTurns } from '../parts.ts';
import type { PoolCard, ServiceCard } from '../types.ts';
import { count, percent } from '../words.ts';

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
const Row = still(({ service, regions }: RowProps) => {
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
const SHOWN_MAX = 30;

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
      ${leaf.map((service) => html`<${Row} key=${service.name} service=${service} regions=${regions} />`)}
    <//></div>`,
  );
};

const noteOf = (shown: number, found: number, of: number, filter: string): string =>
  `${shown < found ? `the first ${shown} of ` : ''}${count(found, 'service')} of ${of}: ${filter === '' ? 'what is not as configured' : 'by name'}`;

export const Services = () => {
  const seen = overview.value;
  if (seen === null) return html`<${Panel} id="services" title="Services"><${Empty}>Nothing is known yet.<//><//>`;
  const filter = asked.value.services ?? '';
  const all = filter === 'all' || seen.services.length <= SHOWN_MAX;
  const found = seen.services.filter((service) => (all ? true : filter === '' ? isNotable(service) : service.name.includes(filter)));
  const shown = all ? found : found.slice(0, SHOWN_MAX);
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

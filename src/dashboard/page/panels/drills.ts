// What is proved to work, and when that was: failovers of names that nobody resolves, canaries of the providers, moves of each service; and what is due.
import { html } from '../html.ts';
import { overview } from '../live/live.ts';
import { At, Chip, Empty, Mark, Panel, still, Table } from '../parts.ts';
import type { ServiceCard } from '../types.ts';
import { count, duration } from '../words.ts';

/** The document leaves these two open; src/api/proofs.ts and src/api/status.ts say what they are. */
interface MicroDrill {
  provider: string;
  service: string;
  everyMs: number;
  provenAtMs: number | null;
  stale: boolean;
  last: { from: string; to: string; t3AtMs: number; ok: boolean | null; because: string };
  phases: Readonly<Partial<Record<keyof typeof PHASES, { p50Ms: number; p95Ms: number; count: number }>>>;
}
type Spread = { p50Ms: number; p99Ms: number; count: number } | null;
interface Provider {
  name: string;
  failing: boolean;
  provenAgoMs: number | null;
  writes: Spread;
  canary: { service: string; atMs: number | null; ok: boolean | null; because: string; stages: Readonly<Record<string, Spread>> } | null;
}

const Proved = ({ atMs }: { atMs: number | null }) => (atMs === null ? html`<span class="dim">never</span>` : html`<${At} atMs=${atMs} />`);

const PHASES = { acknowledged: 'written', authoritative: 'served', resolver: 'users' } as const;

const DrillRow = still(({ drill }: { drill: MicroDrill }) => {
  const { provider, service, everyMs, provenAtMs, stale, last, phases } = drill;
  return html`<tr>
    <th scope="row">${provider}<br /><code class="dim">${service}</code></th>
    <td><${Proved} atMs=${provenAtMs} /> ${stale ? html`<${Chip} tone="warn">stale<//>` : null}</td>
    <td>each ${duration(everyMs)}</td>
    <td>${last.ok === null ? html`<${Mark} state="pending" says="under way, or whoever flew it died" />` : html`<${Mark} state=${last.ok ? 'pass' : 'fail'} says=${last.ok ? 'came through' : 'failed'} />`} <span class="dim">${last.from} to ${last.to}, <${At} atMs=${last.t3AtMs} /></span>${last.because === '' ? null : html`<p class="dim">${last.because}</p>`}</td>
    ${(Object.keys(PHASES) as (keyof typeof PHASES)[]).map((phase) => {
      const spread = phases[phase];
      return html`<td>${spread === undefined ? html`<span class="dim">not measured</span>` : html`${duration(spread.p50Ms)} <span class="dim">p95 ${duration(spread.p95Ms)}, of ${spread.count}</span>`}</td>`;
    })}
  </tr>`;
});

const ProviderRow = still(({ provider: { name, failing, provenAgoMs, writes, canary } }: { provider: Provider }) => {
  const stages = Object.entries(canary?.stages ?? {}).flatMap(([stage, spread]) =>
    spread === null ? [] : [`${stage} ${duration(spread.p50Ms)} (p99 ${duration(spread.p99Ms)})`],
  );
  return html`<tr>
    <th scope="row">${name}</th>
    <td><${Mark} state=${failing ? 'fail' : 'pass'} says=${failing ? 'failing' : 'works'} /></td>
    <td>${provenAgoMs === null ? html`<span class="dim">never</span>` : `${duration(provenAgoMs)} ago`}</td>
    <td>${writes === null ? html`<span class="dim">no writes yet</span>` : html`${duration(writes.p50Ms)} <span class="dim">p99 ${duration(writes.p99Ms)}, of ${writes.count}</span>`}</td>
    <td>${
      canary === null
        ? html`<span class="dim">none configured</span>`
        : html`${canary.ok === null ? html`<${Mark} state="pending" says="none has ended yet" />` : html`<${Mark} state=${canary.ok ? 'pass' : 'fail'} says=${canary.ok ? 'came through' : 'failed'} />`}
          ${canary.atMs === null ? null : html` <${At} atMs=${canary.atMs} />`} <code class="dim">${canary.service}</code>
          ${canary.because === '' ? null : html`<p class="dim">${canary.because}</p>`}<p class="dim">${stages.join('; ')}</p>`
    }</td>
  </tr>`;
});

const Services = still(({ services }: { services: readonly ServiceCard[] }) => {
  const never = services.filter(({ provenAtMs }) => provenAtMs === null).length;
  const oldest = services.toSorted((a, b) => (a.provenAtMs ?? 0) - (b.provenAtMs ?? 0));
  return html`<details><summary>When each service was last proved to move: ${never === 0 ? 'all were once' : `${count(never, 'service')} of ${services.length} never`}</summary>
    <${Table} caption="When each service was last proved to move, the longest ago first" head=${['service', 'proved']}>
      ${oldest.map(({ name, provenAtMs }) => html`<tr key=${name}><th scope="row">${name}</th><td><${Proved} atMs=${provenAtMs} /></td></tr>`)}
    <//></details>`;
});

export const Drills = () => {
  const seen = overview.value;
  if (seen === null) return html`<${Panel} id="drills" title="Drills"><${Empty}>Nothing is known yet.<//><//>`;
  const { reminders, remindersOmitted, services } = seen;
  const microDrills = (seen.microDrills ?? []) as readonly unknown[] as readonly MicroDrill[];
  const providers = (seen.providers ?? []) as readonly unknown[] as readonly Provider[];
  return html`<${Panel} id="drills" title="Drills">
    ${
      reminders.length === 0
        ? null
        : html`<ul class="plain">${reminders.map(({ service, rule, stage, because }) => html`<li class="note"><${Mark} state="warn" says=${service} /> <code>${rule}</code> <span class="dim">${stage}</span> ${because}</li>`)}</ul>`
    }
    ${remindersOmitted > 0 ? html`<p class="dim">and ${count(remindersOmitted, 'reminder')} more</p>` : null}
    <h3>Micro-drills</h3>
    ${
      microDrills.length === 0
        ? html`<${Empty}>None is flown: <code>microDrill: true</code> of a provider’s canary fails over a name that nobody resolves, every few minutes.<//>`
        : html`<${Table} caption="Micro-drills: from the decision until it was written, served, and met by resolvers" head=${['provider', 'last proved', 'flown', 'the newest', ...Object.values(PHASES).map((says) => `${says}, median`)]}>
          ${microDrills.map((drill) => html`<${DrillRow} key=${drill.provider} drill=${drill} />`)}
        <//>`
    }
    <h3>Providers and canaries</h3>
    ${
      providers.length === 0
        ? html`<${Empty}>This replica writes to no provider now, so it has measured none; whoever coordinates has.<//>`
        : html`<${Table} caption="Providers as this replica writes to them, and their canaries" head=${['provider', 'is', 'proved', 'writes, median', 'canary']}>
          ${providers.map((provider) => html`<${ProviderRow} key=${provider.name} provider=${provider} />`)}
        <//>`
    }
    <${Services} services=${services} />
    <h3>Exercises</h3>
    <p>Scorecards of <code>tidegate drill run</code> are files: the folder <code>drills/</code>, or what <code>--scorecards</code> said, where the command ran. <code>tidegate drill history</code> lists them; no replica has them, so this page shows none. Runs with the purpose drill are under Runbooks.</p>
  <//>`;
};

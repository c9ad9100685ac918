// `tidegate adopt`: after a store was replaced, restored or lost, takes what the providers serve as the truth and lets the cluster go on from it.
// Replicas that stopped trusting the store begin again once they see the record it writes. Shows before and after; `--dry-run` writes nothing.
import { loadConfig } from '../config/load.ts';
import type { ReplicaConfig } from '../config/schema.ts';
import type { Ports } from '../ports.ts';
import { routeText } from '../publish/adopt.ts';
import { type AdoptionRequest, type AdoptionResult, runAdoption } from '../publish/adoption.ts';
import type { Store } from '../store/store.ts';
import { openCommandStore, type Saying } from './open.ts';
import { sayProblems } from './problems.ts';
import { oneLine, openedProviders } from './providers.ts';

export interface AdoptOptions {
  /** A replica's file: which store, and how to write to the providers. */
  config: string;
  reason: string;
  owner: string;
  /** Only these; without any, every service in auto, or frozen before it was taken out of auto, whose provider is not as the store says. */
  service?: readonly string[];
  dryRun?: boolean;
  /** One object on stdout instead of text. */
  json?: boolean;
}

export interface AdoptContext extends Saying {
  ports: Ports;
  /** How the store is opened; as the replica's file says unless said. */
  open?: (config: ReplicaConfig, ports: Ports) => Promise<Store>;
}

const fenceText = (fence: { v: number; writer: string } | null): string =>
  fence === null ? 'no fence' : `fence ${fence.v} by ${fence.writer}`;

const serviceLines = (s: AdoptionResult['services'][number]): readonly string[] => [
  `${s.service} (provider ${s.provider})`,
  `  store    ${routeText(s.before)}`,
  `  served   ${routeText(s.served)}; ${fenceText(s.carried)}`,
  ...s.others.map((o) => `  besides  ${o.provider} serves ${routeText(o.served)}; ${fenceText(o.carried)}`),
  s.fence === null
    ? '  nothing to adopt; it is decided as a new service'
    : `  ${s.served === null ? 'kept   ' : 'adopted'}  ${routeText(s.after)}; fence ${s.fence}`,
];

/** What follows, and what is left to do: whoever joins a store that another process serves does not find back to it by himself. */
const sequel = ({ services }: AdoptionResult, kind: AdoptionRequest['kind'], isJoined: boolean): string => {
  const written = services.length === 0 ? [] : ['its coordinator now writes it, and automation goes on from there'];
  if (kind === 'adopt' && isJoined)
    return [...written, 'now start every replica again that joins this store: those that stopped trusting it stand still'].join('; ');
  return written[0] ?? 'replicas that stopped trusting the store go on';
};

/** What came of it, as text (each line ended) and as one object. */
const tell = (result: AdoptionResult, { kind, dryRun }: AdoptionRequest, isJoined: boolean): { text: string; data: string } => {
  const nothing =
    kind === 'adopt' ? 'no provider carries anything that the store does not know; the store is taken as it is' : 'nothing to acknowledge';
  const done = kind === 'adopt' ? 'adopted' : 'acknowledged';
  const closing = dryRun
    ? `nothing was written: this would be decision ${result.v} of ${result.cluster}`
    : `${done}: decision ${result.v} of ${result.cluster}; ${sequel(result, kind, isJoined)}`;
  const lines = [
    ...(result.services.length === 0 ? [nothing] : result.services.flatMap(serviceLines)),
    ...result.holds.map((o) => `freeze ${o.id} holds ${o.scope.service} until it expires or is deleted`),
    closing,
  ];
  const services = result.services.map(({ carried, others, ...s }) => ({
    ...s,
    ...(others.length === 0
      ? {}
      : {
          others: others.map((o) => ({
            provider: o.provider,
            served: o.served,
            carried: o.carried === null ? null : { v: o.carried.v, writer: o.carried.writer },
          })),
        }),
    carried: carried === null ? null : { v: carried.v, writer: carried.writer },
  }));
  const data = { outcome: dryRun ? 'planned' : done, cluster: result.cluster, v: result.v, services, holds: result.holds };
  return { text: `${lines.join('\n')}\n`, data: `${JSON.stringify(data)}\n` };
};

/** What `adopt` and `ack` have in common. Exit code 0, or 78 for a file that is not accepted; throws Fault and what the store throws. */
export const adoptWith = async (
  options: { config: string; json?: boolean },
  request: AdoptionRequest,
  context: AdoptContext,
): Promise<number> => {
  const loaded = loadConfig(options.config);
  if (!loaded.ok) return sayProblems(loaded.problems, options.json, context);
  const { ports } = context;
  const store = await (context.open ?? openCommandStore)(loaded.config, ports);
  try {
    const providers = openedProviders(loaded.config, ports, store);
    try {
      const result = await runAdoption({ ports, store, provider: (name) => providers.provider(name) }, request);
      const { text, data } = tell(result, request, loaded.config.store.kind === 'remote');
      context.out(options.json === true ? data : text);
      return 0;
    } finally {
      await providers.close();
    }
  } finally {
    await store.close();
  }
};

/** Adopts. Exit codes: 0 adopted or only looked at, 78 when the file is not accepted; throws Fault (see runAdoption) and what the store throws. */
export const adopt = (options: AdoptOptions, context: AdoptContext): Promise<number> =>
  adoptWith(
    options,
    {
      kind: 'adopt',
      services: options.service ?? [],
      owner: oneLine('--owner', options.owner),
      reason: oneLine('--reason', options.reason),
      dryRun: options.dryRun === true,
      holdMs: null,
      journal: [],
    },
    context,
  );

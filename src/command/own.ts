// `tidegate own`: which objects of a vendor Tidegate writes, and which fields of them; with --terraform the lifecycle blocks that keep Terraform's hands off
// just those. Asks nobody: what an adapter writes follows from the configuration. Credentials are read, since an adapter is opened, and not used.
import type { Owned } from '../../providers/provider.ts';
import type { ReplicaConfig } from '../config/schema.ts';
import { plural } from '../config/words.ts';
import { pathsOf, type ServiceConfig } from '../model.ts';
import type { Ports } from '../ports.ts';
import { byHand } from '../publish/break-glass.ts';
import { configuredRoute } from '../publish/pending.ts';
import { filesOf, serviceOf } from './files.ts';
import type { Saying } from './open.ts';
import { type OpenedProviders, openedProviders } from './providers.ts';

export interface OwnOptions {
  /** A replica's file: its providers. */
  config: string;
  /** A file with the cluster section, when the replica's own has none. */
  file?: string;
  service?: readonly string[];
  terraform?: boolean;
  json?: boolean;
}

export interface OwnContext extends Saying {
  ports: Ports;
  /** How the providers are opened; as the replica's file says unless said. */
  providers?: (config: ReplicaConfig, ports: Ports) => OpenedProviders;
}

interface OwnedService {
  service: string;
  provider: string;
  kind: string;
  owns: readonly Owned[];
}

const NEVER = 'Fields that are not listed are never touched, nor is any other object.';

const listed = ({ service, provider, kind, owns }: OwnedService): readonly string[] => [
  `${service} (provider ${provider}, ${kind})`,
  ...owns.map(({ object, fields }) => `  ${object}: ${fields.join(', ')}`),
];

/** One block per object: which of the reader's resources it belongs into only they know. */
const block = ({ object, fields, terraform }: Owned): readonly string[] => {
  if (terraform === undefined) return [`# ${object}: ${fields.join(', ')}. Made by Tidegate alone: do not declare it.`, ''];
  const { resource, ignoreChanges, note } = terraform;
  return [
    `# ${object}: ${fields.join(', ')}`,
    ...(note === undefined ? [] : [`# ${note}`]),
    `resource "${resource}" "…" {`,
    '  lifecycle {',
    `    ignore_changes = [${ignoreChanges.join(', ')}]`,
    '  }',
    '}',
    '',
  ];
};

const terraformText = (owned: readonly OwnedService[]): string => {
  const seen = new Set<string>();
  const lines = owned.flatMap(({ service, provider, kind, owns }) => {
    // An object that several services share is declared once.
    const fresh = owns.filter(({ object }) => !seen.has(object));
    for (const { object } of fresh) seen.add(object);
    return [`# ---- ${service} (provider ${provider}, ${kind}) ----`, '', ...fresh.flatMap(block)];
  });
  return [
    '# What Tidegate writes, for the resources that already declare it: add each lifecycle block to the resource of that object.',
    `# ${NEVER}`,
    '',
    ...lines,
  ].join('\n');
};

const plainText = (owned: readonly OwnedService[]): string =>
  `${[...owned.flatMap(listed), '', NEVER, `${plural(owned.length, 'service')}. --terraform prints the lifecycle blocks.`].join('\n')}\n`;

/** Prints what is owned. Exit codes: 0, 78 for a file that is not accepted; throws Fault ERR_USAGE, ERR_CONFIG, ERR_SECRET. */
export const own = async (options: OwnOptions, context: OwnContext): Promise<number> => {
  const files = filesOf(options, context);
  if (typeof files === 'number') return files;
  const { config, cluster } = files;
  const names = options.service ?? [];
  const services = names.length === 0 ? cluster.services : names.map((name) => serviceOf(cluster, name));
  const providers = (context.providers ?? openedProviders)(config, context.ports);
  try {
    const ownedBy = async (service: ServiceConfig, provider: string): Promise<OwnedService> => {
      const { name } = service;
      const owns = (await providers.provider(provider)).owns([byHand(service, configuredRoute(service))]);
      return { service: name, provider, kind: config.providers[provider]?.kind ?? provider, owns };
    };
    const owned: OwnedService[] = [];
    for (const service of services) for (const provider of pathsOf(service)) owned.push(await ownedBy(service, provider));
    if (options.json === true) context.out(`${JSON.stringify({ services: owned })}\n`);
    else context.out(options.terraform === true ? terraformText(owned) : plainText(owned));
    return 0;
  } finally {
    await providers.close();
  }
};

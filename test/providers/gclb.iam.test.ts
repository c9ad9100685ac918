// Least privilege: what the provider asks of the vendor, in everything it can do, against the roles under deploy/iam/.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import type { GclbConfig } from '../../providers/gclb/index.ts';
import { inventory } from '../../providers/gclb/inventory.ts';
import type { ProviderService } from '../../providers/provider.ts';
import type { StandInCall } from '../../src/drill/stand-ins/stand-in.ts';
import { createHttp } from '../../src/http.ts';
import { realPorts } from '../../src/ports.ts';
import { backendServiceOf, capacityConfig, serviceOf, startWorld, urlMapConfig, urlMapOf } from './gclb.fixture.ts';

const roleOf = (name: string): readonly string[] =>
  parse(readFileSync(join(import.meta.dirname, '../../deploy/iam', name), 'utf8')).includedPermissions;

const VERBS: Readonly<Record<string, string>> = { GET: 'get', PATCH: 'update' };

/** The permission that a call needs, and those for what its body refers to. Throws for a call that nobody knows. */
const permissionsOf = ({ method, path, body }: StandInCall): readonly string[] => {
  const [, collection, name] = /^\/compute\/v1\/projects\/[^/]+\/global\/(\w+)(?:\/([^/]+))?$/.exec(path) ?? [];
  if (collection === undefined) throw new Error(`an unknown call: ${method} ${path}`);
  if (collection === 'operations' && method === 'GET') return ['compute.globalOperations.get'];
  const verb = method === 'GET' && name === undefined ? 'list' : VERBS[method];
  if (verb === undefined) throw new Error(`an unknown call: ${method} ${path}`);
  const text = JSON.stringify(body);
  const refers = [
    ['/networkEndpointGroups/', 'compute.networkEndpointGroups.use'],
    ['/instanceGroups/', 'compute.instanceGroups.use'],
    ['/backendServices/', 'compute.backendServices.use'],
  ] as const;
  const used = refers.filter(([part]) => text.includes(part)).map(([, permission]) => permission);
  // Judged with every change of backends, although the body leaves them out.
  return [`compute.${collection}.${verb}`, ...used, ...(text.includes('"backends"') ? ['compute.healthChecks.useReadOnly'] : [])];
};

const many: readonly ProviderService[] = Array.from({ length: 6 }, (_, n) => serviceOf(`s${n}`, 2));
const drained = (service: ProviderService): ProviderService => ({
  ...service,
  pools: service.pools.map((pool, at) => ({ ...pool, share: at === 0 ? 0 : 1000 })),
});
const LINK = 'https://www.googleapis.com/compute/v1/projects/tide-project';

test.each<[mode: GclbConfig['mode'], role: string, imports: boolean]>([
  ['capacity', 'gclb-capacity.yaml', false],
  ['urlMap', 'gclb-url-map.yaml', true],
])('mode %s: every call stays within %s, and no permission there is spare', async (mode, role, imports) => {
  const withInstances = (service: ProviderService) => {
    const object = backendServiceOf(service);
    const [first, ...rest] = object.backends as Record<string, unknown>[];
    return { ...object, backends: [{ ...first, group: `${LINK}/regions/r/instanceGroups/i` }, ...rest, { ...first }] };
  };
  await using world = await startWorld({
    backendServices: many.map(withInstances),
    urlMaps: many.map((service) => urlMapOf(service, 100, 'api')),
  });
  const config = mode === 'capacity' ? capacityConfig(many, world.wire.url) : urlMapConfig(many, world.wire.url, 'api');
  const provider = world.open(config);
  const signal = AbortSignal.timeout(20_000);
  const [service] = many as readonly [ProviderService];
  await provider.read(many, signal);
  const previous = (await provider.read([service], signal)).get(service.service)!;
  const fence = { v: 1, epoch: 1, writer: 'eu-west/a', nonce: 'n', hash: '01' };
  const applied = await provider.apply([{ desired: drained(service), fence, previous }], signal);
  if (applied.outcome !== 'applied' || applied.receipt === undefined) throw new Error(JSON.stringify(applied));
  await provider.settle!(applied.receipt, signal);
  if (imports) {
    const ports = realPorts();
    const outside = createHttp({ ports, resolve: () => Promise.reject(new Error('a name was asked for')) });
    await inventory(config, { ports, secret: () => world.standIn.credentials, fetch: outside.fetch }, signal);
    await outside.close();
  }
  const needed = new Set(world.standIn.calls().flatMap(permissionsOf));
  expect([...needed].sort()).toEqual([...roleOf(role)].sort());
});

// What a human means by a name: a region, a service, or a pool (`service/pool`). Pure.
import type { StatusDocument } from '../../client/types.ts';
import { didYouMean, list } from '../../config/words.ts';
import { Fault } from '../../errors.ts';
import type { OverrideScope } from '../../model.ts';
import { voters } from './findings.ts';

type Service = StatusDocument['services'][number];
type Pool = Service['pools'][number];

export interface Subject {
  kind: 'region' | 'service' | 'pool';
  name: string;
  scope: OverrideScope;
  /** Pools that it means, each with its service. */
  pools: readonly { service: Service; pool: Pool }[];
}

const regionsOf = (status: StatusDocument): readonly string[] => [
  ...new Set([
    ...status.services.flatMap(({ pools }) => pools.map(({ region }) => region)),
    ...status.votes.vantages.map(({ region }) => region),
    ...voters(status),
  ]),
];

const every = ({ services }: StatusDocument): Subject['pools'] =>
  services.flatMap((service) => service.pools.map((pool) => ({ service, pool })));

export const poolsIn = (status: StatusDocument, scope: OverrideScope): Subject['pools'] =>
  every(status).filter(
    ({ service, pool }) =>
      (scope.service === undefined || scope.service === service.name) &&
      (scope.pool === undefined || scope.pool === pool.name) &&
      (scope.region === undefined || scope.region === pool.region),
  );

const subject = (status: StatusDocument, kind: Subject['kind'], name: string, scope: OverrideScope): Subject => ({
  kind,
  name,
  scope,
  pools: poolsIn(status, scope),
});

/** Throws Fault ERR_USAGE for a name that means nothing, or two things. */
export const subjectNamed = (
  status: StatusDocument,
  name: string,
  kinds: readonly Subject['kind'][] = ['region', 'service', 'pool'],
): Subject => {
  const slash = name.lastIndexOf('/');
  const found: Subject[] = [];
  if (kinds.includes('region') && regionsOf(status).includes(name)) found.push(subject(status, 'region', name, { region: name }));
  if (kinds.includes('service') && status.services.some((service) => service.name === name))
    found.push(subject(status, 'service', name, { service: name }));
  if (kinds.includes('pool') && slash > 0) {
    const [service, pool] = [name.slice(0, slash), name.slice(slash + 1)];
    if (status.services.some((each) => each.name === service && each.pools.some((own) => own.name === pool)))
      found.push(subject(status, 'pool', name, { service, pool }));
  }
  const [one, other] = found;
  if (one !== undefined && other === undefined) return one;
  if (one !== undefined && other !== undefined)
    throw new Fault('ERR_USAGE', `"${name}" is a ${one.kind} and a ${other.kind}: name a pool as SERVICE/POOL`);
  // A pool by its own name alone, where only one is called so.
  const alone = kinds.includes('pool') ? every(status).filter(({ pool }) => pool.name === name) : [];
  const [lone] = alone;
  if (lone !== undefined && alone.length === 1)
    return subject(status, 'pool', `${lone.service.name}/${name}`, { service: lone.service.name, pool: name });
  const known = [
    ...(kinds.includes('region') ? regionsOf(status) : []),
    ...(kinds.includes('service') ? status.services.map((service) => service.name) : []),
    ...(kinds.includes('pool') ? every(status).map(({ service, pool }) => `${service.name}/${pool.name}`) : []),
  ];
  throw new Fault('ERR_USAGE', `no ${kinds.join(', ')} is called "${name}"; ${didYouMean(name, known, `known: ${list(known, 6)}`)}`);
};

// One collection of a project through the API: how it is reached, and all of its objects.
import { z } from 'zod';
import { Fault } from '../../src/errors.ts';
import type { Ports } from '../../src/ports.ts';
import type { ProviderContext } from '../provider.ts';
import { type Collection, type ComputeClient, openCompute } from './client.ts';
import { objectShape, understood, type VendorObject } from './convert.ts';
import type { GclbConfig } from './index.ts';
import { isSuccess, readFailure } from './reply.ts';

export type GclbContext = Pick<ProviderContext, 'ports' | 'secret' | 'fetch'>;

/** Throws Fault ERR_SECRET. */
export const openCollection = (
  collection: Collection,
  { project, endpoint, credentialsFile }: GclbConfig,
  { ports, fetch, secret }: GclbContext,
): ComputeClient => {
  const credentials = credentialsFile === undefined ? null : { text: secret(credentialsFile), path: credentialsFile };
  return openCompute({ ports, fetch, collection, project, endpoint, credentials });
};

const pageShape = z.looseObject({ items: z.array(objectShape).default([]), nextPageToken: z.string().optional() });

/** Page by page. `where` begins what is said. Throws Fault ERR_PROVIDER, or the signal's reason. */
export const everyObject = async (
  client: ComputeClient,
  where: string,
  { clock }: Pick<Ports, 'clock'>,
  signal: AbortSignal,
): Promise<readonly VendorObject[]> => {
  const found: VendorObject[] = [];
  for (let pageToken: string | undefined; ; ) {
    const reply = await client.list(pageToken, signal);
    signal.throwIfAborted();
    if (!isSuccess(reply)) throw readFailure(where, reply, clock.wallMs());
    const { items, nextPageToken = '' } = understood(pageShape, where, reply.body);
    found.push(...items);
    if (nextPageToken === '') return found;
    if (nextPageToken === pageToken) throw new Fault('ERR_PROVIDER', `${where}: a page that leads to itself; is this the vendor's API?`);
    pageToken = nextPageToken;
  }
};

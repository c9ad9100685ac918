// One hosted zone through the API: listing the sets of some names, one batch of changes, and how a change goes on.
import {
  type Change,
  ChangeResourceRecordSetsCommand,
  GetChangeCommand,
  ListResourceRecordSetsCommand,
  type ListResourceRecordSetsRequest,
} from '@aws-sdk/client-route-53';
import { z } from 'zod';
import { Fault } from '../../src/errors.ts';
import type { Applied, Settled } from '../provider.ts';
import type { Account } from './account.ts';
import { failureOf, faultOf, outcomeOf, requestsOf } from './failure.ts';
import { bareName, inOrder, keyOf, placeOf, type RecordSet, recordSetShape } from './sets.ts';

/** Most sets of one reply; it is also what Route 53 gives by itself. */
const PAGE = 300;

const pageShape = z.object({
  ResourceRecordSets: z.array(recordSetShape),
  IsTruncated: z.boolean(),
  NextRecordName: z.string().optional(),
  NextRecordType: z.string().optional(),
  NextRecordIdentifier: z.string().optional(),
});

type Start = Pick<ListResourceRecordSetsRequest, 'StartRecordName' | 'StartRecordType' | 'StartRecordIdentifier'>;

export interface Zone {
  account: Account;
  hostedZoneId: string;
}

/** Runs a read; its errors become Fault ERR_PROVIDER, and neither holds a secret. */
export const reading = async <T>(account: Account, what: string, signal: AbortSignal, work: () => Promise<T>): Promise<T> => {
  try {
    return await work();
  } catch (error) {
    if (error instanceof Fault) throw error;
    throw signal.aborted ? signal.reason : faultOf(what, error, account.hidden());
  }
};

/** What a reply must look like as far as it is used; throws Fault ERR_PROVIDER for another. */
export const shaped = <T>(shape: z.ZodType<T>, what: string, reply: unknown): T => {
  const found = shape.safeParse(reply);
  if (found.success) return found.data;
  throw new Fault(
    'ERR_PROVIDER',
    `route53: the reply to ${what} is not understood at ${found.error.issues[0]?.path.join('.') || 'its top'}`,
  );
};

const listed = (zone: Zone, start: Start, signal: AbortSignal): Promise<z.infer<typeof pageShape>> =>
  reading(zone.account, 'ListResourceRecordSets', signal, async () => {
    const request = { HostedZoneId: zone.hostedZoneId, MaxItems: PAGE, ...start } as ListResourceRecordSetsRequest;
    const reply = await zone.account.call('read', signal, (client, options) =>
      client.send(new ListResourceRecordSetsCommand(request), options),
    );
    return shaped(pageShape, 'ListResourceRecordSets', reply);
  });

/** Pages from `start`, and asks `next` where to go on: by default where the page ended. Throws Fault ERR_PROVIDER when the pages go round in circles. */
async function* pages(
  zone: Zone,
  start: Start,
  signal: AbortSignal,
  next: (offered: Start) => Start | null,
): AsyncGenerator<readonly RecordSet[]> {
  const seen = new Set<string>();
  for (let from: Start | null = start; from !== null; ) {
    const key = JSON.stringify(from);
    if (seen.has(key)) throw new Fault('ERR_PROVIDER', 'route53: the pages of ListResourceRecordSets go round in circles');
    seen.add(key);
    const page = await listed(zone, from, signal);
    yield page.ResourceRecordSets as unknown as readonly RecordSet[];
    if (!page.IsTruncated) return;
    if (page.NextRecordName === undefined)
      throw new Fault('ERR_PROVIDER', 'route53: a page of ListResourceRecordSets is cut off and does not say where it goes on');
    const offered = {
      StartRecordName: page.NextRecordName,
      ...(page.NextRecordType === undefined ? {} : { StartRecordType: page.NextRecordType }),
      ...(page.NextRecordIdentifier === undefined ? {} : { StartRecordIdentifier: page.NextRecordIdentifier }),
    } as Start;
    from = next(offered);
  }
}

/** The sets of each of these names; One request for each stretch of the zone that holds names near each other. */
export const setsOf = async (
  zone: Zone,
  names: readonly string[],
  signal: AbortSignal,
): Promise<ReadonlyMap<string, readonly RecordSet[]>> => {
  const ordered = names.map(bareName).toSorted(inOrder);
  const places = ordered.map(placeOf);
  const found = new Map<string, Map<string, RecordSet>>(ordered.map((name) => [name, new Map()]));
  /** Where the page ended, or at the next name when that lies farther on. */
  const next = (offered: Start): Start | null => {
    const place = placeOf(offered.StartRecordName ?? '');
    const ahead = places.findIndex((each) => each >= place);
    if (ahead < 0) return null;
    return places[ahead] === place ? offered : { StartRecordName: ordered[ahead]! };
  };
  if (ordered.length === 0) return new Map();
  for await (const page of pages(zone, { StartRecordName: ordered[0]! }, signal, next))
    for (const set of page) found.get(bareName(set.Name ?? ''))?.set(keyOf(set), set);
  return new Map([...found].map(([name, sets]) => [name, [...sets.values()]]));
};

/** The whole zone. */
export const allSets = async (zone: Zone, signal: AbortSignal): Promise<readonly RecordSet[]> => {
  const sets: RecordSet[] = [];
  for await (const page of pages(zone, {}, signal, (offered) => offered)) sets.push(...page);
  return sets;
};

const changeShape = z.object({ ChangeInfo: z.object({ Id: z.string().min(1), Status: z.string() }) });

/** One batch, sent once. `where` begins what is said of it. */
export const changeSets = async (
  zone: Zone,
  where: string,
  changes: readonly Change[],
  services: readonly string[],
  signal: AbortSignal,
): Promise<Applied> => {
  try {
    const request = { HostedZoneId: zone.hostedZoneId, ChangeBatch: { Changes: [...changes] } };
    const reply = await zone.account.call('write', signal, (client, options) =>
      client.send(new ChangeResourceRecordSetsCommand(request), options),
    );
    const receipt = bareId(shaped(changeShape, 'ChangeResourceRecordSets', reply).ChangeInfo.Id);
    return { outcome: 'applied', receipt, ...requestsOf(reply) };
  } catch (error) {
    return outcomeOf(where, error, zone.account.hidden(), services);
  }
};

const bareId = (id: string): string => id.replace(/^\/?change\//, '');

/** INSYNC: every one of Route 53's servers answers so. */
export const settledChange = async (zone: Zone, receipt: string, signal: AbortSignal): Promise<Settled> => {
  try {
    const reply = await zone.account.call('read', signal, (client, options) => client.send(new GetChangeCommand({ Id: receipt }), options));
    return shaped(changeShape, 'GetChange', reply).ChangeInfo.Status === 'INSYNC' ? { state: 'settled' } : { state: 'pending' };
  } catch (error) {
    // After a move of its control plane to another region Route 53 forgets changes that had not arrived there (accelerated recovery).
    if (failureOf(error, []).name === 'NoSuchChange')
      return { state: 'failed', because: `route53: change ${receipt} is not known any more` };
    if (error instanceof Fault) throw error;
    throw signal.aborted ? signal.reason : faultOf(`GetChange of ${receipt}`, error, zone.account.hidden());
  }
};

// Record sets of Route 53 as they come and go: shape, spelling of names and values, order of a zone. Pure.
import type { ResourceRecordSet } from '@aws-sdk/client-route-53';
import { z } from 'zod';
import { canonicalAddress } from '../../src/dns/address.ts';

export type RecordSet = ResourceRecordSet;

/** As far as it is used; the rest of a set is kept as it came, since deleting one repeats all of it. */
export const recordSetShape = z.looseObject({
  Name: z.string(),
  Type: z.string(),
  SetIdentifier: z.string().optional(),
  Weight: z.number().int().min(0).max(255).optional(),
  Failover: z.string().optional(),
  TTL: z.number().optional(),
  ResourceRecords: z.array(z.looseObject({ Value: z.string() })).optional(),
  AliasTarget: z.looseObject({ DNSName: z.string(), HostedZoneId: z.string(), EvaluateTargetHealth: z.boolean() }).optional(),
  HealthCheckId: z.string().optional(),
  TrafficPolicyInstanceId: z.string().optional(),
});

/** Lower case without the final dot. */
export const bareName = (name: string): string => name.toLowerCase().replace(/\.$/, '');

/** How a set chooses among its like; `other`: by where users are, or at random among healthy ones. */
export const policyOf = (set: RecordSet): 'weighted' | 'failover' | 'simple' | 'other' => {
  if (set.TrafficPolicyInstanceId !== undefined) return 'other';
  if (set.SetIdentifier === undefined) return 'simple';
  if (set.Weight !== undefined) return 'weighted';
  return set.Failover === undefined ? 'other' : 'failover';
};

/** In words, for a set of policy `other`. */
export const policyName = (set: RecordSet): string => {
  if (set.TrafficPolicyInstanceId !== undefined) return 'traffic policy';
  if (set.Region !== undefined) return 'latency';
  if (set.GeoLocation !== undefined) return 'geolocation';
  if (set.GeoProximityLocation !== undefined) return 'geoproximity';
  if (set.CidrRoutingConfig !== undefined) return 'IP-based';
  return set.MultiValueAnswer === undefined ? 'unknown' : 'multivalue';
};

/** What a set answers with, one text per value, spelt so that equal answers are equal texts. */
export const answersOf = (set: RecordSet): readonly string[] => {
  if (set.AliasTarget !== undefined) return [`alias ${bareName(set.AliasTarget.DNSName ?? '')}`];
  const values = (set.ResourceRecords ?? []).map(({ Value = '' }) => Value);
  if (set.Type === 'CNAME') return values.map((value) => `CNAME ${bareName(value)}`);
  return values.map((value) => canonicalAddress(value) ?? value).toSorted();
};

/** TXT as Route 53 wants it: one quoted string, what could end it in octal. In: at most 255 ASCII characters. */
export const quoted = (text: string): string =>
  `"${text.replace(/["\\]/g, (char) => `\\${char.charCodeAt(0).toString(8).padStart(3, '0')}`)}"`;

/** The text of a TXT value, its strings joined. */
export const unquoted = (value: string): string =>
  [...value.matchAll(/"((?:[^"\\]|\\.)*)"/g)]
    .map(([, inner]) =>
      inner!.replace(/\\(?:([0-7]{3})|(.))/g, (_all, octal: string, char: string) =>
        octal === undefined ? char : String.fromCharCode(Number.parseInt(octal, 8)),
      ),
    )
    .join('');

// ---- the order of a zone ----

export const keyOf = ({ Name = '', Type, SetIdentifier = '' }: RecordSet): string => `${bareName(Name)} ${Type} ${SetIdentifier}`;

/**
 * Where a name lies in a zone's list: its labels reversed, as one text with the dots in it, the last one too (AWS, ListResourceRecordSets). So `web-2` comes before
 * `web`, since a hyphen is less than a dot.
 */
export const placeOf = (name: string): string =>
  `${bareName(name)
    .split('.')
    .toReversed()
    .join('.')
    .replace(/\\([0-7]{3})/g, (_all, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)))}.`;

export const inOrder = (a: string, b: string): number => {
  const [left, right] = [placeOf(a), placeOf(b)];
  return left < right ? -1 : left > right ? 1 : 0;
};

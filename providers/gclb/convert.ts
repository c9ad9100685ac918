// What both modes share: how places are configured and objects named, what a read gives, and what a write of one object is. Pure.
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { Fault } from '../../src/errors.ts';
import type { Fence, ProviderService, ReadBack } from '../provider.ts';
import { DESCRIPTION_CHARS_MAX, isMachineText, readDescription, writeDescription } from './description.ts';

/** One backend service; each pool is one or more of its backends. */
export interface CapacityPlace {
  backendService: string;
  pools: Readonly<Record<string, CapacityPool>>;
  /** Backends that serve beside the pools on purpose. */
  unmanaged: readonly string[];
}

export interface CapacityPool {
  /** `zones/Z/networkEndpointGroups/N`, `regions/R/instanceGroups/N`, or the same behind `projects/P/`. */
  groups: readonly string[];
  /** What a group gets when it comes back from 0; from 0.1 to 1. */
  capacityScaler: number;
}

/** One place of a URL map that splits traffic by weight; each pool is a backend service. */
export interface UrlMapPlace {
  urlMap: string;
  /** The path matcher whose default route action it is; absent: the map's own. */
  pathMatcher?: string;
  pools: Readonly<Record<string, { backendService: string }>>;
  /** Backend services that are given a weight there on purpose. */
  unmanaged: readonly string[];
}

/** What of either object is used, whatever the mode. All else is passed on untouched. */
export const objectShape = z.looseObject({
  name: z.string(),
  description: z.string().optional(),
  fingerprint: z.string().min(1).optional(),
});

export type VendorObject = z.infer<typeof objectShape>;

/** A body as far as it is used. Throws Fault ERR_PROVIDER. `what` names it in the sentence. */
export const understood = <T>(shape: z.ZodType<T>, what: string, body: unknown): T => {
  const { success, data, error } = shape.safeParse(body);
  if (success) return data;
  const [issue] = error.issues;
  const where = issue === undefined || issue.path.length === 0 ? 'the body' : issue.path.join('.');
  throw new Fault('ERR_PROVIDER', `${what} is not understood: ${where}: ${issue?.message}; is this the vendor's API?`);
};

/** What `read` hands to `apply`. */
export interface Token {
  /** As the vendor sent it, with every field; null: there is none. */
  object: VendorObject | null;
  /** Why nothing can be written there. */
  unusable: string | null;
}

/** A JSON merge patch, or why there is none to send. */
export type Patch = { kind: 'send'; body: Readonly<Record<string, unknown>> } | { kind: 'nothing' } | { kind: 'refused'; because: string };

/** Names of the vendor's objects are compared without host and version, with their project. */
export const pathIn = (project: string, reference: string): string => {
  const at = reference.indexOf('projects/');
  return at >= 0 ? reference.slice(at) : `projects/${project}/${reference.replace(/^\/+/, '')}`;
};

/** The same as a human of this project would write it. */
export const shortPath = (project: string, reference: string): string => pathIn(project, reference).replace(`projects/${project}/`, '');

/** Name of a backend service in this project, or a path to one elsewhere. */
export const backendServicePath = (project: string, name: string): string =>
  pathIn(project, name.includes('/') ? name : `global/backendServices/${name}`);

/** What a mode knows of an object once it was read. */
export interface Seen {
  shares: ReadBack['shares'];
  foreign: readonly string[];
  unusable: string | null;
}

/** `what` names the object in sentences. */
export const readBackFrom = (what: string, object: VendorObject | undefined, see: (object: VendorObject) => Seen): ReadBack => {
  if (object === undefined) {
    const unusable = `there is no ${what}; create it, or correct the configuration`;
    return { fence: null, shares: null, foreign: [], token: { object: null, unusable } satisfies Token };
  }
  const { fence, strange } = readDescription(object.description ?? '');
  const seen = see(object);
  return {
    fence,
    shares: seen.shares,
    foreign: [...seen.foreign, ...strange.map((word) => `description ${JSON.stringify(word)}`)],
    token: { object, unusable: seen.unusable ?? unusableText(what, object, strange) } satisfies Token,
  };
};

const unusableText = (what: string, { description = '', fingerprint }: VendorObject, strange: readonly string[]): string | null => {
  if (fingerprint === undefined) return `${what} came without a fingerprint, so nothing there can be compared; is this the vendor's API?`;
  if (strange.length > 0)
    return `the description of ${what} holds ${strange.join(' ')}, which is no fence of Tidegate's to the letter; remove that text from it`;
  if (isMachineText(description))
    return `the description of ${what} is the record of another controller (JSON); Tidegate keeps its fence there, so let only one of the two manage it`;
  return null;
};

export interface Intended {
  what: string;
  desired: ProviderService;
  fence: Fence;
  previous: ReadBack;
}

/** The patch that a mode's changes and the fence make together. `changed`: top-level fields beside description and fingerprint; none: nothing of them changes. */
export const patchFrom = ({ what, fence, previous }: Intended, object: VendorObject, changed: Readonly<Record<string, unknown>>): Patch => {
  if (Object.keys(changed).length === 0 && saysTheSame(previous.fence, fence)) return { kind: 'nothing' };
  const description = writeDescription(object.description ?? '', fence);
  if (description.length > DESCRIPTION_CHARS_MAX) {
    const because = `the description of ${what} has no room for the fence (${description.length} characters with it, at most ${DESCRIPTION_CHARS_MAX}); shorten it`;
    return { kind: 'refused', because };
  }
  return { kind: 'send', body: { fingerprint: object.fingerprint, description, ...changed } };
};

/** The same decision by the same writer. The nonce is left out: it is new with every look, also at what no write of ours can change. */
const saysTheSame = (carried: Fence | null, fence: Fence): boolean =>
  carried !== null && isDeepStrictEqual({ ...carried, nonce: '' }, { ...fence, nonce: '' });

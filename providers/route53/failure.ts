// What a failed call of an AWS service means: nothing was written and a human must act (`fatal`), another fence was there (`conflict`), or it must be read
// (`undecided`). Only what the service itself said settles anything. Pure.
import { statusOfFailure, UNQUOTED } from '../../src/aws/client.ts';
import { errorText, Fault } from '../../src/errors.ts';
import { fenceName } from '../fence.ts';
import type { Applied } from '../provider.ts';

type Failed = Exclude<Applied, { outcome: 'applied' }>;

export interface Failure {
  name: string;
  status: number | null;
  text: string;
}

/** What AWS called the request; empty: nothing came back that says so. `answered`: a reply, or the error of one. */
export const requestsOf = (answered: unknown): { requests?: readonly string[] } => {
  const metadata = typeof answered === 'object' && answered !== null && '$metadata' in answered ? answered.$metadata : undefined;
  const id = typeof metadata === 'object' && metadata !== null && 'requestId' in metadata ? metadata.requestId : undefined;
  return typeof id === 'string' && id !== '' ? { requests: [id] } : {};
};

/** For what has no other way to fail than to throw. Neither error nor message holds a secret. `what` begins the sentence. */
export const faultOf = (what: string, error: unknown, hidden: readonly string[]): Fault => {
  const failure = failureOf(error, hidden);
  const { name, status, text } = failure;
  const message = `route53: ${what}: ${status === null ? '' : `${name} (${status}): `}${text || name}`;
  return new Fault('ERR_PROVIDER', message, { busyMs: busyMsOf(failure) });
};

/** What an AWS library throws, as far as it is used. */
export const failureOf = (error: unknown, hidden: readonly string[]): Failure => {
  const status = statusOfFailure(error);
  const name = error instanceof Error ? error.name : 'Unknown';
  const details = error instanceof Error && 'messages' in error && Array.isArray(error.messages) ? error.messages.map(String) : [];
  const text = [...new Set([errorText(error), ...details])].filter((part) => part !== '').join('; ');
  // Those replies can quote the signed request, session token included.
  return { name, status, text: UNQUOTED.has(name) ? '' : withoutSecrets(text, hidden).slice(0, TEXT_MAX) };
};

const TEXT_MAX = 400;

const withoutSecrets = (text: string, hidden: readonly string[]): string =>
  hidden.reduce((clean, word) => (word === '' ? clean : clean.replaceAll(word, '…')), text);

/** Codes after which a human must act, and what to do. Both services'. */
const FATAL: Readonly<Record<string, string>> = {
  AccessDenied: 'compare its permissions with deploy/iam/route53.json',
  AccessDeniedException: 'compare its permissions with deploy/iam/route53.json',
  ExpiredToken: 'the session token in credentialsFile has run out; whatever writes that file must write a fresh one',
  ExpiredTokenException: 'the session token in credentialsFile has run out; whatever writes that file must write a fresh one',
  InvalidClientTokenId: 'AWS does not know the access key in credentialsFile',
  UnrecognizedClientException: 'AWS does not know the access key in credentialsFile',
  SignatureDoesNotMatch: 'compare the secret in credentialsFile, and the clock of this host',
  InvalidSignatureException: 'compare the secret in credentialsFile, and the clock of this host',
  RequestExpired: 'set the clock of this host',
  NoSuchHostedZone: 'compare hostedZoneId, and whose account the credentials are of',
  NoSuchHealthCheck: 'compare healthCheckId',
  ResourceNotFoundException: 'compare routingControlArn and the endpoints of the cluster',
  InvalidInput: 'Route 53 does not take what was sent',
  MalformedInput: 'Route 53 does not take what was sent',
  ValidationException: 'ARC does not take what was sent',
  InvalidDomainName: 'compare the name of the service',
  LimitsExceeded: "a limit of the account's is reached",
  ServiceLimitExceededException: "a limit of the account's is reached",
};

/** Said before anything was done: nothing was written, and the next attempt may pass. */
const LATER: Readonly<Record<string, string>> = {
  PriorRequestNotComplete: 'Route 53 still works on an earlier change of this zone; nothing was written',
  Throttling: "the account's rate of requests is used up; nothing was written",
  ThrottlingException: "the account's rate of requests is used up; nothing was written",
  HealthCheckVersionMismatch: 'somebody changed the check since it was read',
  ConflictException: 'a safety rule or another change stands against it; nothing was written',
};

/** What holds for everybody of the account or zone, and how long to wait. AWS asks for retries that back off and names no span, so these are ours. */
const BUSY_MS: Readonly<Record<string, number>> = { Throttling: 2000, ThrottlingException: 2000, PriorRequestNotComplete: 1000 };

/** How long the service asks everybody to wait; undefined: it does not. */
export const busyMsOf = ({ name, status }: Pick<Failure, 'name' | 'status'>): number | undefined =>
  status !== null && status >= 400 && status < 500 && Object.hasOwn(BUSY_MS, name) ? BUSY_MS[name] : undefined;

/** `where` begins the sentence. `services`: of the batch, for the names of their fences. */
export const outcomeOf = (where: string, error: unknown, hidden: readonly string[], services: readonly string[]): Failed => ({
  ...meaningOf(where, error, hidden, services),
  ...requestsOf(error),
});

const meaningOf = (where: string, error: unknown, hidden: readonly string[], services: readonly string[]): Failed => {
  if (error instanceof Fault && error.code === 'ERR_SECRET') return { outcome: 'fatal', because: `${where}: ${error.message}` };
  const { name, status, text } = failureOf(error, hidden);
  const said = status === null ? text || name : `${name} (${status})${text === '' ? '' : `: ${text}`}`;
  const because = (hint?: string): string => `${where}: ${said}${hint === undefined ? '' : `; ${hint}`}`;
  // A library invents a name for a reply that it cannot read; only what carries a client's status is the service's own word.
  if (status === null || status >= 500 || status < 400) return { outcome: 'undecided', because: because() };
  if (LATER[name] !== undefined) {
    const busyMs = busyMsOf({ name, status });
    return { outcome: 'undecided', because: because(LATER[name]), ...(busyMs === undefined ? {} : { busyMs }) };
  }
  if (name === 'InvalidChangeBatch') return changeRefused(text, because, services);
  if (FATAL[name] !== undefined) return { outcome: 'fatal', because: because(FATAL[name]) };
  return { outcome: status === 403 || status === 404 ? 'fatal' : 'undecided', because: because() };
};

/** A compare that failed, as Route 53 words it; emulators leave out the brackets. */
const COMPARED =
  /Tried to (?:create|delete) resource record set \[?(?:name=')?([^\s',]+?)\.?'?,? type[= ]'?(\w+)[^[\]]*?\]? but (?:the values provided do not match the current values|it was not found|it already exists)/g;

/** All or nothing, so nothing was written. Whose compare failed decides: a fence's is a conflict; another set's means that somebody changed it since it was read. */
const changeRefused = (text: string, because: (hint: string) => string, services: readonly string[]): Failed => {
  const compared = [...text.matchAll(COMPARED)].map(([, name, type]) => ({ name: name!.toLowerCase(), type: type! }));
  const fences = new Set(services.map(fenceName));
  if (compared.some(({ name, type }) => type === 'TXT' && fences.has(name)))
    return { outcome: 'conflict', because: because('another fence is there; nothing was written') };
  if (compared.length > 0)
    return { outcome: 'undecided', because: because('the records were changed since they were read; nothing was written') };
  return { outcome: 'fatal', because: because('nothing was written; if a record set protection says so, remove it or stop the service') };
};

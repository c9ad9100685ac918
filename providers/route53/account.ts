// One AWS account as the adapter calls it: credentials read anew each time, our own HTTP, our own limit, one try.
import { Route53Client as Client, type Route53Client } from '@aws-sdk/client-route-53';
import type { Ports } from '../../src/ports.ts';
import { dateOf } from '../../src/ports.ts';
import type { ProviderContext } from '../provider.ts';
import { type AwsCredentials, credentialsOf } from './credentials.ts';
import { handlerOver } from './handler.ts';
import { createLimiter, type Limiter, type Urgency } from './limiter.ts';

export type AwsContext = Pick<ProviderContext, 'ports' | 'secret' | 'fetch'>;

/** Route 53 is one service for the world; this is where it signs. */
const REGION = 'us-east-1';
const ENDPOINT = 'https://route53.amazonaws.com';

/** Said here so that neither AWS_… variables nor ~/.aws of the machine decide them: one try, our own times, no question to a metadata service. */
export const FIXED = {
  maxAttempts: 1,
  retryMode: 'standard',
  defaultsMode: 'standard',
  useFipsEndpoint: false,
  useDualstackEndpoint: false,
} as const;

export interface Account {
  /** Rejects with the library's error, the signal's reason, or Fault ERR_SECRET. */
  call<T>(
    urgency: Urgency,
    signal: AbortSignal,
    make: (client: Route53Client, options: { abortSignal: AbortSignal }) => Promise<T>,
  ): Promise<T>;
  /** Words that no message may hold. */
  hidden(): readonly string[];
  close(): void;
}

/** Of one process, by its ports: entries with the same credentials share one limit. */
const limiters = new WeakMap<Ports, Map<string, Limiter>>();

const limiterOf = (ports: Ports, credentialsFile: string): Limiter => {
  const known = limiters.get(ports) ?? new Map<string, Limiter>();
  limiters.set(ports, known);
  const limiter = known.get(credentialsFile) ?? createLimiter(ports);
  known.set(credentialsFile, limiter);
  return limiter;
};

/** Reads the file whenever it is asked. `hidden` remembers what must not be told. */
export const credentialsFrom = (file: string, { ports, secret }: AwsContext) => {
  let hidden: readonly string[] = [];
  const read = (): AwsCredentials => {
    const credentials = credentialsOf(secret(file), file);
    hidden = [credentials.secretAccessKey, ...(credentials.sessionToken === undefined ? [] : [credentials.sessionToken])];
    return credentials;
  };
  return {
    // "Expired now" makes the library ask again for every request, so that a rotated file needs no restart.
    provide: async () => ({ ...read(), expiration: dateOf(ports.clock.wallMs()) }),
    hidden: () => hidden,
  };
};

export const openAccount = (
  { credentialsFile, endpoint = ENDPOINT }: { credentialsFile: string; endpoint?: string },
  context: AwsContext,
): Account => {
  const credentials = credentialsFrom(credentialsFile, context);
  const limiter = limiterOf(context.ports, credentialsFile);
  const client = new Client({
    region: REGION,
    endpoint,
    credentials: credentials.provide,
    requestHandler: handlerOver(context.fetch),
    ...FIXED,
  });
  return {
    async call(urgency, signal, make) {
      signal.throwIfAborted();
      await limiter.admit(urgency, signal);
      return make(client, { abortSignal: signal });
    },
    hidden: credentials.hidden,
    close: () => client.destroy(),
  };
};

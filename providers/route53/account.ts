// One AWS account as the adapter calls it: credentials read anew each time, our own HTTP, our own limit, one try.
import { Route53Client as Client, type Route53Client } from '@aws-sdk/client-route-53';
import { credentialsFrom, FIXED } from '../../src/aws/client.ts';
import { handlerOver } from '../../src/aws/handler.ts';
import type { Ports } from '../../src/ports.ts';
import type { ProviderContext } from '../provider.ts';
import { createLimiter, type Limiter, type Urgency } from './limiter.ts';

export type AwsContext = Pick<ProviderContext, 'ports' | 'secret' | 'fetch'>;

/** Route 53 is one service for the world; this is where it signs. */
const REGION = 'us-east-1';
const ENDPOINT = 'https://route53.amazonaws.com';

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

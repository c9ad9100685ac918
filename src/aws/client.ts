// What every client of AWS here is made with: credentials read anew for each request, one try, nothing of the machine's own settings.
import { registerSecret } from '../log.ts';
import { dateOf, type Ports } from '../ports.ts';
import { type AwsCredentials, credentialsOf } from './credentials.ts';

/** Said here so that neither AWS_… variables nor ~/.aws of the machine decide them: one try, our own times, no question to a metadata service. */
export const FIXED = {
  maxAttempts: 1,
  retryMode: 'standard',
  defaultsMode: 'standard',
  useFipsEndpoint: false,
  useDualstackEndpoint: false,
} as const;

/** Reads the file whenever it is asked. `read` throws Fault ERR_SECRET. `hidden` remembers what must not be told. */
export const credentialsFrom = (file: string, { ports, secret }: { ports: Pick<Ports, 'clock'>; secret: (path: string) => string }) => {
  let hidden: readonly string[] = [];
  const read = (): AwsCredentials => {
    const credentials = credentialsOf(secret(file), file);
    hidden = [credentials.secretAccessKey, ...(credentials.sessionToken === undefined ? [] : [credentials.sessionToken])];
    for (const word of hidden) registerSecret(word);
    return credentials;
  };
  return {
    read,
    // "Expired now" makes the library ask again for every request, so that a rotated file needs no restart.
    provide: async () => ({ ...read(), expiration: dateOf(ports.clock.wallMs()) }),
    hidden: () => hidden,
  };
};

/** Of what a library of AWS throws. null: the service did not answer. */
export const statusOfFailure = (error: unknown): number | null => {
  const metadata = error instanceof Error && '$metadata' in error ? error.$metadata : undefined;
  return typeof metadata === 'object' && metadata !== null && 'httpStatusCode' in metadata && typeof metadata.httpStatusCode === 'number'
    ? metadata.httpStatusCode
    : null;
};

/** Those replies can quote the signed request, session token included. */
export const UNQUOTED: ReadonlySet<string> = new Set(['SignatureDoesNotMatch', 'InvalidSignatureException', 'IncompleteSignature']);

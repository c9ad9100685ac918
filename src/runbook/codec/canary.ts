// codec.canary: a payload that nobody has seen before is encoded and decoded, and comes back as it was. Encoding has to change it: whatever answers with what
// it was given holds no key.
import { Answered } from '../../exchange.ts';
import type { Reading, StepKind } from '../kind.ts';
import { readOr } from '../outcome.ts';
import type { CodecSystem, Payload } from './system.ts';

export const NONCE_BYTES = 24;
/** A codec that only compresses leaves alone what does not become smaller. */
const REPEATED = 8;

const base64 = (text: string): string => Buffer.from(text).toString('base64');

export const codecCanary: StepKind<'codec.canary'> = {
  kind: 'codec.canary',
  signal: 'gate',
  read: (spec, { context, signal }) =>
    readOr(`canary through ${spec.system} for ${spec.namespace}`, async () => {
      const system = await context.system<CodecSystem>(spec.system, 'codec');
      return canaryThrough(spec.system, system, spec.namespace, context.ports.random.hex(NONCE_BYTES), signal);
    }),
};

/** `nonce`: what nobody has seen before, in hex. Throws for what the system throws. */
export const canaryThrough = async (
  name: string,
  system: CodecSystem,
  namespace: string,
  nonce: string,
  signal: AbortSignal,
): Promise<Reading> => {
  const what = `canary through ${name} at ${system.host} for ${namespace}`;
  const sent: Payload = { metadata: { encoding: base64('binary/plain') }, data: base64(nonce.repeat(REPEATED)) };
  const encoded = await system.convert('encode', namespace, sent, signal);
  if (isSame(encoded, sent)) return { is: 'unknown', because: `${what}: encoding changed nothing, so it proves nothing` };
  try {
    const decoded = await system.convert('decode', namespace, encoded, signal);
    if (isSame(decoded, sent)) return { is: 'reached', because: `${what}: encoded, decoded, and the bytes are the same` };
    return { is: 'never', because: `${what}: decoding gave other bytes; do all its servers have the same key?` };
  } catch (error) {
    if (!(error instanceof Answered) || !isRefusal(error.code)) throw error;
    return { is: 'never', because: `${what}: ${error.message} to what it had encoded; do all its servers have the same key?` };
  }
};

/** Of what it was asked, not of who asks or how often. */
const isRefusal = (status: number): boolean => status === 400 || status === 422;

const bytesOf = (text: string | undefined): Buffer => Buffer.from(text ?? '', 'base64');

/** By their bytes: base64 may be written in more than one way. */
const isSame = (one: Payload, other: Payload): boolean =>
  bytesOf(one.data).equals(bytesOf(other.data)) && bytesOf(one.metadata?.encoding).equals(bytesOf(other.metadata?.encoding));

// The world of codec.canary: a fake of a codec server after the samples of Temporal, with a key of its own for encoding and for decoding.
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import type { StepWorld } from '../../contract/step.contract.ts';
import { type Asked, type Front, type Said, startFront } from '../front.ts';

const TOKEN = 'tok-codec-0a1b2c3d4e5f';
const FILE = '/secrets/codec';

interface FakePayload {
  metadata: Record<string, string>;
  data: string;
}

export interface CodecWorld extends StepWorld<'codec.canary'> {
  front: Front;
  keys: { encode: Buffer; decode: Buffer };
  /** Answers with what it was given, or with something of the right form. */
  echoes: boolean;
  mangles: boolean;
}

const base64 = (bytes: Buffer): string => bytes.toString('base64');

export const startCodecWorld = async (): Promise<CodecWorld> => {
  let isReady = false;
  const key = randomBytes(32);
  const encode = ({ metadata, data }: FakePayload): FakePayload => {
    const iv = randomBytes(12);
    const cipher = createCipheriv('aes-256-gcm', world.keys.encode, iv);
    const text = Buffer.concat([cipher.update(JSON.stringify({ metadata, data })), cipher.final()]);
    return {
      metadata: { encoding: base64(Buffer.from('binary/encrypted')) },
      data: base64(Buffer.concat([iv, cipher.getAuthTag(), text])),
    };
  };
  const decode = ({ data }: FakePayload): FakePayload => {
    const bytes = Buffer.from(data, 'base64');
    const decipher = createDecipheriv('aes-256-gcm', world.keys.decode, bytes.subarray(0, 12));
    decipher.setAuthTag(bytes.subarray(12, 28));
    return JSON.parse(Buffer.concat([decipher.update(bytes.subarray(28)), decipher.final()]).toString('utf8')) as FakePayload;
  };
  const answer = ({ path, headers, body }: Asked): Said => {
    if (headers.authorization !== `Bearer ${TOKEN}` || headers['x-namespace'] !== 'orders') return { status: 403, text: 'Forbidden' };
    if (!isReady) return { status: 503, text: 'starting' };
    const { payloads } = JSON.parse(body) as { payloads: FakePayload[] };
    try {
      const convert = (payload: FakePayload): FakePayload => {
        if (world.echoes) return payload;
        const converted = path.endsWith('/encode') ? encode(payload) : decode(payload);
        return world.mangles && path.endsWith('/decode') ? { ...converted, data: base64(Buffer.from('other')) } : converted;
      };
      return { status: 200, json: { payloads: payloads.map(convert) } };
    } catch {
      return { status: 400, text: `cannot decrypt with key ${base64(world.keys.decode)}` };
    }
  };
  const front = await startFront(answer, () => false);
  const world: CodecWorld = {
    front,
    keys: { encode: key, decode: key },
    echoes: false,
    mangles: false,
    spec: { system: 'codec-eu', namespace: 'orders' },
    systems: { 'codec-eu': { kind: 'codec', url: `${front.url}/codec`, tokenFile: FILE } },
    files: { [FILE]: TOKEN },
    secrets: [TOKEN],
    settle: () => {
      isReady = true;
    },
    effects: () => 0,
    meets: front.meets,
    asked: front.asked,
    [Symbol.asyncDispose]: () => front[Symbol.asyncDispose](),
  };
  return world;
};

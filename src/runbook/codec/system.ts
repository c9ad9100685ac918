// A codec server of Temporal: payloads in, payloads out, by `POST …/encode` and `…/decode`, for the namespace in `X-Namespace`. Bytes are base64.
import { z } from 'zod';
import { Answered, bearer, exchange, fitting, guardedUrl, jsonIn } from '../../exchange.ts';
import type { System } from '../kind.ts';
import type { CodecConfig, SystemModule } from '../systems.ts';

/** A canary is small, and what encrypts it adds little. */
const ANSWER_BYTES_MAX = 64 * 1024;

export interface Payload {
  metadata?: Record<string, string> | undefined;
  data?: string | undefined;
}

export interface CodecSystem extends System {
  readonly kind: 'codec';
  readonly host: string;
  /** One payload there or back. Throws Answered for a status that is not 200, Error for what is not exactly one payload. */
  convert(way: 'encode' | 'decode', namespace: string, payload: Payload, signal: AbortSignal): Promise<Payload>;
}

const payloadShape = z.object({ metadata: z.record(z.string(), z.base64()).optional(), data: z.base64().optional() });
const answerShape = z.object({ payloads: z.array(payloadShape).length(1) });

export const codec: SystemModule<CodecConfig> = {
  async open({ url, tokenFile, caFile }, context) {
    const address = guardedUrl(url, tokenFile === undefined);
    const base = address.href.replace(/\/$/, '');
    const http = context.httpTrusting(caFile === undefined ? {} : { caPem: context.text(caFile) });
    bearer(context.secret, tokenFile);
    const system: CodecSystem = {
      kind: 'codec',
      host: address.host,
      async convert(way, namespace, payload, signal) {
        const headers = { 'content-type': 'application/json', 'x-namespace': namespace, ...bearer(context.secret, tokenFile) };
        const body = JSON.stringify({ payloads: [payload] });
        const request = { method: 'POST', url: `${base}/${way}`, headers, body, bytesMax: ANSWER_BYTES_MAX } as const;
        const answer = await exchange(http.fetch, request, signal);
        // What it says may quote a payload or a key.
        if (answer.status !== 200) throw new Answered(answer.status, `${way} answered ${answer.status}`);
        return fitting(answerShape, jsonIn(answer)).payloads[0]!;
      },
      close: () => http.close(),
    };
    return system;
  },
};

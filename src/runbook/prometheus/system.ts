// One Prometheus, or what speaks its HTTP API: instant queries, with a bearer token where there is one.
import { z } from 'zod';
import { Answered, bearer, exchange, fitting, guardedUrl, jsonIn, quoted } from '../../exchange.ts';
import type { System } from '../kind.ts';
import type { PrometheusConfig, SystemModule } from '../systems.ts';

const ANSWER_BYTES_MAX = 1024 * 1024;

/** One series: seconds since 1970, and the value's text. */
export type Series = { value: readonly [number, string] };
export type Result = { type: 'vector'; series: readonly Series[] } | { type: 'scalar' | 'string' | 'matrix' };

export interface PrometheusSystem extends System {
  readonly kind: 'prometheus';
  /** Evaluated now. Throws Answered where the query is refused, and Error for what is no answer to one. */
  query(query: string, signal: AbortSignal): Promise<Result>;
}

const seriesShape = z.object({ value: z.tuple([z.number(), z.string()]) });
const answerShape = z.object({
  status: z.literal('success'),
  data: z.discriminatedUnion('resultType', [
    z.object({ resultType: z.literal('vector'), result: z.array(seriesShape) }),
    z.object({ resultType: z.enum(['scalar', 'string', 'matrix']) }),
  ]),
});
const errorShape = z.object({ status: z.literal('error'), error: z.string() });

export const prometheus: SystemModule<PrometheusConfig> = {
  async open({ url, tokenFile, caFile }, context) {
    const base = guardedUrl(url, tokenFile === undefined).href.replace(/\/$/, '');
    const http = context.httpTrusting(caFile === undefined ? {} : { caPem: context.text(caFile) });
    bearer(context.secret, tokenFile);
    const system: PrometheusSystem = {
      kind: 'prometheus',
      async query(query, signal) {
        const asked = new URLSearchParams({ query });
        const headers = { accept: 'application/json', ...bearer(context.secret, tokenFile) };
        const request = { method: 'GET', url: `${base}/api/v1/query?${asked}`, headers, bytesMax: ANSWER_BYTES_MAX } as const;
        const answer = await exchange(http.fetch, request, signal);
        if (answer.status !== 200) throw new Answered(answer.status, `it answered ${answer.status}${saidIn(answer.text)}`);
        const { data } = fitting(answerShape, jsonIn(answer));
        return data.resultType === 'vector' ? { type: 'vector', series: data.result } : { type: data.resultType };
      },
      close: () => http.close(),
    };
    return system;
  },
};

/** Its own sentence about a query that it refuses. */
const saidIn = (text: string): string => {
  try {
    const said = errorShape.safeParse(JSON.parse(text));
    return said.success ? `: ${quoted(said.data.error)}` : '';
  } catch {
    return '';
  }
};

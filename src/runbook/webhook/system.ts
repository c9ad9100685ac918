// A user's own system, told and asked by Standard Webhooks. What it is told is a POST of JSON to its address, signed over `id.timestamp.body`. What became of it
// is a GET, of the same address or of the path that it named, with the same id and signed over `id.timestamp."path"`: the path with its query as a text of
// JSON, so that the libraries of Standard Webhooks verify it as they verify a body. Redirects are refused: what was meant for one receiver goes to no other.
import { type Answer, Answered, exchange, guardedUrl } from '../../exchange.ts';
import { signedHeaders, signerOf } from '../../paging/signer.ts';
import type { WebhookSystem } from '../hook.ts';
import type { SystemContext } from '../kind.ts';
import type { SystemModule, WebhookSystemConfig } from '../systems.ts';

const ANSWER_BYTES_MAX = 20_000;

export const webhook: SystemModule<WebhookSystemConfig> = {
  async open({ url, secretFile, caFile }, context) {
    const address = guardedUrl(url);
    const http = context.httpTrusting(caFile === undefined ? {} : { caPem: context.text(caFile) });
    // Read anew at each call: a secret is replaced while we run.
    const sign = signing(secretFile, context);
    sign('opened', '');
    const send = async (target: URL, id: string, body: string | null, signal: AbortSignal): Promise<Answer> => {
      const signed = body ?? JSON.stringify(`${target.pathname}${target.search}`);
      const headers = { 'user-agent': 'tidegate', ...(body === null ? {} : { 'content-type': 'application/json' }), ...sign(id, signed) };
      const request = { url: target, headers, bytesMax: ANSWER_BYTES_MAX };
      const answer = await exchange(
        http.fetch,
        body === null ? { method: 'GET', ...request } : { method: 'POST', body, ...request },
        signal,
      );
      if (answer.status >= 200 && answer.status <= 299) return answer;
      throw new Answered(answer.status, `${address.host} answered ${answer.status}`, answer.retryAfter);
    };
    const system: WebhookSystem = {
      kind: 'webhook',
      host: address.host,
      tell: (id, body, signal) => send(address, id, body, signal),
      ask: (id, path, signal) => send(path === null ? address : new URL(path, address), id, null, signal),
      has: (path) => URL.canParse(path, address) && new URL(path, address).origin === address.origin,
      close: () => http.close(),
    };
    return system;
  },
};

const signing =
  (secretFile: string, { ports, secret }: SystemContext) =>
  (id: string, text: string): Readonly<Record<string, string>> =>
    signedHeaders([signerOf('this system', secretFile, secret(secretFile))], id, ports.clock.wallMs(), text);

// One address that is asked over HTTP whether it works, with a bearer token where there is one. Only the status counts.
import { bearer, exchange, guardedUrl, jsonIn } from '../../exchange.ts';
import type { System } from '../kind.ts';
import type { HttpCheckConfig, SystemModule } from '../systems.ts';

const DOCUMENT_BYTES_MAX = 1024 * 1024;

export interface HttpCheckSystem extends System {
  readonly kind: 'http';
  /** Statuses that are good, both ends included. */
  readonly good: HttpCheckConfig['status'];
  readonly host: string;
  /** The status of a GET; redirects are not followed. Throws the transport's error. */
  ask(signal: AbortSignal): Promise<number>;
  /** The JSON of a GET, whatever its status. Throws Error for what is none, and the transport's. */
  document(signal: AbortSignal): Promise<unknown>;
}

export const http: SystemModule<HttpCheckConfig> = {
  async open({ url, status, tokenFile, caFile }, context) {
    const address = guardedUrl(url, tokenFile === undefined);
    const client = context.httpTrusting(caFile === undefined ? {} : { caPem: context.text(caFile) });
    bearer(context.secret, tokenFile);
    const system: HttpCheckSystem = {
      kind: 'http',
      good: status,
      host: address.host,
      async ask(signal) {
        const headers = { 'user-agent': 'tidegate', ...bearer(context.secret, tokenFile) };
        const response = await client.fetch(address, { headers, signal });
        await response.body?.cancel();
        return response.status;
      },
      async document(signal) {
        const headers = { accept: 'application/json', 'user-agent': 'tidegate', ...bearer(context.secret, tokenFile) };
        return jsonIn(await exchange(client.fetch, { method: 'GET', url: address, headers, bytesMax: DOCUMENT_BYTES_MAX }, signal));
      },
      close: () => client.close(),
    };
    return system;
  },
};

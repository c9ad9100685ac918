// An HTTP proxy in front of a vendor's API that goes wrong on command: it loses replies, hangs, or answers in the vendor's place. It counts what passes.
// Requests and replies pass unchanged otherwise, the Host header too, so that signatures hold.
import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Planned {
  status: number;
  contentType: string;
  body: string;
}

export interface Passed {
  method: string;
  url: string;
  headers: IncomingMessage['headers'];
  body: string;
}

export interface FaultProxy extends AsyncDisposable {
  url: string;
  /** The next `times` changing requests are carried out and their replies are lost on the way back. */
  loseNextReply(times?: number): void;
  /** From now on requests are taken and never answered. */
  hang(): void;
  /** The next `times` requests (changing ones only, unless `any`) are answered so, and go no further. */
  answerNext(planned: Planned, times?: number, any?: boolean): void;
  /** The next changing request passes after `edit`. The signature does not survive it. */
  editNext(edit: (body: string) => string): void;
  passed(): readonly Passed[];
}

/** `changes`: which requests change anything. `guard`: what is answered to a request that may not pass. */
export const startFaultProxy = async (
  to: string,
  changes: (passed: Passed) => boolean,
  guard: (passed: Passed) => Planned | null = () => null,
): Promise<FaultProxy> => {
  const target = new URL(to);
  const passed: Passed[] = [];
  const planned: { reply: Planned; any: boolean }[] = [];
  let [losing, hanging] = [0, false];
  let edit: ((body: string) => string) | null = null;
  const server = createServer(async (asked: IncomingMessage, answer: ServerResponse) => {
    const chunks: Buffer[] = [];
    for await (const chunk of asked) chunks.push(chunk as Buffer);
    const each: Passed = {
      method: asked.method ?? 'GET',
      url: asked.url ?? '/',
      headers: asked.headers,
      body: Buffer.concat(chunks).toString(),
    };
    passed.push(each);
    const isChange = changes(each);
    if (hanging) return;
    const refused = guard(each);
    if (refused !== null) {
      answer.writeHead(refused.status, { 'content-type': refused.contentType }).end(refused.body);
      return;
    }
    const at = planned.findIndex(({ any }) => any || isChange);
    if (at >= 0) {
      const { status, contentType, body } = planned.splice(at, 1)[0]!.reply;
      answer.writeHead(status, { 'content-type': contentType }).end(body);
      return;
    }
    const body = isChange && edit !== null ? edit(each.body) : each.body;
    if (isChange) edit = null;
    const headers = { ...asked.headers, 'content-length': String(Buffer.byteLength(body)) };
    const upstream = request({ host: target.hostname, port: target.port, method: each.method, path: each.url, headers });
    upstream.on('error', () => answer.destroy());
    upstream.on('response', async (reply) => {
      const parts: Buffer[] = [];
      for await (const part of reply) parts.push(part as Buffer);
      if (losing > 0 && isChange) {
        losing--;
        answer.destroy();
        return;
      }
      const { 'transfer-encoding': _, ...kept } = reply.headers;
      answer
        .writeHead(reply.statusCode ?? 502, { ...kept, 'content-length': String(Buffer.concat(parts).length) })
        .end(Buffer.concat(parts));
    });
    upstream.end(body);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    loseNextReply: (times = 1) => {
      losing = times;
    },
    hang: () => {
      hanging = true;
    },
    answerNext(reply, times = 1, any = false) {
      for (let n = 0; n < times; n++) planned.push({ reply, any });
    },
    editNext: (change) => {
      edit = change;
    },
    passed: () => passed,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
};

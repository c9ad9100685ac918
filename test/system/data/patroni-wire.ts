// A virtual address as Patroni's users have one: connections go to whichever member answers its question with 200, and those that there are end when that is
// another one. Between regions a wire is long: what is sent arrives later.
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

const ASK_EVERY_MS = 200;
const ASK_MS = 1_000;

export interface Member {
  name: string;
  region: string;
  pgPort: number;
  restUrl: string;
}

export interface Wire extends AsyncDisposable {
  port: number;
  /** Whom it leads to now. null: nobody. */
  to(): Member | null;
  /** From now on bytes take so long, in each direction. */
  delay(ms: number): void;
}

export interface WireOptions {
  members: () => readonly Member[];
  /** What a member answers with 200 when it is the one. */
  path: '/primary' | '/leader';
  delayMs?: number;
}

const answers = async ({ restUrl }: Member, path: string): Promise<boolean> => {
  try {
    const reply = await fetch(`${restUrl}${path}`, { signal: AbortSignal.timeout(ASK_MS) });
    await reply.arrayBuffer();
    return reply.status === 200;
  } catch {
    return false;
  }
};

export const startWire = async ({ members, path, delayMs: initialMs = 0 }: WireOptions): Promise<Wire> => {
  const open = new Set<Socket>();
  let target: Member | null = null;
  let delayMs = initialMs;
  let isOver = false;

  const pass = (from: Socket, into: Socket): void => {
    from.on('data', (chunk) => {
      if (delayMs === 0) into.write(chunk);
      // Timers of one length fire in the order in which they were set.
      else setTimeout(() => into.write(chunk), delayMs);
    });
  };
  const server = createServer((client) => {
    if (target === null) return void client.destroy();
    const upstream = connect({ host: '127.0.0.1', port: target.pgPort });
    for (const socket of [client, upstream]) {
      open.add(socket);
      socket.setNoDelay();
      socket.on('error', () => {});
      socket.on('close', () => {
        open.delete(socket);
        client.destroy();
        upstream.destroy();
      });
    }
    pass(client, upstream);
    pass(upstream, client);
  });

  const lead = (next: Member | null): void => {
    if (next?.name === target?.name) return;
    target = next;
    for (const socket of open) socket.destroy();
  };
  const look = async (): Promise<void> => {
    const all = members();
    const yes = await Promise.all(all.map((member) => answers(member, path)));
    const those = all.filter((_, at) => yes[at]);
    // Where it leads already it goes on to lead while that is one of them; nobody is no reason to lead elsewhere.
    if (those.length > 0 && !those.some(({ name }) => name === target?.name)) lead(those[0]!);
  };
  const looking = (async () => {
    while (!isOver) {
      await look();
      await new Promise((resolve) => setTimeout(resolve, ASK_EVERY_MS));
    }
  })();

  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    to: () => target,
    delay: (ms) => {
      delayMs = ms;
    },
    async [Symbol.asyncDispose]() {
      isOver = true;
      await looking;
      for (const socket of open) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
};

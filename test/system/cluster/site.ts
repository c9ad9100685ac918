// What a region has besides Tidegate, in one process inside its namespace: the application that users reach and probes look at, and the receiver of the
// region's pages. Obeys its parent, and tells it of each page as it comes: the region may be cut off from every network, not from its test.
import { type App, serveApp } from '../../../src/drill/app.ts';
import { startReceiver } from '../webhook-receiver.ts';

export type Order = { app: 'up' } | { app: 'down' } | { app: 'health'; healthz: boolean; readyz: boolean };
export type Report =
  | { report: 'done' }
  | { report: 'page'; page: { id: string; type: string; summary: string; detail: Readonly<Record<string, unknown>> } };

const [region = '', appHost = '', appPort = '', pagesHost = '', pagesPort = '', secret = ''] = process.argv.slice(2);

const say = (report: Report): void => void process.send?.(report);

let app: App | null = null;
const obey = async (order: Order): Promise<void> => {
  if (order.app === 'up') app ??= await serveApp({ host: appHost, port: Number(appPort), region });
  if (order.app === 'health') app?.setHealth({ healthz: order.healthz, readyz: order.readyz });
  if (order.app === 'down') {
    await app?.close();
    app = null;
  }
};

const receiver = await startReceiver({
  host: pagesHost,
  port: Number(pagesPort),
  onReceived({ type, summary, body }) {
    const { id, detail } = body.data as { id: string; detail: Readonly<Record<string, unknown>> };
    say({ report: 'page', page: { id, type, summary, detail } });
  },
});
receiver.trust(secret);
await obey({ app: 'up' });
process.on('message', (order: Order) => void obey(order).then(() => say({ report: 'done' })));
process.once('disconnect', () => process.exit());
say({ report: 'done' });

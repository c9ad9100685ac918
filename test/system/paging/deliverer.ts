// One deliverer of pages in a process of its own, for a test that kills it: commits the page that it is told of unless it is there, delivers what the outbox
// has, and says when the page is settled. Arguments: the store's file, the receiver's address, the page's id, and a Redis or nothing.
import { createMetrics } from '../../../src/metrics.ts';
import type { Page } from '../../../src/model.ts';
import { openWebhook } from '../../../src/paging/channels/webhook.ts';
import { noticeOf } from '../../../src/paging/message.ts';
import { createOutbox } from '../../../src/paging/outbox.ts';
import { createRedisQueue } from '../../../src/paging/redis-queue.ts';
import { realPorts } from '../../../src/ports.ts';
import { openEmbedded } from '../../../src/store/embedded.ts';
import { silentLog } from '../../world.ts';

const [file = '', url = '', id = '', redis = ''] = process.argv.slice(2);
const ports = realPorts();
const store = openEmbedded({ file, ports });
const context = {
  ports,
  log: silentLog,
  secret: () => `whsec_${Buffer.alloc(32, 7).toString('base64')}`,
  text: () => '',
  resolve: async () => ({ addresses: ['127.0.0.1'], stale: null, ageMs: 0 }),
};
const page: Page = {
  id,
  dedupKey: `tidegate/test/${id}`,
  type: 'region.drained',
  severity: 'critical',
  summary: 'eu-west down',
  detail: { region: 'eu-west' },
  atMs: ports.clock.wallMs(),
  v: 1,
  delivered: [],
  nonce: id,
};
const key = `outbox/${id}`;
await store.txn({ if: [{ key, mod: 0 }], then: [{ put: key, value: page }] });
const channel = openWebhook({ kind: 'webhook', name: 'oncall', url, secretFiles: ['secret'], networks: ['127.0.0.0/8'] }, context);
const outbox = createOutbox({
  store,
  ports,
  channels: [channel],
  noticeOf: (each) => noticeOf(each, { cluster: 'test', baseUrl: null }),
  log: silentLog,
  metrics: createMetrics(),
});
if (redis !== '')
  outbox.carryBy(
    await createRedisQueue({ ...context, redis: { url: redis, prefix: 'killed' }, channels: [channel], tryOne: outbox.tryOne }),
  );
const look = async (): Promise<void> => {
  const { kvs } = await store.get({ keys: [key] });
  if ((kvs[0]?.value as Page | undefined)?.delivered.includes('*')) process.stdout.write('settled\n');
};
store.watch('outbox/', () => void look());
await look();
process.stdout.write('running\n');

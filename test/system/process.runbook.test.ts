// A platform moves in life: its region dies, a run begins by itself, whoever carries it out is killed in the middle, and a user's own system hears each thing once.
import { once } from 'node:events';
import { createServer } from 'node:http';
import { Webhook } from 'standardwebhooks';
import { expect, test } from 'vitest';
import type { PlatformRecord, Run } from '../../src/runbook/model.ts';
import { startCluster } from './cluster.ts';
import { WEB } from './cluster-config.ts';
import { until } from './until.ts';
import { startReceiver } from './webhook-receiver.ts';

/** A system of a user's: told by signed calls, asked until it says that it has caught up. */
const startLedger = async () => {
  const told: { id: string; when: string }[] = [];
  let [secret, state, asked] = ['', 'working', 0];
  const server = createServer((request, reply) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = Buffer.concat(chunks).toString();
      const headers = Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, String(value)]));
      try {
        new Webhook(secret).verify(request.method === 'POST' ? body : JSON.stringify(request.url), headers);
      } catch {
        return void reply.writeHead(401).end();
      }
      if (request.method === 'POST')
        told.push({ id: headers['webhook-id'] ?? '', when: (JSON.parse(body) as { data: { when: string } }).data.when });
      else asked++;
      reply.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ state }));
    });
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return {
    port: (server.address() as { port: number }).port,
    told,
    asked: () => asked,
    trust: (next: string) => {
      secret = next;
    },
    catchUp: () => {
      state = 'caught-up';
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
};

test('a region dies, its platform moves, and the replica that carries it out is killed in the middle: another process goes on, and nothing is told twice', {
  timeout: 240_000,
}, async () => {
  await using receiver = await startReceiver();
  await using ledger = await startLedger();
  await using cluster = await startCluster({
    coordinators: ['eu-west', 'ap-south', 'us-east'],
    webhookUrl: receiver.url,
    systems: [`ledger: { kind: webhook, url: http://127.0.0.1:${ledger.port}/hook, secretFile: webhook.secret }`],
    platforms: [
      `- name: orders`,
      `  model: active-active`,
      `  regions: [us-east, ap-south]`,
      `  services: [${WEB}]`,
      `  trigger: { mode: auto, hold: 1s }`,
      `  externals: [{ name: ledger, system: ledger, when: [promote], waits: true, timeout: 3m }]`,
    ],
  });
  receiver.trust(cluster.webhookSecret);
  ledger.trust(cluster.webhookSecret);
  const records = async <T>(prefix: string): Promise<readonly T[]> =>
    (await cluster.store.get({ prefixes: [prefix] })).kvs.map(({ value }) => value as T);
  const run = async (): Promise<Run | undefined> => (await records<Run>('run/'))[0];

  await until('the first routes', async () => ((await cluster.route())['us-east'] ?? 0) > 0);
  await cluster.killRegion('us-east');
  await until('the ledger told, and asked', () => ledger.told.length > 0 && ledger.asked() > 1);
  expect(await run()).toMatchObject({ state: 'running', from: 'us-east', to: 'ap-south', executor: { region: 'ap-south' } });

  await cluster.replica('ap-south').end('SIGKILL');
  const asked = ledger.asked();
  await until('another process asks', () => ledger.asked() > asked);
  expect((await run())?.executor).toMatchObject({ region: 'eu-west' });
  ledger.catchUp();

  const ended = await until('the end of the run', async () => {
    const now = await run();
    return now?.state === 'done' && now;
  });
  expect(Object.values(ended.steps).every(({ state }) => state === 'done' || state === 'skipped')).toBe(true);
  expect(ledger.told.map(({ when }) => when)).toEqual(['promote']);
  expect(await records<PlatformRecord>('platform/')).toMatchObject([{ active: 'ap-south', run: ended.id }]);
  await until('the page of its end', () => receiver.received.find(({ type }) => type === 'runbook.done'));
  expect(receiver.received.filter(({ type }) => type === 'runbook.started')).toHaveLength(1);
  expect(receiver.refused).toEqual([]);
});

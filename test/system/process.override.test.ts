// Orders of an operator over REST, on a whole cluster: obeyed at once, durable, ended explicitly; never without the token, never with a secret in the reply.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { type Cluster, startCluster } from './cluster.ts';
import { REGIONS, type Region } from './cluster-config.ts';
import { until } from './until.ts';

interface Answer {
  status: number;
  text: string;
}

const order = async (cluster: Cluster, at: Region, method: string, id: string, body?: object, token?: string): Promise<Answer> => {
  const reply = await fetch(`http://127.0.0.1:${cluster.doors.api[at]}/v1/overrides/${id}`, {
    method,
    headers: {
      authorization: `Bearer ${token ?? cluster.operatorToken}`,
      ...(method === 'DELETE' ? { 'if-match': '*' } : {}),
      ...(body ? { 'content-type': 'application/json' } : {}),
    },
    ...(body ? { body: JSON.stringify(body) } : {}),
    signal: AbortSignal.timeout(20_000),
  });
  return { status: reply.status, text: await reply.text() };
};

const of = (kind: string, region: Region, ttlMs: number) => ({ kind, scope: { region }, reason: 'a test of orders', owner: 'ana', ttlMs });

test('a drain moves traffic at once and its end is a decision; a freeze holds a drain; nothing is taken or told without right', {
  timeout: 240_000,
}, async () => {
  await using cluster = await startCluster({ webhookUrl: 'http://127.0.0.1:9/none' });
  const replies: Answer[] = [];
  const ask = async (...given: Parameters<typeof order>): Promise<Answer> => {
    const answer = await order(...given);
    replies.push(answer);
    return answer;
  };
  const fresh = await cluster.routing();
  for (const wrong of ['wrong', `${cluster.operatorToken}x`, '']) {
    const refused = await ask(cluster, 'us-east', 'PUT', 'upgrade', of('drain', 'ap-south', 60_000), wrong);
    expect(refused).toMatchObject({ status: 401, text: expect.stringContaining('ERR_UNAUTHORIZED') });
  }
  expect((await cluster.store.get({ keys: ['override'] })).kvs).toEqual([]);
  expect((await cluster.routing()).v).toBe(fresh.v);

  // Whichever replica takes it. The shortest order there is ends by itself.
  expect(await ask(cluster, 'us-east', 'PUT', 'upgrade', of('drain', 'ap-south', 10_000))).toMatchObject({ status: 201 });
  await cluster.untilServed('ap-south drained by order', (route) => route['ap-south'] === 0);
  const drained = (await cluster.audits()).find(({ changes }) => changes[0]?.after['ap-south'] === 0);
  expect(drained?.because).toContain('ana');
  const ended = await until('its end', async () =>
    (await cluster.audits()).find(({ because }) => because.includes('override upgrade expired')),
  );
  expect(ended.v).toBeGreaterThan(drained?.v ?? 0);
  await cluster.untilServed('the return', (route) => (route['ap-south'] ?? 0) > 300);

  // Frozen, a region that dies keeps its share, and the hold is named; when the freeze ends, the drain follows.
  expect(await ask(cluster, 'eu-west', 'PUT', 'hands-off', of('freeze', 'ap-south', 600_000))).toMatchObject({ status: 201 });
  await cluster.killApp('ap-south');
  const held = async (): Promise<boolean> =>
    (await cluster.replica('eu-west').status())?.holds.some(({ pool, hold }) => pool === 'ap-south' && hold === 'freeze') === true;
  await until('the hold, by name', held);
  expect((await cluster.route())['ap-south']).toBeGreaterThan(300);
  expect(await cluster.answers()).toEqual(REGIONS);
  expect(await ask(cluster, 'ap-south', 'DELETE', 'hands-off')).toMatchObject({ status: 200 });
  await cluster.untilServed('the drain that was held', (route) => route['ap-south'] === 0);

  const secrets = ['operator.token', 'store.token', 'dns.token', 'webhook.secret'].map((file) =>
    readFileSync(join(cluster.folder, file), 'utf8').trim(),
  );
  for (const region of REGIONS) {
    for (const path of ['/v1/status', '/v1/overrides', '/metrics', '/healthz', '/readyz', '/nothing-here']) {
      const reply = await cluster.replica(region).get(path);
      replies.push({ status: reply.status, text: await reply.text() });
    }
    replies.push(
      { status: 0, text: JSON.stringify(cluster.replica(region).lines()) },
      { status: 0, text: cluster.replica(region).stderr() },
    );
  }
  for (const { text } of replies) for (const secret of secrets) expect(text).not.toContain(secret.replace('whsec_', ''));
  await cluster.expectSound();
});

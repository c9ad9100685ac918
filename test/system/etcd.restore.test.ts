// An etcd that is restored from a backup under a running cluster: everybody who knew more stands still, who starts anew writes nothing over a provider that
// is ahead, and `tidegate adopt` takes what users are served as the truth. Then the cluster goes on.
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { AppliedRecord } from '../../src/model.ts';
import { realPorts } from '../../src/ports.ts';
import { openEtcd } from '../../src/store/etcd/index.ts';
import { startEtcd } from '../etcd-server.ts';
import { startCluster, tidegate } from './cluster.ts';
import { FIRST, REGIONS, WEB } from './cluster-config.ts';
import { runBlock } from './manual.ts';
import { until } from './until.ts';
import { startReceiver } from './webhook-receiver.ts';

const PREFIX = '/tidegate/restored/';

test.each([
  { kind: 'another cluster', token: 'restored' },
  { kind: 'the same cluster, older', token: undefined },
])(
  'a backup put in place of the store, as $kind: nothing is written until it is adopted, then a dead region is left',
  { timeout: 240_000 },
  async ({ token }) => {
    const etcd = await startEtcd({ electionMs: 1000 });
    await using stack = new AsyncDisposableStack();
    stack.defer(() => etcd.close());
    await using receiver = await startReceiver();
    const [endpoint = ''] = etcd.endpoints;
    const open = () => openEtcd({ endpoints: [endpoint], prefix: PREFIX, timeoutMs: 5000, ports: realPorts() });
    const section = `  kind: etcd\n  endpoints: [${endpoint}]\n  prefix: ${PREFIX}`;
    await using cluster = await startCluster({ etcd: { section, store: open() }, webhookUrl: receiver.url });
    receiver.trust(cluster.webhookSecret);

    const backup = join(etcd.folder, 'backup.db');
    expect(await runBlock('etcd: back up', { '/backup/tidegate.db': backup }, { ETCDCTL_ENDPOINTS: endpoint })).toContain('saved');
    const drain = (id: string): Promise<Response> =>
      fetch(`http://127.0.0.1:${cluster.doors.api[FIRST]}/v1/overrides/${id}`, {
        method: 'PUT',
        headers: { authorization: `Bearer ${cluster.operatorToken}`, 'content-type': 'application/json' },
        body: JSON.stringify({ kind: 'drain', scope: { region: 'us-east' }, reason: 'a test of restoring', owner: 'test', ttlMs: 600_000 }),
      });
    expect((await drain('after-the-backup')).status).toBe(201);
    await cluster.untilServed('us-east drained', (route) => route['us-east'] === 0);
    const served = await cluster.fence();

    // The same cluster with the same token is what people should not do, and what happens all the same.
    await etcd.restore(backup, token, ({ name, dataDir, peer, initialCluster, token: given }) =>
      runBlock('etcd: restore', {
        '/backup/tidegate.db': backup,
        'tidegate-prod-2': given,
        '--data-dir /var/lib/etcd/tidegate-2': `--data-dir ${dataDir}`,
        'eu-west=https://etcd-eu-west.example.net:2380,us-east=https://etcd-us-east.example.net:2380,witness=https://etcd-witness.example.net:2380':
          initialCluster,
        '--name eu-west': `--name ${name}`,
        'https://etcd-eu-west.example.net:2380': peer,
      }),
    );
    const know = REGIONS.map((region) => cluster.replica(region));
    for (const replica of know) await until('it notices', () => replica.lines('etcd.replaced').length > 0);
    // One that starts anew knows no better store. It coordinates, and looks at the provider before it writes anything.
    await cluster.replica('ap-south').end('SIGKILL');
    await cluster.start('ap-south');
    const restored = open();
    stack.defer(() => restored.close());
    const applied = async (): Promise<AppliedRecord | undefined> =>
      (await restored.get({ keys: [`applied/local/${WEB}`] })).kvs[0]?.value as AppliedRecord | undefined;
    await until('the service frozen', async () => (await applied())?.outcome === 'frozen');
    const page = await until('its page', () => receiver.received.find(({ type }) => type === 'provider.ahead'));
    expect(page.summary).toContain('adopt');
    expect(await cluster.fence()).toEqual(served);
    expect(await cluster.answers()).toEqual(['eu-west', 'ap-south']);

    const order = ['adopt', '-c', cluster.configFile(FIRST), '--reason', 'the backup of a test', '--owner', 'test'];
    const planned = JSON.parse(await tidegate(...order, '--dry-run', '--json')) as {
      services: readonly { after: Record<string, number> }[];
    };
    expect(planned.services[0]?.after).toMatchObject({ 'us-east': 0 });
    expect(await cluster.fence()).toEqual(served);
    await runBlock('etcd: adopt', { 'adopt.yaml': cluster.configFile(FIRST) });
    for (const region of REGIONS)
      await until(`${region} votes and can decide again`, async () => {
        const status = await cluster.replica(region).status();
        return status?.self.canVote === true && status.self.canDecide;
      });
    // The order was placed after the backup and is gone: us-east returns by hold and ramp, above every fence there was.
    await cluster.untilServed('us-east back', (route) => (route['us-east'] ?? 0) > 300);
    expect((await cluster.fence())?.v).toBeGreaterThan(served?.v ?? 0);

    await cluster.killApp('us-east');
    await cluster.untilServed('us-east left', (route) => route['us-east'] === 0);
    expect(receiver.refused).toEqual([]);
  },
);

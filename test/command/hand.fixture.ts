// A builtin DNS server, a replica's file that writes to it, and the commands that work by hand on it. The store is one in memory that survives each command.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type AckOptions, ack } from '../../src/command/ack.ts';
import { type AdoptOptions, adopt } from '../../src/command/adopt.ts';
import { type RouteContext, type RouteSetOptions, type RouteShowOptions, routeSet, routeShow } from '../../src/command/route.ts';
import { loadConfig } from '../../src/config/load.ts';
import { KEYS } from '../../src/coordinate/keys.ts';
import { realPorts } from '../../src/ports.ts';
import { openEmbedded } from '../../src/store/embedded.ts';
import type { Store } from '../../src/store/store.ts';
import { type Fixture, startBuiltin, TOKEN } from '../providers/builtin.fixture.ts';
import { CONFIGS, listening } from './fixture.ts';

export const WEB = 'web.example.test';

export interface Said {
  exit: number;
  stdout: string;
  stderr: string;
}

export interface Hands extends AsyncDisposable {
  dns: Fixture;
  store: Store;
  folder: string;
  config: string;
  journal(): readonly Record<string, unknown>[];
  set(options?: Partial<RouteSetOptions>, confirm?: RouteContext['confirm']): Promise<Said>;
  show(options?: Partial<RouteShowOptions>): Promise<Said>;
  ack(options?: Partial<AckOptions>): Promise<Said>;
  adopt(options?: Partial<AdoptOptions>): Promise<Said>;
}

/** `edit` changes the text of the replica's file. */
export const openHands = async (edit: (text: string) => string = (text) => text): Promise<Hands> => {
  const folder = mkdtempSync(join(tmpdir(), 'tidegate-hand-'));
  const dns = await startBuiltin();
  const ports = realPorts();
  const store = openEmbedded({ file: ':memory:', ports });
  const config = join(folder, 'replica.yaml');
  const good = readFileSync(join(CONFIGS, 'good.yaml'), 'utf8').replace('127.0.0.1:7720', `127.0.0.1:${dns.controlPort}`);
  writeFileSync(config, edit(good.replace('provider: dns', 'mode: auto\n      provider: dns')));
  writeFileSync(join(folder, 'dns.token'), `${TOKEN}\n`, { mode: 0o600 });
  const loaded = loadConfig(config);
  if (loaded.ok && loaded.config.cluster !== null)
    await store.txn({ if: [], then: [{ put: KEYS.members, value: { ...loaded.config.cluster, version: 1 } }] });
  const lasting: Store = {
    clusterId: store.clusterId,
    get: (query) => store.get(query),
    txn: (txn) => store.txn(txn),
    watch: (prefix, onEvent) => store.watch(prefix, onEvent),
    close: async () => undefined,
  };
  const said = async (work: (say: ReturnType<typeof listening>) => Promise<number>): Promise<Said> => {
    const say = listening();
    const exit = await work(say);
    return { exit, stdout: say.stdout.replaceAll(`${folder}/`, ''), stderr: say.stderr.replaceAll(`${folder}/`, '') };
  };
  const order = { config, owner: 'bob', reason: 'eu-west is on fire' };
  return {
    dns,
    store,
    folder,
    config,
    journal: () =>
      readFileSync(`${config}.break-glass.ndjson`, 'utf8')
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as Record<string, unknown>),
    set: (options = {}, confirm = null) =>
      said((say) =>
        routeSet(
          { ...order, breakGlass: true, service: WEB, share: ['us-east=100'], ...(confirm === null ? { yes: true } : {}), ...options },
          { ports, confirm, ...say, out: say.out, err: say.err },
        ),
      ),
    show: (options = {}) => said((say) => routeShow({ config, ...options }, { ports, confirm: null, out: say.out, err: say.err })),
    ack: (options = {}) =>
      said((say) =>
        ack({ ...order, owner: 'alice', service: [WEB], ...options }, { ports, out: say.out, err: say.err, open: async () => lasting }),
      ),
    adopt: (options = {}) =>
      said((say) => adopt({ ...order, owner: 'alice', ...options }, { ports, out: say.out, err: say.err, open: async () => lasting })),
    async [Symbol.asyncDispose]() {
      await dns.close();
      await store.close();
      rmSync(folder, { recursive: true });
    },
  };
};

// By hand on a gate: it lies in the store, so the store is opened for it; without one the command says so, and what else can be done.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parseGate } from '../../providers/gate/record.ts';
import { ack } from '../../src/command/ack.ts';
import { type RouteSetOptions, routeSet, routeShow } from '../../src/command/route.ts';
import { loadConfig } from '../../src/config/load.ts';
import { appliedKey, KEYS } from '../../src/coordinate/keys.ts';
import { realPorts } from '../../src/ports.ts';
import { openEmbedded } from '../../src/store/embedded.ts';
import { CONFIGS, listening } from './fixture.ts';

const WEB = 'web.example.test';
const GATE = 'kind: gate, form: survivor, checker: { kind: route53, interval: 10s, failures: 1 }';
const BUILTIN = 'kind: builtin, zone: example.test, control: 127.0.0.1:7720, tokenFile: ./dns.token';

const openDesk = (edit: (text: string) => string = (text) => text) => {
  const folder = mkdtempSync(join(tmpdir(), 'tidegate-gate-'));
  const config = join(folder, 'replica.yaml');
  const good = readFileSync(join(CONFIGS, 'good.yaml'), 'utf8');
  const gated = good.replace(BUILTIN, GATE).replace('provider: dns', 'mode: auto\n      provider: dns');
  writeFileSync(config, edit(gated.replace('cluster:\n', 'cluster:\n  goals: { convergence: 2m }\n')));
  const ports = realPorts();
  const order = { config, service: WEB, reason: 'on fire', owner: 'bob' };
  return {
    config,
    ports,
    file: join(folder, 'store.sqlite'),
    set: (options: Partial<RouteSetOptions> = {}) => {
      const say = listening();
      const done = routeSet(
        { ...order, breakGlass: true, yes: true, share: ['us-east=100'], ...options },
        { ports, confirm: null, ...say, out: say.out, err: say.err },
      );
      return done.then((exit) => ({ exit, stdout: say.stdout, stderr: say.stderr }));
    },
    show: () => {
      const say = listening();
      return routeShow({ config }, { ports, confirm: null, out: say.out, err: say.err }).then(() => say.stdout);
    },
    ack: () => {
      const say = listening();
      return ack({ config, service: [WEB], reason: 'looked at', owner: 'alice' }, { ports, out: say.out, err: say.err }).then(
        () => say.stdout,
      );
    },
    [Symbol.dispose]: () => rmSync(folder, { recursive: true }),
  };
};

test('a route is set through the store that the file names, shown, and acknowledged', async () => {
  using desk = openDesk();
  const loaded = loadConfig(desk.config);
  const cluster = loaded.ok ? loaded.config.cluster : expect.fail('no cluster');
  const store = openEmbedded({ file: desk.file, ports: desk.ports });
  await store.txn({ if: [], then: [{ put: KEYS.members, value: { ...cluster, version: 1 } }] });
  await store.close();
  const { exit, stdout, stderr } = await desk.set({ share: ['us-east=75', 'eu-west=25'] });
  expect(exit).toBe(0);
  expect(stderr).toContain('which this provider serves as eu-west 500, us-east 500');
  expect(stdout).toContain('fence 1 by manual/bob, set by hand');
  expect((await desk.set()).stdout).toContain(`${WEB} now serves eu-west 0, us-east 1000; fence 2 by manual/bob`);
  expect(await desk.show()).toContain('served  eu-west 0, us-east 1000; fence 2 by manual/bob, set by hand');
  await desk.ack();
  const after = openEmbedded({ file: desk.file, ports: desk.ports });
  const { kvs } = await after.get({ keys: [`gate/${WEB}`, appliedKey('dns', WEB)] });
  expect(parseGate(kvs.find(({ key }) => key === `gate/${WEB}`)?.value)?.pools).toMatchObject({ 'eu-west': { open: false } });
  expect(kvs.find(({ key }) => key === appliedKey('dns', WEB))?.value).toMatchObject({ fence: 2, outcome: 'applied' });
  await after.close();
});

test.each([
  ['is out of reach', 'kind: remote\n  url: http://127.0.0.1:1\n  tokenFile: ./store.token', 'ERR_PROVIDER'],
  ['is held by a running replica', null, 'ERR_STORE_LOCKED'],
])('a store that %s: nothing is written, and the sentence says what can be done at the vendor', async (_what, section, code) => {
  using desk = openDesk((text) => (section === null ? text : text.replace(/kind: embedded\n {2}file: \.\/store\.sqlite/, section)));
  writeFileSync(join(desk.config, '../store.token'), 'a-token-of-some-length\n', { mode: 0o600 });
  const holder = section === null ? openEmbedded({ file: desk.file, ports: desk.ports }) : null;
  const says = { code, message: expect.stringMatching(/cannot be read or set without one.*"By hand" in providers\/gate\/README\.md/s) };
  await expect(desk.set()).rejects.toMatchObject(says);
  await expect(desk.show()).rejects.toMatchObject(says);
  await holder?.close();
});

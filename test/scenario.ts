// Scenario files: stories that a human reviews in a minute. A block is commands, a line `----`, and everything that happened: decisions with their
// sentence, what the provider then served, pages. `UPDATE=1` rewrites the outputs; commit a rewrite only if you understand each changed line.
//
//   cluster regions=a,b,c [services=web,api] [count=50] [weights=100,0,0] [steering=priority] [mode=advise] [targets=4] [alldown=configured] [replicas=2,1] [old=a/a] [key=value of the policy, durations]
//   run 60s                          time passes
//   kill a / boot a                  the region's replicas (its targets live on), `a/b`: one of them; `lose a` / `restore a`: targets and replicas together
//   stop a/b                         the replica stops in good order
//   hang|refuse|error|ok a [healthz|readyz] [target=2]
//   gray a 0.3 [healthz|readyz] [target=2]  this fraction of looks fails
//   flap a readyz up=1s down=1s for=10m
//   blind a / sight a                looks from a at other regions get no answer
//   cut a / heal a                   a reaches the store no more
//   pause a 60s                      SIGSTOP for that long
//   stall 2s                         the store answers nobody, as while it elects a leader
//   unaware a/b / aware a/b          the replica sees nothing of its siblings
//   tamper a / untamper a            a reads other content under the same version of the configuration
//   listen a 10s                     that time passes, and what a says of how many targets is told whenever it changes
//   ballots                          what each region says now of how many targets
//   step-wall a 1h                   its wall clock jumps
//   order ID drain|freeze|stop [region=a] [service=web] [pool=a] ttl=10m because words
//   revoke ID
//   apply key=value ...              a new configuration version (same keys as cluster)
//   show                             routes and holds now
import { readFileSync, writeFileSync } from 'node:fs';
import { parseDuration } from '../src/config/fields.ts';
import { tally } from '../src/health/quorum.ts';
import type { ClusterConfig, EndpointName, OverrideScope, Policy, Route, ServiceConfig } from '../src/model.ts';
import { clusterOf, type Health, poolOf, serviceOf, World } from './world.ts';

interface Block {
  commands: readonly string[];
  expected: readonly string[];
}

interface Scenario {
  header: readonly string[];
  blocks: readonly Block[];
}

const SEPARATOR = '----';

export const parseScenario = (text: string): Scenario => {
  const lines = text.split('\n');
  const header: string[] = [];
  while (lines[0] !== undefined && (lines[0].startsWith('#') || lines[0].trim() === '')) header.push(lines.shift() ?? '');
  const blocks: Block[] = [];
  let commands: string[] = [];
  let expected: string[] | null = null;
  for (const line of [...lines, '']) {
    if (line === SEPARATOR) expected = [];
    else if (line.trim() === '') {
      if (commands.length > 0) blocks.push({ commands, expected: expected ?? [] });
      commands = [];
      expected = null;
    } else if (expected === null) commands.push(line);
    else expected.push(line);
  }
  return { header, blocks };
};

const render = (scenario: Scenario): string =>
  [...scenario.header, ...scenario.blocks.flatMap((b) => [...b.commands, SEPARATOR, ...b.expected, ''])].join('\n');

const duration = (text: string): number => {
  const ms = parseDuration(text);
  if (ms === null) throw new Error(`"${text}" is no duration such as 500ms, 5s, 10m`);
  return ms;
};

/** `a=1 b=2 words` -> named values and the rest. */
const words = (line: string): { named: Readonly<Record<string, string>>; rest: readonly string[] } => {
  const because = line.split(' because ');
  const parts = (because[0] ?? '').split(/\s+/).filter((w) => w !== '');
  const named = Object.fromEntries(
    parts.filter((w) => w.includes('=')).map((w): [string, string] => [w.slice(0, w.indexOf('=')), w.slice(w.indexOf('=') + 1)]),
  );
  if (because[1] !== undefined) named.because = because[1];
  return { named, rest: parts.filter((w) => !w.includes('=')) };
};

const POLICY_NUMBERS: readonly (keyof Policy)[] = ['latchAfter', 'faults'];

const clusterFrom = (named: Readonly<Record<string, string>>, version: number): ClusterConfig => {
  const {
    regions = 'a,b,c',
    services,
    count,
    weights,
    steering = 'weighted',
    mode = 'auto',
    targets = '1',
    alldown = 'hold',
    vote,
    replicas: _replicas,
    old: _old,
    ...policy
  } = named;
  const names = regions.split(',');
  const list = weights?.split(',').map(Number) ?? names.map(() => 1);
  const wanted =
    count === undefined
      ? (services ?? 'web').split(',')
      : Array.from({ length: Number(count) }, (_, i) => `svc-${String(i + 1).padStart(2, '0')}`);
  const pooled = names.filter((_, i) => (list[i] ?? -1) >= 0);
  const service = (name: string): ServiceConfig =>
    serviceOf(names, {
      name,
      mode: mode as ServiceConfig['mode'],
      steering: { kind: steering },
      allDown: alldown as ServiceConfig['allDown'],
      pools: pooled.map((region, i) => poolOf(region, list[names.indexOf(region)] ?? 1, i, Number(targets))),
    });
  const overrides = Object.entries(policy).map(([key, value]): [string, number] => [
    POLICY_NUMBERS.includes(key as keyof Policy) ? key : `${key}Ms`,
    POLICY_NUMBERS.includes(key as keyof Policy) ? Number(value) : duration(value),
  ]);
  const cluster = clusterOf(names, [], Object.fromEntries(overrides));
  const voters = vote?.split(',') ?? names;
  return {
    ...cluster,
    version,
    regions: cluster.regions.map((r) => ({ ...r, vote: voters.includes(r.name) })),
    services: wanted.map(service),
  };
};

const routeText = (route: Route): string =>
  Object.entries(route)
    .map(([pool, share]) => `${pool}=${share}`)
    .join(' ');

/** Same facts of many services in one line. */
const many = (texts: readonly string[]): string => (texts.length <= 2 ? texts.join('; ') : `${texts[0]}; and ${texts.length - 1} more`);

class Player {
  #world: World | null = null;
  #named: Readonly<Record<string, string>> = {};
  #out: string[] = [];
  #served: { atMs: number; texts: string[] } = { atMs: -1, texts: [] };

  get world(): World {
    if (this.#world === null) throw new Error('the first command is `cluster`');
    return this.#world;
  }

  #say(atMs: number, text: string): void {
    this.#flushServed();
    this.#out.push(`${(atMs / 1000).toFixed(1).padStart(7)}s  ${text}`);
  }

  #flushServed(): void {
    const { atMs, texts } = this.#served;
    this.#served = { atMs: -1, texts: [] };
    if (texts.length > 0) this.#out.push(`${(atMs / 1000).toFixed(1).padStart(7)}s    served ${many(texts)}`);
  }

  async #begin(named: Readonly<Record<string, string>>): Promise<void> {
    this.#named = named;
    this.#world = new World(
      {
        cluster: clusterFrom(named, 1),
        seed: 1,
        replicas: (named.replicas ?? '1').split(',').map(Number),
        old: named.old?.split(',') ?? [],
      },
      {
        decision: (atMs, routing) => this.#say(atMs, `decision ${routing.v}: ${routing.because}`),
        page: (atMs, p) => this.#say(atMs, `  page ${p.severity} ${p.type}: ${p.summary}`),
        served: (atMs, service, shares) => {
          if (this.#served.atMs !== atMs) this.#flushServed();
          this.#served.atMs = atMs;
          this.#served.texts.push(`${service} ${routeText(shares)}`);
        },
        role: (atMs, who, epoch) => this.#say(atMs, `${who} coordinates (epoch ${epoch})`),
        nameTaken: (atMs, who, because) => this.#say(atMs, `${who} may not speak: ${because}`),
        configConflict: (atMs, who, because) => this.#say(atMs, `${who} abstains: ${because}`),
      },
    );
    await this.#world.start();
  }

  async #flap(region: string, endpoint: EndpointName, named: Readonly<Record<string, string>>): Promise<void> {
    const endMs = this.world.now() + duration(named.for ?? '1m');
    while (this.world.now() < endMs) {
      this.world.health(region, [endpoint], 'error');
      await this.world.run(duration(named.down ?? '1s'));
      this.world.health(region, [endpoint], 'ok');
      await this.world.run(duration(named.up ?? '1s'));
    }
  }

  async #show(): Promise<void> {
    const routing = await this.world.routing();
    for (const [name, s] of Object.entries(routing?.services ?? {})) {
      const holds = Object.entries(s.pools).flatMap(([pool, m]) => [
        ...(m.hold === null ? [] : [`${pool} held: ${m.hold}`]),
        ...(m.latched ? [`${pool} latched`] : []),
        ...(m.by === 'override' ? [`${pool} drained by a human`] : []),
      ]);
      this.#out.push(
        `          ${name} ${routeText(s.route)}${holds.length > 0 ? `  (${holds.join(', ')})` : ''}  fence ${s.fence} ${s.mode}`,
      );
    }
  }

  /** What each region says, by the last read of whoever coordinates. */
  #ballots(): ReadonlyMap<string, Readonly<Record<string, number>>> {
    const sight = this.world.replica(this.world.coordinatorPlace() ?? '')?.coordinator.lastSight();
    const counts = new Map<string, Record<string, number>>();
    if (sight?.cluster == null) return counts;
    for (const { targets } of tally(sight.cluster, sight.heard, 0, true))
      for (const { endpoints } of targets)
        for (const [region, ballot] of Object.entries(endpoints.healthz?.ballots ?? {})) {
          const of = counts.get(region) ?? {};
          of[ballot] = (of[ballot] ?? 0) + 1;
          counts.set(region, of);
        }
    return counts;
  }

  #says(region: string): string {
    const said = Object.entries(this.#ballots().get(region) ?? {}).map(([ballot, n]) => `${ballot} of ${n}`);
    return `${region} says ${said.length === 0 ? 'nothing' : said.sort().join(', ')}`;
  }

  async #listen(region: string, ms: number): Promise<void> {
    const endMs = this.world.now() + ms;
    let last = this.#says(region);
    while (this.world.now() < endMs) {
      await this.world.run(100);
      if (this.#says(region) !== last) this.#say(this.world.now(), this.#says(region));
      last = this.#says(region);
    }
  }

  #tamper(region: string): void {
    const { cluster } = this.world;
    this.world.tamper(region, { ...cluster, goals: { ...cluster.goals, detectionMs: cluster.goals.detectionMs + 1 } });
  }

  async command(line: string): Promise<void> {
    const { named, rest } = words(line);
    const [verb = '', ...args] = rest;
    const region = args[0] ?? '';
    switch (verb) {
      case 'cluster':
        return this.#begin(named);
      case 'run':
        return this.world.run(duration(region));
      case 'kill':
        return this.world.kill(region);
      case 'boot':
        return this.world.boot(region);
      case 'stop':
        return this.world.stop(region);
      case 'stall':
        return this.world.stall(duration(region));
      case 'unaware':
      case 'aware':
        return this.world.unaware(region, verb === 'unaware');
      case 'tamper':
        return this.#tamper(region);
      case 'untamper':
        return this.world.tamper(region, null);
      case 'listen':
        return this.#listen(region, duration(args[1] ?? '10s'));
      case 'ballots':
        for (const { name } of this.world.cluster.regions) this.#out.push(`          ${this.#says(name)}`);
        return;
      case 'lose':
        this.world.health(region, ['healthz', 'readyz'], 'hang');
        return this.world.kill(region);
      case 'restore':
        this.world.health(region, ['healthz', 'readyz'], 'ok');
        return this.world.boot(region);
      case 'hang':
      case 'refuse':
      case 'error':
      case 'ok': {
        const endpoints = args[1] === undefined ? (['healthz', 'readyz'] as const) : [args[1] as EndpointName];
        return this.world.health(region, endpoints, verb as Health, named.target === undefined ? undefined : Number(named.target));
      }
      case 'gray': {
        const endpoints = args[2] === undefined ? (['healthz', 'readyz'] as const) : [args[2] as EndpointName];
        return this.world.health(region, endpoints, Number(args[1]), named.target === undefined ? undefined : Number(named.target));
      }
      case 'flap':
        return this.#flap(region, args[1] as EndpointName, named);
      case 'blind':
      case 'sight':
        return this.world.blind(region, verb === 'blind');
      case 'cut':
      case 'heal':
        return this.world.cut(region, verb === 'cut');
      case 'pause': {
        this.world.process(region)?.pause();
        await this.world.run(duration(args[1] ?? '1s'));
        return this.world.process(region)?.resume();
      }
      case 'step-wall':
        return this.world
          .process(region)
          ?.stepWall((args[1]?.startsWith('-') === true ? -1 : 1) * duration((args[1] ?? '1h').replace('-', '')));
      case 'order': {
        const scope: OverrideScope = Object.fromEntries(
          Object.entries(named).filter(([key]) => ['region', 'service', 'pool'].includes(key)),
        );
        return this.world.order(region, args[1] as 'drain', scope, duration(named.ttl ?? '4h'), 'alice', named.because ?? 'no reason');
      }
      case 'revoke':
        return this.world.revoke(region);
      case 'apply': {
        this.#named = { ...this.#named, ...named };
        return this.world.apply(clusterFrom(this.#named, this.world.cluster.version + 1));
      }
      case 'show':
        return this.#show();
      default:
        throw new Error(`no such command: ${line}`);
    }
  }

  async block(block: Block): Promise<readonly string[]> {
    for (const line of block.commands) await this.command(line);
    this.#flushServed();
    const out = this.#out;
    this.#out = [];
    return out;
  }

  async close(): Promise<void> {
    await this.#world?.close();
  }
}

/** Plays one file. Out: the text as it should read; equal to the file's if nothing changed. */
export const playScenario = async (text: string): Promise<string> => {
  const scenario = parseScenario(text);
  const player = new Player();
  try {
    const blocks: Block[] = [];
    for (const block of scenario.blocks) blocks.push({ commands: block.commands, expected: await player.block(block) });
    return render({ header: scenario.header, blocks });
  } finally {
    await player.close();
  }
};

export const playFile = async (path: string, update: boolean): Promise<{ actual: string; expected: string }> => {
  const expected = readFileSync(path, 'utf8');
  const actual = await playScenario(expected);
  if (update && actual !== expected) writeFileSync(path, actual);
  return { actual, expected: update ? actual : expected };
};

// Scenario files: stories that a human reviews in a minute. A block is commands, a line `----`, and everything that happened: decisions with their
// sentence, what the provider then served, pages. `UPDATE=1` rewrites the outputs; commit a rewrite only if you understand each changed line.
//
//   cluster regions=a,b,c [services=web,api] [count=50] [weights=100,0,0] [steering=priority] [mode=advise] [targets=4] [alldown=configured] [cut=500] [replicas=2,1] [old=a/a] [key=value of the policy, durations]
//           [seed=7] [whole=yes] [anchors=2] [signed=yes] [fencing=marker] [delay=5ms..80ms] [lost=0.01] [late=0.01] [provider=20ms..300ms] [rate=0.05] [skew=2s]
//           [paths=2] [batch=1] [receipts=yes|late] [canary=30s]   a second provider; one service a call; writes that settle later (`late`: and show then); a canary at each provider
//           [drill=30s]              a micro-drill at each provider, whose servers follow after 1.5 s; its resolver caches for 10 s
//   run 60s                          time passes
//   kill a / boot a                  the region's replicas (its targets live on), `a/b`: one of them; `lose a` / `restore a`: targets and replicas together
//   crash a in=5                     right before the fifth thing it would do from now on; `in=off`: no more
//   stop a/b                         the replica stops in good order
//   twin a/a                         a second process under the same name
//   hang|refuse|error|slow|ok a [healthz|readyz] [target=2]
//   gray a 0.3 [healthz|readyz] [target=2]  so many looks fail, at random
//   flap a readyz up=1s down=1s for=10m
//   blind a / sight a                looks from a at other regions, and at its anchors, get no answer
//   way a b cut / way a b open       looks from a at b get no answer
//   cut a [out|in] / heal a          a reaches the store no more; only its calls, only the answers
//   egress a cut / egress a open     a reaches neither the provider nor a sink
//   pause a 60s                      SIGSTOP for that long; `freeze a` / `thaw a` for as long as it takes
//   stall 2s                         the store answers nobody, as while it elects a leader
//   weather lost=0.1 late=0.05 delay=5ms..300ms
//   unaware a/b / aware a/b          the replica sees nothing of its siblings
//   tamper a / untamper a            a reads other content under the same version of the configuration
//   provider lost=0.5 twice=0.1      so many calls go wrong in that way (world/zone.ts has the ways); `provider calm`; `provider second lost=1`
//   servers stuck|follow             what the first provider's servers answer of the micro-drill's name: what they answered last, whatever is written
//   stranger web fence=gone          somebody edits what is served: `fence=1000000000`, `shares=a:1000`
//   sink one fail                    a sink of pages: ok, fail, hang, mute (takes them and does not answer)
//   backup / rewind                  the store is kept; is what was kept
//   forge a b                        somebody writes votes of a without its key: all of b is down
//   record a / replay a              what a says is kept; is written again, as it was
//   listen a 10s                     that time passes, and what a says of how many targets is told whenever it changes
//   ballots                          what each region says now of how many targets
//   step-wall a 1h                   its wall clock jumps
//   order ID drain|force-in|pin|freeze|evacuate|stop [region=a] [service=web] [pool=a] [weights=a:300,b:700] ttl=10m [start=30s] [ticket=T-1] [break-glass] [drill]
//         [via=a] because words      `approval`: nobody has agreed to it yet, and it needs somebody; `approve ID`: bob does
//   revoke ID [via=a]
//   rules JSON                       settings of safety rules, by kind, as the configuration has them; `load` and `capacities` (by pool) of every service beside them
//   report web load=900 capacity=a:500,b:800 ttl=10m
//   apply key=value ... [via=a]      a new configuration version (same keys as cluster); `platforms=none` takes those out
//   adopt via=a                      what the provider serves becomes the route
//   platform NAME model=active-cold regions=a,b fleets=codec:5s,workers:45s namespaces=orders [services=web] [trigger=auto|propose|off] [hold=10s] [prearm=yes prearmed=hooks]
//         [persons=1] [expire=30m] [gate=lag:30] [externals=ledger:fence+promote] [failback=manual|fail-forward|10m]
//         [llm=openrouter,azure] [follow=yes] [databases=orders rung=acknowledged grace=60s lag=30s writes=web] [caches=sessions:strict,pages] [asks=pg.promote:0]
//                                    with `cluster ... runbooks=yes`: what moves with the routes; the time after a fleet is how long it takes to start
//   begin NAME to=b [ungraceful] [failback|drill] [id=x] because words   a human orders a run (alice; `by=bob`), at the API of b or `via=`
//   agree RUN [step=ID] [by=bob]     to its beginning, or to a step; `answer RUN STEP retry|skip|stop`, `abort RUN`, `undo RUN`, `force RUN`
//   moved orders b                   the namespace is active in b, and no run moved it
//   gauge lag 40                     what a gate's query measures; `gauge orders.lag 40`: by how many seconds the standbys of a database are behind
//   models a azure                   the app of a is on that provider of language models
//   data orders@b writes|follows|denied|granted   by somebody's hand: that site takes writes or follows; no row of ours may be written there, or may again
//                                    with `cluster ... runbooks=yes watched=yes`: the coordinator watches the databases itself
//   settle orders/orders b [fenced=a,c] because words   a human says where a database is written (alice), at the API of c or `via=`; `unsettle orders/orders`
//   system redis-pages-b dead|well   it answers nothing although its region is well
//   show                             routes and holds now
import { readFileSync, writeFileSync } from 'node:fs';
import { platformsNow } from '../src/api/platform-status.ts';
import { tally } from '../src/health/quorum.ts';
import type { EndpointName, Override, OverrideScope, Proof, Route } from '../src/model.ts';
import type { Choice } from '../src/runbook/reader.ts';
import type { BeginOrder, Person } from '../src/runbook/writer.ts';
import { clusterFrom, duration, optionsFrom, spanOf, withRules } from './world/line.ts';
import { healthOf, landscapeOf, platformFrom, populate } from './world/platform-line.ts';
import { tellRuns } from './world/run-lines.ts';
import type { Cut } from './world/wire.ts';
import { TROUBLES } from './world/zone.ts';
import { type Health, type OrderExtras, type SinkMode, START_WALL_MS, World, type WorldEvents, type WorldOptions } from './world.ts';

interface Block {
  commands: readonly string[];
  expected: readonly string[];
}

interface Scenario {
  header: readonly string[];
  blocks: readonly Block[];
}

const SEPARATOR = '----';

const personOf = ({ by = 'alice' }: Readonly<Record<string, string>>): Person => ({ name: by, services: null, how: 'token' });

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

const routeText = (route: Route): string =>
  Object.entries(route)
    .map(([pool, share]) => `${pool}=${share}`)
    .join(' ');

/** `a:300,b:700`. */
const sharesIn = (text: string): Route =>
  Object.fromEntries(text.split(',').map((each): [string, number] => [each.split(':')[0] ?? '', Number(each.split(':')[1] ?? 0)]));

/** Same facts of many services in one line. */
const many = (texts: readonly string[]): string => (texts.length <= 2 ? texts.join('; ') : `${texts[0]}; and ${texts.length - 1} more`);

/** Every event of both. */
const both = (a: Partial<WorldEvents>, b: Partial<WorldEvents>): Partial<WorldEvents> => {
  const events: Record<string, unknown> = { ...a };
  for (const [name, second] of Object.entries(b)) {
    const [one, two] = [events[name], second] as (((...args: unknown[]) => void) | undefined)[];
    if (one === undefined) events[name] = two;
    else
      events[name] = (...args: unknown[]): void => {
        one(...args);
        two?.(...args);
      };
  }
  return events;
};

/** A human's patience with an API. */
const ANSWER_MS = 10_000;

export interface PlayerOptions extends Pick<WorldOptions, 'frozen'> {
  /** Nothing of what happens is told: for who only observes. Absent: no. */
  mute?: boolean;
}

export class Player {
  readonly #observe: Observe | null;
  readonly #frozen: boolean;
  readonly #mute: boolean;
  #world: World | null = null;
  #named: Readonly<Record<string, string>> = {};
  #out: string[] = [];
  /** What was said last of each path's micro-drills. */
  readonly #proofs = new Map<string, string>();
  #served: { atMs: number; texts: string[] } = { atMs: -1, texts: [] };

  /** `observe`: who else wants to hear of what happens. */
  constructor(observe: Observe | null = null, { frozen = true, mute = false }: PlayerOptions = {}) {
    this.#observe = observe;
    this.#frozen = frozen;
    this.#mute = mute;
  }

  get world(): World {
    if (this.#world === null) throw new Error('the first command is `cluster`');
    return this.#world;
  }

  /** Adds a line of the story's outcome. */
  say(text: string): void {
    this.#say(this.world.now(), text);
  }

  /** The lines since the last call. */
  told(): readonly string[] {
    this.#flushServed();
    return this.#out.splice(0);
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
    const plain = optionsFrom(named);
    const watched = named.watched === 'yes' ? { watched: true } : {};
    const options =
      named.runbooks === 'yes' ? { ...watched, ...plain, landscape: landscapeOf(plain.cluster.regions.map(({ name }) => name)) } : plain;
    const told = this.#mute ? {} : this.#tellings();
    const observed = this.#observe?.(() => this.world) ?? {};
    this.#world = new World({ ...options, frozen: this.#frozen }, both(told, observed));
    if (this.#world.landscape !== null)
      this.#world.landscape.tiers.onWrong = (text) => {
        this.#say(this.world.now(), `WRONG: ${text}`);
        observed.torn?.(text);
      };
    if (this.#world.landscape !== null && !this.#mute) tellRuns(this.#world.store, (text) => this.#say(this.world.now(), text));
    await this.#world.start();
  }

  /** What happens, in lines. */
  #tellings(): Partial<WorldEvents> {
    return {
      decision: (atMs, routing) => this.#say(atMs, `decision ${routing.v}: ${routing.because}`),
      page: (atMs, p) => this.#say(atMs, `  page ${p.severity} ${p.type}: ${p.summary}`),
      served: (atMs, service, shares, _v, path) => {
        if (this.#served.atMs !== atMs) this.#flushServed();
        this.#served.atMs = atMs;
        this.#served.texts.push(`${service} ${routeText(shares)}${path === 'memory' ? '' : ` by ${path}`}`);
      },
      proof: (atMs, path, proof) => this.#sayProof(atMs, path, proof),
      role: (atMs, who, epoch) => this.#say(atMs, `${who} coordinates (epoch ${epoch})`),
      nameTaken: (atMs, who, because) => this.#say(atMs, `${who} may not speak: ${because}`),
      configConflict: (atMs, who, because) => this.#say(atMs, `${who} abstains: ${because}`),
      denied: (atMs, what, because) => this.#say(atMs, `  ${what}: ${because}`),
    };
  }

  #sayProof(atMs: number, path: string, { last }: Proof): void {
    const phases = Object.entries(last.phasesMs).map(([phase, ms]) => `${phase} ${(ms / 1000).toFixed(1)} s`);
    const outcome =
      last.ok === null
        ? `${last.from} -> ${last.to} decided`
        : last.ok
          ? `proven, ${phases.join(', ')}`
          : `${last.because}${phases.length === 0 ? '' : ` (${phases.join(', ')})`}`;
    const text = `micro-drill ${last.v} by ${path}: ${outcome}`;
    if (this.#proofs.get(path) === text) return;
    this.#proofs.set(path, text);
    this.#say(atMs, `  ${text}`);
  }

  async #platform(name: string, named: Readonly<Record<string, string>>): Promise<void> {
    const { cluster, landscape } = this.world;
    if (landscape === null) throw new Error('a platform needs `cluster ... runbooks=yes`');
    const platform = platformFrom(name, named);
    populate(landscape, platform);
    await this.world.apply({ ...cluster, version: cluster.version + 1, platforms: [...(cluster.platforms ?? []), platform] });
    for (const database of platform.databases ?? []) {
      const [writer] = landscape.tiers.writersOf(database.name);
      if (database.services.length > 0 && writer !== undefined && this.#named.watched !== 'yes')
        await this.world.hand.prove(name, database.name, writer);
    }
  }

  /** What a human is answered: nothing more than that, or why not. */
  async #asked(what: string, act: () => Promise<unknown>): Promise<void> {
    let refused: string | null | undefined;
    // Where nothing runs, nobody answers, and a replica that dies meanwhile does not either.
    void (async () => act())().then(
      () => {
        refused = null;
      },
      (error: unknown) => {
        refused = error instanceof Error ? error.message : String(error);
      },
    );
    const patientUntilMs = this.world.now() + ANSWER_MS;
    await this.world.virtual.advanceUntil(() => refused !== undefined || this.world.now() >= patientUntilMs, ANSWER_MS + 1000);
    if (refused === undefined) refused = `no answer within ${ANSWER_MS / 1000} s`;
    if (typeof refused === 'string') this.#say(this.world.now(), `  ${what}: ${refused}`);
  }

  #settles(does: 'settle' | 'unsettle', name: string, region: string, named: Readonly<Record<string, string>>): Promise<void> {
    const [platform = '', database = ''] = name.split('/');
    const person = { name: named.by ?? 'alice', services: null, how: 'token' as const };
    const key = `${does}-${this.world.now()}`;
    const act = { person, reason: named.because ?? 'no reason', ifMatch: null, asked: { hash: key, fingerprint: key } };
    const fenced = (named.fenced ?? '').split(',').filter((each) => each !== '');
    return this.#asked(`${does} ${name}`, () => {
      const settler = this.world.people.settler(named.via ?? 'c');
      return does === 'settle' ? settler.settle(platform, database, { region, fenced }, act) : settler.unsettle(platform, database, act);
    });
  }

  #begins(platform: string, named: Readonly<Record<string, string>>, flags: readonly string[]): Promise<void> {
    const purpose = flags.includes('failback') ? 'failback' : flags.includes('drill') ? 'drill' : 'failover';
    const order: BeginOrder = {
      platform,
      purpose,
      mode: flags.includes('ungraceful') ? 'ungraceful' : 'graceful',
      to: named.to ?? 'b',
      reason: named.because ?? 'no reason',
      id: named.id ?? `${platform}-${purpose}`,
      ...(named.force === undefined ? {} : { forceAfterMs: duration(named.force) }),
    };
    return this.#asked('begin', () => this.world.people.runs(named.via ?? named.to ?? 'b').begin(order, personOf(named)));
  }

  #onRun(verb: string, args: readonly string[], named: Readonly<Record<string, string>>): Promise<void> {
    const [run = '', step = '', choice = ''] = args;
    const person = personOf({ by: 'bob', ...named });
    const act = { person, reason: named.because ?? 'no reason' };
    return this.#asked(verb, () => {
      const writer = this.world.people.runs(named.via ?? 'b');
      if (verb === 'agree') return writer.approve(run, named.step ?? null, person);
      if (verb === 'answer') return writer.answer(run, step, choice as Choice, person);
      return writer[verb as 'abort' | 'undo' | 'force'](run, act);
    });
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
        ...(m.told.includes('forced') ? [`${pool} in by a human`] : []),
      ]);
      if (s.pin !== undefined) holds.push(`pinned by ${s.pin.id}${s.pin.setAside === true ? ', set aside' : ''}`);
      this.#out.push(
        `          ${name} ${routeText(s.route)}${holds.length > 0 ? `  (${holds.join(', ')})` : ''}  fence ${s.fence} ${s.mode}`,
      );
    }
    this.#showTiers();
    this.#showModels();
  }

  /** As whoever coordinates would tell it. */
  #showModels(): void {
    const { landscape, cluster } = this.world;
    const sight = this.world.replica(this.world.coordinatorPlace() ?? '')?.coordinator.lastSight();
    if (landscape === null || sight == null) return;
    for (const { llm } of platformsNow(cluster, sight, START_WALL_MS + this.world.now()))
      for (const { region, because } of llm?.regions ?? []) this.#out.push(`          language models of ${region}: ${because}`);
  }

  /** Who writes, and whose clients wait. */
  #showTiers(): void {
    const { landscape, cluster } = this.world;
    if (landscape === null) return;
    for (const { databases = [], caches = [] } of cluster.platforms ?? []) {
      for (const { name, sites } of databases) {
        const held = Object.values(sites).flatMap(({ poolers }) =>
          poolers.map(({ system }) => system).filter((each) => landscape.tiers.heldPoolers().includes(each)),
        );
        this.#out.push(
          `          ${name} is written in ${landscape.tiers.writersOf(name).join(', ') || 'no region'}${held.length === 0 ? '' : `  (held: ${held.join(', ')})`}`,
        );
      }
      for (const { name } of caches)
        this.#out.push(`          ${name} is master in ${landscape.tiers.mastersOf(name).join(', ') || 'no region'}`);
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

  #weather({ delay, lost, late }: Readonly<Record<string, string>>): void {
    const { wire } = this.world;
    wire.weather = {
      delayMs: delay === undefined ? wire.weather.delayMs : spanOf(delay),
      lost: lost === undefined ? wire.weather.lost : Number(lost),
      late: late === undefined ? wire.weather.late : Number(late),
    };
  }

  #provider(args: readonly string[], named: Readonly<Record<string, string>>): void {
    const zone = this.world.zones.get(args[0] ?? '') ?? this.world.zone;
    if (args.includes('calm')) zone.calm();
    for (const trouble of TROUBLES) if (named[trouble] !== undefined) zone.trouble(trouble, Number(named[trouble]));
  }

  #stranger(service: string, { fence, shares }: Readonly<Record<string, string>>): void {
    this.world.zone.edit(service, (served) => {
      if (fence === 'gone') return { ...served, fenceless: true };
      if (fence !== undefined) return { ...served, fence: { ...served.fence, v: Number(fence), writer: 'stranger', nonce: 'stranger' } };
      return { ...served, shares: sharesIn(shares ?? '') };
    });
  }

  #order(id: string, kind: Override['kind'], named: Readonly<Record<string, string>>, flags: readonly string[]): void | Promise<void> {
    const scope: OverrideScope = Object.fromEntries(Object.entries(named).filter(([key]) => ['region', 'service', 'pool'].includes(key)));
    const [ttlMs, reason] = [duration(named.ttl ?? '4h'), named.because ?? 'no reason'];
    const more: OrderExtras = {
      ...(named.weights === undefined ? {} : { weights: sharesIn(named.weights) }),
      ...(named.ticket === undefined ? {} : { ticket: named.ticket }),
      ...(named.start === undefined ? {} : { startsInMs: duration(named.start) }),
      ...(flags.includes('break-glass') ? { breakGlass: true as const } : {}),
      ...(flags.includes('drill') ? { drill: true as const } : {}),
      ...(flags.includes('approval') ? { approval: { by: null, atMs: null } } : {}),
    };
    if (named.via === undefined) return this.world.hand.order(id, kind, scope, ttlMs, 'alice', reason, more);
    this.world.people.order(named.via, { id, kind, scope, ttlMs, owner: 'alice', reason }, more);
  }

  /** The configuration with other safety rules, and with what its services have to bear. */
  #rules(text: string): Promise<void> {
    const { cluster } = this.world;
    return this.world.apply({ ...withRules(cluster, text), version: cluster.version + 1 });
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
      case 'forge':
        return this.world.thief.forge(region, args[1] ?? '');
      case 'record':
        return this.world.thief.record(region);
      case 'replay':
        return this.world.thief.replay(region);
      case 'listen':
        return this.#listen(region, duration(args[1] ?? '10s'));
      case 'ballots':
        for (const { name } of this.world.cluster.regions) this.#out.push(`          ${this.#says(name)}`);
        return;
      case 'lose':
        this.world.health(region, ['healthz', 'readyz'], 'hang');
        this.world.landscape?.lose(region);
        return this.world.kill(region);
      case 'restore':
        this.world.health(region, ['healthz', 'readyz'], 'ok');
        this.world.landscape?.heal(region);
        return this.world.boot(region);
      case 'hang':
      case 'refuse':
      case 'error':
      case 'slow':
      case 'ok': {
        const endpoints = args[1] === undefined ? (['healthz', 'readyz'] as const) : [args[1] as EndpointName];
        return this.world.health(region, endpoints, verb as Health, named.target === undefined ? undefined : Number(named.target));
      }
      case 'flap':
        return this.#flap(region, args[1] as EndpointName, named);
      case 'blind':
      case 'sight':
        return this.world.blind(region, verb === 'blind');
      case 'cut':
        return this.world.cut(region, (args[1] ?? 'both') as Cut);
      case 'heal':
        return this.world.cut(region, false);
      case 'gray': {
        const endpoints = args[2] === undefined ? (['healthz', 'readyz'] as const) : [args[2] as EndpointName];
        return this.world.health(region, endpoints, Number(args[1]), named.target === undefined ? undefined : Number(named.target));
      }
      case 'way':
        return this.world.ground.way(region, args[1] ?? '', args[2] === 'cut');
      case 'egress':
        return this.world.egress(region, args[1] === 'open');
      case 'crash':
        return this.world.crash(region, named.in === 'off' ? Number.MAX_SAFE_INTEGER : Number(named.in ?? 1));
      case 'twin':
        return this.world.twin(region);
      case 'freeze':
        return this.world.process(region)?.pause();
      case 'thaw':
        return this.world.process(region)?.resume();
      case 'weather':
        return this.#weather(named);
      case 'servers':
        for (const servers of [...this.world.nameServers.values()].slice(0, 1)) servers.stick(region === 'stuck');
        return;
      case 'provider':
        return this.#provider(args, named);
      case 'stranger':
        return this.#stranger(region, named);
      case 'sink':
        return this.world.sink(region, args[1] as SinkMode);
      case 'backup':
        return this.world.backup();
      case 'rewind':
        return this.world.rewind();
      case 'adopt':
        return this.world.people.adopt(named.via ?? 'a');
      case 'pause': {
        this.world.process(region)?.pause();
        await this.world.run(duration(args[1] ?? '1s'));
        return this.world.process(region)?.resume();
      }
      case 'step-wall':
        return this.world
          .process(region)
          ?.stepWall((args[1]?.startsWith('-') === true ? -1 : 1) * duration((args[1] ?? '1h').replace('-', '')));
      case 'order':
        return this.#order(region, args[1] as Override['kind'], named, args.slice(2));
      case 'approve':
        return named.via === undefined ? this.world.hand.approve(region, 'bob') : this.world.people.approve(named.via, region);
      case 'report':
        return this.world.hand.report(region, Number(named.load), sharesIn(named.capacity ?? ''), duration(named.ttl ?? '10m'));
      case 'rules':
        return this.#rules(line.slice('rules '.length));
      case 'revoke':
        return named.via === undefined ? this.world.hand.revoke(region) : this.world.people.revoke(named.via, region);
      case 'apply': {
        const { via, platforms: kept = 'all', ...changes } = named;
        this.#named = { ...this.#named, ...changes };
        const { version, platforms } = this.world.cluster;
        const next = { ...clusterFrom(this.#named, version + 1), ...(platforms === undefined || kept === 'none' ? {} : { platforms }) };
        return via === undefined ? this.world.apply(next) : this.world.people.apply(via, next);
      }
      case 'platform':
        return this.#platform(region, named);
      case 'begin':
        return this.#begins(region, named, args);
      case 'agree':
      case 'answer':
      case 'abort':
      case 'undo':
      case 'force':
        return this.#onRun(verb, args, named);
      case 'moved':
        return this.world.landscape?.moved(region, args[1] ?? '');
      case 'gauge':
        this.world.landscape?.values.set(region, Number(args[1]));
        return;
      case 'models':
        this.world.landscape?.models.set(healthOf(region), args[1] ?? '');
        return;
      case 'system':
        return this.world.landscape?.kill(region, args[1] === 'dead');
      case 'data': {
        const [database = '', where = ''] = region.split('@');
        return this.world.landscape?.tiers.byHand(database, where, args[1] as 'writes');
      }
      case 'settle':
      case 'unsettle':
        return this.#settles(verb, region, args[1] ?? '', named);
      case 'show':
        return this.#show();
      default:
        throw new Error(`no such command: ${line}`);
    }
  }

  async block(block: Block): Promise<readonly string[]> {
    for (const line of block.commands) await this.command(line);
    return this.told();
  }

  async close(): Promise<void> {
    await this.#world?.close();
  }
}

/** Who else wants to hear of what happens in a story's world. */
export type Observe = (world: () => World) => Partial<WorldEvents>;

/** Plays one file. Out: the text as it should read; equal to the file's if nothing changed. */
export const playScenario = async (text: string, observe: Observe | null = null): Promise<string> => {
  const scenario = parseScenario(text);
  const player = new Player(observe);
  try {
    const blocks: Block[] = [];
    for (const block of scenario.blocks) blocks.push({ commands: block.commands, expected: await player.block(block) });
    return render({ header: scenario.header, blocks });
  } finally {
    await player.close();
  }
};

export const playFile = async (
  path: string,
  update: boolean,
  observe: Observe | null = null,
): Promise<{ actual: string; expected: string }> => {
  const expected = readFileSync(path, 'utf8');
  const actual = await playScenario(expected, observe);
  if (update && actual !== expected) writeFileSync(path, actual);
  return { actual, expected: update ? actual : expected };
};

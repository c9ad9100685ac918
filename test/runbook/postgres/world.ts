// The worlds of Postgres' steps: fakes of Patroni's REST API and of Postgres' wire, each with every fault of the contract of steps.
import { Fault as Conflict } from '../../../src/errors.ts';
import type { TierState } from '../../../src/runbook/facts.ts';
import type { Fault, StepWorld } from '../../contract/step.contract.ts';
import { type Front, startFront } from '../front.ts';
import { tiersOf } from '../tiers.ts';
import { type FakePatroni, fakePatroni } from './fake-patroni.ts';
import { type FakePostgres, type FakePostgresState, startFakePostgres } from './fake-postgres.ts';

const PASSWORD = 'pg-password-0a1b2c3d';
const REST_PASSWORD = 'rest-password-4e5f6a7b';
const FILES = { '/secrets/pg': PASSWORD, '/secrets/rest': REST_PASSWORD };
const PAIR = Buffer.from(`tidegate:${REST_PASSWORD}`).toString('base64');
const SECRETS = [PASSWORD, REST_PASSWORD];

/** One region: a node of Patroni with its Postgres. */
export interface FakeSite extends AsyncDisposable {
  patroni: FakePatroni;
  front: Front;
  postgres: FakePostgres;
  rest: { kind: 'patroni'; urls: readonly string[]; user: string; passwordFile: string };
  sql: { kind: 'postgres'; addresses: readonly string[]; user: string; passwordFile: string; database: string };
  meets(fault: Fault | null): void;
  asked(): Promise<void>;
  /** Postgres becomes what Patroni is configured to be. */
  settle(): void;
}

export const startSite = async (state: Partial<FakePostgresState> = {}, given: Partial<FakePatroni> = {}): Promise<FakeSite> => {
  const patroni = fakePatroni(`Basic ${PAIR}`, given);
  const front = await startFront((asked) => patroni.answer(patroni.nodes[0]!.name, asked));
  const postgres = await startFakePostgres(PASSWORD, state);
  patroni.nodes[0]!.inRecovery = postgres.state.inRecovery;
  return {
    patroni,
    front,
    postgres,
    rest: { kind: 'patroni', urls: [front.url], user: 'tidegate', passwordFile: '/secrets/rest' },
    sql: { kind: 'postgres', addresses: [postgres.address], user: 'tidegate', passwordFile: '/secrets/pg', database: 'postgres' },
    meets(fault) {
      front.meets(fault);
      postgres.meets(fault);
    },
    asked: () => Promise.race([front.asked(), postgres.asked()]),
    settle() {
      const { state: is } = postgres;
      const end = is.currentLsn ?? is.replayedLsn;
      const follows = patroni.config.standby_cluster != null;
      Object.assign(is, follows ? { inRecovery: true, currentLsn: null, replayedLsn: end } : { inRecovery: false, currentLsn: end });
      for (const node of patroni.nodes) node.inRecovery = follows || node.name !== patroni.leader;
    },
    async [Symbol.asyncDispose]() {
      await front[Symbol.asyncDispose]();
      await postgres[Symbol.asyncDispose]();
    },
  };
};

const FOLLOW = { host: 'db.eu-west.example', port: 5432, slot: 'us_east' };
export const STANDBY: Partial<FakePostgresState> = { inRecovery: true, currentLsn: null, replayedLsn: 900, receivedLsn: 900 };
export const following = (): Partial<FakePatroni> => ({
  config: { ttl: 30, standby_cluster: { host: 'db.us-east.example', port: 5432, primary_slot_name: 'eu_west' } },
});

const common = ({ meets, asked }: FakeSite) => ({ files: FILES, secrets: SECRETS, meets, asked });

export const startDemoteWorld = async (): Promise<StepWorld<'pg.demote'> & { site: FakeSite }> => {
  const site = await startSite();
  return {
    site,
    spec: { system: 'patroni-us', sql: 'pg-us', follow: FOLLOW },
    systems: { 'patroni-us': site.rest, 'pg-us': site.sql },
    ...common(site),
    settle: () => site.settle(),
    effects: () => site.patroni.changes.length,
    [Symbol.asyncDispose]: () => site[Symbol.asyncDispose](),
  };
};

export const startCaughtUpWorld = async (): Promise<StepWorld<'pg.caughtup'> & { wanted: FakeSite }> => {
  const old = await startSite(
    { ...STANDBY, replayedLsn: 1000, receivedLsn: null },
    { config: { ttl: 30, standby_cluster: { ...FOLLOW } } },
  );
  const wanted = await startSite(STANDBY, following());
  return {
    spec: { from: 'pg-us', fromSystem: 'patroni-us', to: 'pg-eu' },
    systems: { 'patroni-us': old.rest, 'pg-us': old.sql, 'patroni-eu': wanted.rest, 'pg-eu': wanted.sql },
    wanted,
    ...common(old),
    settle: () => {
      wanted.postgres.state.replayedLsn = 1000;
    },
    effects: () => 0,
    async [Symbol.asyncDispose]() {
      await old[Symbol.asyncDispose]();
      await wanted[Symbol.asyncDispose]();
    },
  };
};

export interface PromoteWorld extends StepWorld<'pg.promote'> {
  site: FakeSite;
  old: FakeSite;
  tier: TierState;
}

export const startPromoteWorld = async (): Promise<PromoteWorld> => {
  const site = await startSite(STANDBY, following());
  const old = await startSite({ ...STANDBY, replayedLsn: 900 });
  const tier: TierState = { writer: 'us-east', provedAtMs: 1, because: 'a row was written' };
  return {
    site,
    old,
    tier,
    spec: { database: 'orders', region: 'eu-west', system: 'patroni-eu', sql: 'pg-eu', from: { region: 'us-east', sql: 'pg-us' } },
    systems: { 'patroni-eu': site.rest, 'pg-eu': site.sql, 'pg-us': old.sql },
    ...common(site),
    tiers: tiersOf({ state: async () => tier }),
    settle: () => site.settle(),
    effects: () => site.patroni.changes.length,
    async [Symbol.asyncDispose]() {
      await site[Symbol.asyncDispose]();
      await old[Symbol.asyncDispose]();
    },
  };
};

export interface CanaryWorld extends StepWorld<'pg.canary'> {
  site: FakeSite;
  tier: TierState;
}

export const startCanaryWorld = async (): Promise<CanaryWorld> => {
  const site = await startSite();
  const tier: TierState = { writer: 'us-east', provedAtMs: 1, because: 'a row was written' };
  return {
    site,
    tier,
    spec: { database: 'orders', region: 'eu-west', sql: 'pg-eu' },
    systems: { 'pg-eu': site.sql },
    files: FILES,
    secrets: [PASSWORD],
    tiers: tiersOf({
      state: async () => ({ ...tier }),
      proved: async (_platform, _database, region, _because, seen) => {
        if (seen?.provedAtMs !== tier.provedAtMs) throw new Conflict('ERR_CONFLICT', 'it was proved elsewhere meanwhile');
        tier.writer = region;
      },
    }),
    settle: () => undefined,
    effects: () => site.postgres.rows.size,
    meets: site.postgres.meets,
    asked: site.postgres.asked,
    [Symbol.asyncDispose]: () => site[Symbol.asyncDispose](),
  };
};

export const startSwitchoverWorld = async (): Promise<StepWorld<'pg.switchover'> & { site: FakeSite }> => {
  const site = await startSite();
  site.patroni.nodes.push({ name: 'pg-2', inRecovery: true, state: 'running', lsn: 1000, timeline: 1 });
  return {
    site,
    spec: { system: 'patroni-us', candidate: null },
    systems: { 'patroni-us': site.rest },
    files: FILES,
    secrets: [REST_PASSWORD],
    settle: () => undefined,
    effects: () => site.patroni.switchovers.length,
    meets: site.front.meets,
    asked: site.front.asked,
    [Symbol.asyncDispose]: () => site[Symbol.asyncDispose](),
  };
};

export interface FenceWorld extends StepWorld<'fence.patroni'> {
  site: FakeSite;
  witness: { sinceMs: number | null; because: string };
}

export const startFenceWorld = async (): Promise<FenceWorld> => {
  const site = await startSite();
  const witness: FenceWorld['witness'] = { sinceMs: null, because: 'no quorum holds it down' };
  return {
    site,
    witness,
    spec: {
      database: 'orders',
      region: 'us-east',
      system: 'patroni-us',
      sql: 'pg-us',
      follow: FOLLOW,
      stonith: null,
      rung: 'acknowledged',
      graceMs: 60_000,
    },
    systems: { 'patroni-us': site.rest, 'pg-us': site.sql },
    ...common(site),
    tiers: tiersOf({ witness: async () => witness }),
    settle: () => site.settle(),
    effects: () => site.patroni.changes.length,
    [Symbol.asyncDispose]: () => site[Symbol.asyncDispose](),
  };
};

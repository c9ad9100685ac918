// Is anything wrong? Read off one status document, worst first, each in a sentence. Pure.
// `bad`: users suffer, or nothing could be decided if they did. `warn`: it works, with less to spare. `note`: worth knowing by day. An order of somebody's is
// none of them, unless it holds automation back or is not obeyed.
import type { StatusDocument } from '../../client/types.ts';
import { HEARD_MS, speakersIn, voiceIn } from '../../client/voice.ts';
import { list, plural } from '../../config/words.ts';
import { isInForce } from '../../decide/override.ts';
import { versionText } from '../../health/fleet.ts';
import { span } from './text.ts';

export interface Finding {
  level: 'bad' | 'warn' | 'note';
  text: string;
}

type Service = StatusDocument['services'][number];

const NAMED_MAX = 4;

const ofDeciding = (status: StatusDocument): readonly Finding[] => {
  const { self, coordinator, decision, votes } = status;
  const findings: Finding[] = [];
  if (!self.canDecide) findings.push({ level: 'bad', text: `nothing can be decided: ${self.because}` });
  else if (!self.canVote) findings.push({ level: 'warn', text: `${self.region}/${self.replica} cannot vote: ${self.because}` });
  if (coordinator === null) findings.push({ level: 'bad', text: 'nobody coordinates' });
  else if (coordinator.released)
    findings.push({ level: 'warn', text: `${coordinator.region} has laid down its office, nobody has taken it yet` });
  if (decision === null) findings.push({ level: 'warn', text: 'nothing has been decided yet' });
  const speaking = speakersIn(votes);
  const mute = votes.vantages.filter(({ region }) => !speaking.has(region));
  for (const vantage of mute.slice(0, 3)) {
    const { state, because } = voiceIn(vantage);
    const how = state === 'silent' ? 'is silent' : 'abstains';
    findings.push({ level: 'warn', text: `vantage ${vantage.region} ${how}: ${because === '' ? 'no reason given' : because}` });
  }
  const heard = new Set(votes.vantages.map(({ region }) => region));
  const silent = [...voters(status)].filter((region) => !heard.has(region));
  if (silent.length > 0) findings.push({ level: 'warn', text: `no vote from ${list(silent, NAMED_MAX)}` });
  if (votes.refused.length > 0)
    findings.push({
      level: 'bad',
      text: `${plural(votes.refused.length, 'record')} refused: ${votes.refused[0]?.key}: ${votes.refused[0]?.because}`,
    });
  return findings;
};

/** Programs and configurations that differ between replicas that are heard. */
const ofVersions = ({ cluster, votes }: StatusDocument): readonly Finding[] => {
  const heard = votes.vantages.filter(({ ageMs }) => ageMs !== null && ageMs <= HEARD_MS);
  const nameOf = ({ region, replica }: (typeof heard)[number]): string => `${region}/${replica}`;
  const running = [...Map.groupBy(heard, ({ version }) => version)].map(([version, those]) => ({ version, replicas: those.map(nameOf) }));
  const behind = heard.filter(({ configVersion }) => configVersion !== cluster.version);
  return [
    ...(running.length > 1 ? [{ level: 'warn' as const, text: `versions differ: ${running.map(versionText).join('; ')}` }] : []),
    ...(behind.length === 0
      ? []
      : [
          {
            level: 'warn' as const,
            text: `${list(
              behind.map((each) => `${nameOf(each)} votes on configuration ${each.configVersion}`),
              NAMED_MAX,
            )}, the cluster is at ${cluster.version}`,
          },
        ]),
  ];
};

const ofReminders = ({ reminders = [] }: Partial<StatusDocument>): readonly Finding[] =>
  [...Map.groupBy(reminders, ({ rule, stage }) => `${rule} ${stage}`).values()].map((those) => {
    const [first] = those;
    const others = those.length > 1 ? ` (and ${plural(those.length - 1, 'service')} more)` : '';
    return { level: first?.stage === 'soon' ? 'note' : 'warn', text: `${first?.rule}: ${first?.because}${others}` };
  });

/** Regions that look at something: columns of the matrix. */
export const voters = ({ votes }: StatusDocument): ReadonlySet<string> =>
  new Set(Object.values(votes.matrix).flatMap((cells) => Object.keys(cells)));

const ofPools = ({ services }: StatusDocument): readonly Finding[] => {
  const out = services.flatMap((service) => service.pools.filter(({ verdict }) => verdict === 'out').map((pool) => ({ service, pool })));
  return [...Map.groupBy(out, ({ pool }) => pool.region)].map(([region, pools]) => {
    const [one] = pools;
    const serves = pools.some(({ pool }) => (pool.share ?? 0) > 0);
    const where = pools.length === 1 ? `${one?.service.name}/${one?.pool.name}` : `${plural(pools.length, 'pool')} of ${region}`;
    return {
      level: 'bad' as const,
      text: `${where} out, ${serves ? 'and still given traffic' : 'traffic has left'}: ${one?.pool.because}`,
    };
  });
};

const ofHolds = ({ holds }: StatusDocument): readonly Finding[] =>
  [...Map.groupBy(holds, ({ hold }) => hold)].map(([hold, held]) => ({
    level: hold === 'freeze' ? 'warn' : 'bad',
    text: `held (${hold}): ${list(
      held.map(({ service, pool }) => `${service}/${pool}`),
      2,
    )}: ${held[0]?.because}`,
  }));

/** What the provider has acknowledged of a service whose route is written. */
export const servedState = ({
  mode,
  fence,
  applied,
}: Service): { state: 'unwritten' | 'behind' | 'applied' | 'wrong'; because: string } => {
  if (mode !== 'auto') return { state: 'unwritten', because: mode };
  if (applied === null) return { state: 'behind', because: 'not yet' };
  if (applied.outcome !== 'applied') return { state: 'wrong', because: `${applied.outcome}: ${applied.because}` };
  return applied.fence >= (fence ?? 0) ? { state: 'applied', because: '' } : { state: 'behind', because: `v${applied.fence} of v${fence}` };
};

const ofProviders = ({ services, providers = [], microDrills = [] }: StatusDocument): readonly Finding[] => {
  const wrong = services.filter((service) => servedState(service).state === 'wrong');
  const behind = services.filter((service) => servedState(service).state === 'behind');
  return [
    ...wrong
      .slice(0, 3)
      .map((service) => ({ level: 'bad' as const, text: `${service.name}: ${service.provider} ${servedState(service).because}` })),
    ...(behind.length === 0
      ? []
      : [
          {
            level: 'warn' as const,
            text: `on its way to the provider: ${list(
              behind.map(({ name }) => name),
              NAMED_MAX,
            )}`,
          },
        ]),
    ...providers.filter(({ failing }) => failing).map(({ name }) => ({ level: 'bad' as const, text: `provider ${name} takes no writes` })),
    ...providers
      .filter(({ canary }) => canary?.ok === false)
      .map(({ name, canary }) => ({ level: 'warn' as const, text: `canary of ${name} failed: ${canary?.because}` })),
    ...microDrills
      .filter(
        ({ provider, last, stale }) =>
          (last.ok === false || stale) && !providers.some((p) => p.name === provider && p.canary?.ok === false),
      )
      .map(({ provider, last }) => ({
        level: 'warn' as const,
        text: last.ok === false ? `micro-drill of ${provider} failed: ${last.because}` : `a failover by ${provider} was not proven lately`,
      })),
  ];
};

export const scopeText = (scope: StatusDocument['overrides']['items'][number]['scope']): string =>
  scope.service !== undefined
    ? [scope.service, scope.pool ?? scope.region].filter((part) => part !== undefined).join('/')
    : (scope.region ?? 'everything');

/** Those that hold automation back, and those that are not obeyed; the others are somebody's wish and no fault. */
const ofOrders = ({ overrides, clusterTimeMs }: StatusDocument): readonly Finding[] =>
  overrides.items
    .filter((o) => isInForce(o, clusterTimeMs))
    .flatMap((o) => [
      ...(o.kind === 'stop' || o.kind === 'freeze'
        ? [
            {
              level: 'warn' as const,
              text: `${o.kind} ${scopeText(o.scope)} for ${span(o.leftMs)} more, by ${o.by ?? o.owner}: ${o.reason}`,
            },
          ]
        : []),
      ...(o.obeyed ? [] : [{ level: 'warn' as const, text: `${o.kind} ${scopeText(o.scope)} is not obeyed: ${o.because}` }]),
    ]);

const ofConvergence = ({ incidents }: StatusDocument): readonly Finding[] =>
  incidents
    .filter(({ closedAtMs, convergence }) => closedAtMs === null && convergence.judgement === 'missed')
    .map(({ id, convergence }) => ({
      level: 'bad' as const,
      text: `${id} missed its goal of convergence${convergence.waitingFor.length > 0 ? `; waiting for ${list(convergence.waitingFor, NAMED_MAX)}` : ''}`,
    }));

const LEVELS = ['bad', 'warn', 'note'] as const;

type PlatformStatus = NonNullable<StatusDocument['platforms']>[number];
type Database = PlatformStatus['databases'][number];

/** A lag is measured every five seconds: one that is older is of a time before something went wrong. */
export const LAG_OLD_MS = 60_000;

/** What a move to such regions would lose, as far as it is known. */
const lossesOf = ({ standbys }: Database, wanted: (region: string) => boolean): string =>
  standbys
    .filter(({ region }) => wanted(region))
    .map(({ region, because }) => `${region}: ${because}`)
    .join('; ');

const joined = (...parts: readonly string[]): string => parts.filter((part) => part !== '').join('; ');

/** What of a database needs the eye: in a word, and with its numbers. null: nothing. */
export const databaseFinding = (database: Database, nowMs: number): (Finding & { word: string }) | null => {
  const { writer, provedAtMs, because, split, settled, unproved, standbys, behind, unmeasured } = database;
  if (split !== null)
    return { level: 'bad', word: 'split', text: `${split.join(' and ')} both take writes, and no route of its services moves` };
  const losses = lossesOf(database, () => true);
  if (writer === null)
    return {
      level: provedAtMs === null ? 'warn' : 'bad',
      word: 'unproved',
      text: joined(`proved writable nowhere (${unproved?.because ?? because})`, losses),
    };
  if (settled !== null)
    return {
      level: 'warn',
      word: 'settled',
      text: joined(`held for written in ${writer} by the word of ${settled.by} (${settled.reason})`, losses),
    };
  const written = `written in ${writer}`;
  const far = lossesOf(database, (region) => behind.includes(region));
  if (far !== '') return { level: 'warn', word: 'too far behind', text: `${written}; too far behind: ${far}` };
  const old = standbys.filter(({ measuredAtMs }) => nowMs - measuredAtMs > LAG_OLD_MS).map(({ region }) => region);
  if (old.length + unmeasured.length === 0) return null;
  const never = unmeasured.length === 0 ? '' : `${list(unmeasured)}: never measured`;
  const unsure = joined(
    lossesOf(database, (region) => old.includes(region)),
    never,
  );
  return { level: 'warn', word: 'lag not known', text: `${written}; how far others are behind is not known now: ${unsure}` };
};

/** One line of a platform: the database that needs the eye most, and the others in a word. */
const ofData = ({ platforms = [], clusterTimeMs }: StatusDocument): readonly Finding[] =>
  platforms.flatMap(({ name, databases }) => {
    const [worst, ...others] = databases
      .flatMap((database) => {
        const finding = databaseFinding(database, clusterTimeMs);
        return finding === null ? [] : [{ database: database.database, ...finding }];
      })
      .toSorted((a, b) => LEVELS.indexOf(a.level) - LEVELS.indexOf(b.level));
    if (worst === undefined) return [];
    const also = others.map(({ database, word }) => `${database}: ${word}`);
    const beside = also.length === 0 ? '' : ` (also ${list(also, NAMED_MAX)})`;
    return [{ level: worst.level, text: `data of ${name}${beside}: ${worst.database}: ${worst.text}` }];
  });

type Models = NonNullable<PlatformStatus['llm']>;

const regionsWith = ({ alarms }: Models, kind: Models['alarms'][number]['is']): readonly string[] =>
  alarms.flatMap(({ is, region }) => (is === kind && region !== null ? [region] : []));

const modelsFinding = (llm: Models): Finding | null => {
  const { chain, churn, regions, alarms } = llm;
  const churns = regionsWith(llm, 'churn').map(
    (region) => `${region} has switched ${regions.find((each) => each.region === region)?.switches} times in ${span(churn.windowMs)}`,
  );
  if (alarms.some(({ is }) => is === 'last'))
    return { level: 'warn', text: [`every region is on ${chain.at(-1)}, the last of ${chain.join(', ')}`, ...churns].join('; ') };
  const degraded = regionsWith(llm, 'degraded').map(
    (region) => `${region} ${regions.find((each) => each.region === region)?.because}, not on ${chain[0]}`,
  );
  if (degraded.length + churns.length > 0) return { level: 'warn', text: [...degraded, ...churns].join('; ') };
  const unknown = regions.filter(({ known }) => !known).map(({ region, because }) => `${region} ${because}`);
  return unknown.length === 0 ? null : { level: 'note', text: unknown.join('; ') };
};

/** Advice: no route, vote or run rests on it. */
const ofModels = ({ platforms = [] }: StatusDocument): readonly Finding[] =>
  platforms.flatMap(({ name, llm }) => {
    const finding = llm === null ? null : modelsFinding(llm);
    return finding === null ? [] : [{ ...finding, text: `language models of ${name}: ${finding.text}` }];
  });

const ofBudgets = ({ platforms = [] }: StatusDocument): readonly Finding[] =>
  platforms.flatMap(({ name, over }): readonly Finding[] => {
    if (over.length === 0) return [];
    const isAdvice = over.every(({ advice }) => advice);
    const graveFirst = over.toSorted((a, b) => Number(a.advice) - Number(b.advice)).map((each) => each.name);
    return [
      { level: isAdvice ? 'note' : 'warn', text: `over budget in ${name}: ${list(graveFirst, NAMED_MAX)} (tidegate objectives ${name})` },
    ];
  });

/** Everything that a human should know, worst first. */
export const findingsOf = (status: StatusDocument): readonly Finding[] =>
  [ofDeciding, ofPools, ofHolds, ofData, ofProviders, ofConvergence, ofOrders, ofModels, ofBudgets, ofVersions, ofReminders]
    .flatMap((each) => each(status))
    .sort((a, b) => LEVELS.indexOf(a.level) - LEVELS.indexOf(b.level));

// The store: whether it answers, how soon, whether this identity may write what it must, and how its members are. Pure.
import { list, plural, say } from '../../config/words.ts';
import type { EtcdMember } from '../../store/etcd/inspect.ts';
import { type Finding, fail, type Row, row, warn } from '../check.ts';

const SLOW_MS = 300;
/** Half of the pace at which a coordinator looks, three times over. */
const TOO_SLOW_MS = 1500;
const FULL = 0.8;
/** What etcd has when nobody says another. */
const QUOTA_BYTES = 2 * 1024 ** 3;
const MIB = 1024 ** 2;

const middle = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;

const spoken = (members: readonly EtcdMember[]): readonly EtcdMember[] => members.filter(({ because }) => because === null);

const spaceOf = ({ endpoint, dbBytes, quotaBytes }: EtcdMember): Finding[] => {
  const quota = quotaBytes ?? QUOTA_BYTES;
  const says = `${endpoint}: ${Math.round(dbBytes / MIB)} MiB of ${Math.round(quota / MIB)} MiB${quotaBytes === null ? ' (the default; it does not say)' : ''}`;
  const todo = 'turn on auto-compaction, defragment the members one by one, and look which keys grow; a full store takes no decision';
  return dbBytes < FULL * quota ? [] : [dbBytes < 0.95 * quota ? warn(says, todo) : fail(says, todo)];
};

export const storeChecks: readonly Row[] = [
  row({
    id: 'store',
    question: 'Does the store answer, and soon enough?',
    todo: 'while it does not, routes stay as they are: look at its members, the network to them and the certificates',
    look: (tools) => tools.store(),
    judge({ tookMs }) {
      const p50 = middle(tookMs);
      const todo = 'a decision takes several round trips: look at the disks of its members, and at the distance between them';
      if (p50 > TOO_SLOW_MS) return [fail(`a read takes ${say(p50)} at the median`, todo)];
      return p50 > SLOW_MS ? [warn(`a read takes ${say(p50)} at the median`, todo)] : [];
    },
    ok: ({ tookMs }) => `a read takes ${say(middle(tookMs))} at the median, ${say(Math.max(...tookMs))} at most, of ${tookMs.length}`,
  }),
  row({
    id: 'grants',
    question: 'May this identity write what it must?',
    todo: 'deploy/etcd/grants.sh prints what each role needs',
    look: (tools) => tools.grants(),
    judge: (grants) =>
      grants.flatMap(({ key, because }) =>
        because === null
          ? []
          : [fail(`it may not write ${key}: ${because}`, 'run deploy/etcd/grants.sh for the role of this replica and compare')],
      ),
    ok: (grants) => `it may write all of ${plural(grants.length, 'kind')} of records; tried with transactions that change nothing`,
  }),
  row({
    id: 'etcd-members',
    question: 'Do the members of etcd answer, under one leader?',
    todo: 'look at the members themselves: etcdctl endpoint status --cluster',
    look: (tools) => tools.etcd(),
    judge({ members, roster }) {
      const there = spoken(members);
      const leaders = new Set(there.map(({ leader }) => leader));
      const count = roster?.length ?? members.length;
      return [
        ...members.flatMap(({ endpoint, because }) =>
          because === null ? [] : [fail(`${endpoint}: ${because}`, 'start that member again, or take it out of store.endpoints')],
        ),
        ...(leaders.has('')
          ? [fail('a member knows no leader', 'more than half of the members must see each other: look at the network between them')]
          : []),
        ...(leaders.size > 1 && !leaders.has('')
          ? [warn('members name different leaders', 'an election is under way, or one is cut off: ask again in a minute')]
          : []),
        ...[
          ...there.filter((m) => m.isLearner).map((m) => m.endpoint),
          ...(roster ?? []).filter((m) => m.isLearner).map((m) => m.name),
        ].map((name) => warn(`${name} is a learner and has no vote`, 'promote it: etcdctl member promote')),
        ...(count < 3 || count % 2 === 0
          ? [
              warn(
                `the store has ${plural(count, 'member')}`,
                'use three or five, in different regions: an even number bears no more losses than one less',
              ),
            ]
          : []),
        ...(roster !== null && roster.length > members.length
          ? [warn(`this file names ${members.length} of ${roster.length} members`, 'name them all in store.endpoints, the nearest first')]
          : []),
      ];
    },
    ok: ({ members }) =>
      `${plural(members.length, 'member')}, one leader, the slowest answers within ${say(Math.max(...members.map((m) => m.tookMs)))}`,
  }),
  row({
    id: 'etcd-alarms',
    question: 'Has etcd raised an alarm (no space, a corrupt member)?',
    todo: 'etcdctl alarm list',
    look: (tools) => tools.etcd(),
    judge: ({ members }) =>
      members.flatMap(({ endpoint, errors }) =>
        errors.map((text) =>
          fail(
            `${endpoint}: ${text}`,
            /NOSPACE/i.test(text)
              ? 'it takes no writes: compact, defragment each member, then etcdctl alarm disarm; raise --quota-backend-bytes if the keys need it'
              : 'see etcdctl alarm list; replace a member that is corrupt before anything else',
          ),
        ),
      ),
    ok: ({ members }) => `no alarm at ${plural(spoken(members).length, 'member')}`,
  }),
  row({
    id: 'etcd-space',
    question: 'Is there room left in etcd?',
    todo: 'etcdctl endpoint status --cluster -w table',
    look: (tools) => tools.etcd(),
    judge: ({ members }) => spoken(members).flatMap(spaceOf),
    ok({ members }) {
      const largest = Math.round(Math.max(0, ...spoken(members).map((m) => m.dbBytes)) / MIB);
      const isTold = spoken(members).every(({ quotaBytes }) => quotaBytes !== null);
      return `at most ${largest} MiB at a member${isTold ? '' : '; etcd before 3.6 does not tell its quota, 2048 MiB were assumed'}`;
    },
  }),
  row({
    id: 'etcd-versions',
    question: 'Do the members run one version of etcd?',
    todo: 'etcdctl endpoint status --cluster',
    look: (tools) => tools.etcd(),
    judge({ members }) {
      const versions = Map.groupBy(spoken(members), ({ version }) => version);
      return versions.size <= 1
        ? []
        : [
            warn(
              [...versions].map(([version, those]) => `${version} at ${list(those.map((m) => m.endpoint))}`).join('; '),
              'finish the upgrade of etcd',
            ),
          ];
    },
    ok: ({ members }) => `all of them run ${spoken(members)[0]?.version ?? 'nothing'}`,
  }),
];

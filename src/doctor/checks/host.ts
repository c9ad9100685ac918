// The machine that a replica runs on: its files and folders, the process itself, the versions and packages it is made of. Pure.
import { list, plural } from '../../config/words.ts';
import { type Finding, fail, NotLooked, type Row, row, unknown, warn } from '../check.ts';
import type { ServingProcess } from '../tools.ts';

const octal = (mode: number): string => (mode & 0o777).toString(8);
/** Of a list of packages the first few. */
const SHOWN_MAX = 5;

/** Release lines of node by major version and when their support ends (nodejs.org/en/about/previous-releases, 2026-11-27). */
const NODE_ENDS: Readonly<Record<number, number>> = { 26: Date.UTC(2029, 3, 30) };

const nodeFindings = (version: string, nowMs: number): Finding[] => {
  const major = Number(/^\d+/.exec(version)?.[0]);
  if (major < 26) return [fail(`node ${version}, at least 26 is needed`, 'install node 26')];
  const endsAtMs = NODE_ENDS[major];
  if (endsAtMs === undefined)
    return [unknown(`node ${version}: how long it is supported is not known here`, 'look at the release schedule of node')];
  return nowMs < endsAtMs
    ? []
    : [
        fail(
          `node ${version} has had no security fixes since ${new Date(endsAtMs).toISOString().slice(0, 10)}`,
          'install the present line',
        ),
      ];
};

const etcdFinding = (endpoint: string, version: string): Finding[] => {
  const [major = 0, minor = 0, patch = 0] = version.split('.').map(Number);
  if (major !== 3 || minor < 4)
    return [fail(`${endpoint} runs etcd ${version}, which was never tried`, 'run the latest patch of 3.5 or later')];
  if (minor === 5 && patch < 3)
    return [fail(`${endpoint} runs etcd ${version}, which can lose data when it crashes`, 'go to the latest 3.5 now')];
  return minor === 4
    ? [warn(`${endpoint} runs etcd ${version}, a line without security fixes`, 'go to the latest patch of 3.5 or later')]
    : [];
};

/** What somebody could set to look into the process or to weaken its TLS. */
const DANGEROUS: readonly { pattern: RegExp; what: string }[] = [
  { pattern: /--inspect(-brk|-wait|-port)?\b/, what: 'an inspector: whoever reaches it runs what they like in this process' },
  { pattern: /--tls-keylog\b/, what: 'it writes the keys of TLS connections to a file' },
  { pattern: /--tls-min-v1\.[01]\b/, what: 'TLS older than 1.2' },
  {
    pattern:
      /--(heapsnapshot-signal|heapsnapshot-near-heap-limit|report-on-fatalerror|report-uncaught-exception|report-on-signal|abort-on-uncaught-exception)\b/,
    what: 'its memory or its environment goes into a file',
  },
];
const LOADS = /(^|\s)(-r|--require|--import|--loader|--experimental-loader|--env-file(-if-exists)?)\b/;

const openings = ({ command, environment }: ServingProcess): Finding[] => {
  // What follows the script is ours, not node's.
  const script = command.findIndex((word) => /main\.[jt]s$/.test(word));
  const options = [...command.slice(0, script < 0 ? undefined : script), environment?.NODE_OPTIONS ?? ''].join(' ');
  const todo = 'start it without';
  return [
    ...DANGEROUS.filter(({ pattern }) => pattern.test(options)).map(({ pattern, what }) =>
      fail(`${pattern.exec(options)?.[0]}: ${what}`, todo),
    ),
    ...(LOADS.test(environment?.NODE_OPTIONS ?? '')
      ? [warn('NODE_OPTIONS loads something else into it', 'start it without, or know what that is')]
      : []),
    ...(environment?.NODE_TLS_REJECT_UNAUTHORIZED === '0'
      ? [fail('NODE_TLS_REJECT_UNAUTHORIZED=0: libraries that leave it to node verify nothing', todo)]
      : []),
    ...(environment?.SSLKEYLOGFILE === undefined ? [] : [fail('SSLKEYLOGFILE: keys of TLS connections may go to a file', todo)]),
    ...(environment === null ? [unknown('its environment cannot be read', 'run this as the user that serves')] : []),
  ];
};

const dumps = ({ coreBytesMax }: ServingProcess): Finding[] => {
  if (coreBytesMax === null) return [unknown('whether a crash writes its memory to disk cannot be told', 'ulimit -c 0 where it starts')];
  return coreBytesMax === 0
    ? []
    : [
        warn(
          'a crash writes its memory to disk, and with it every secret',
          'LimitCORE=0 in the unit, ulimit -c 0, or the same of your containers',
        ),
      ];
};

const ofEach = (processes: readonly ServingProcess[], judge: (one: ServingProcess) => readonly Finding[]): readonly Finding[] =>
  processes.flatMap((one) => judge(one).map((finding) => ({ ...finding, says: `process ${one.pid}: ${finding.says}` })));

export const hostChecks: readonly Row[] = [
  row({
    id: 'sec-files',
    question: 'Can others read the secret files, or replace them?',
    security: true,
    todo: 'chmod 600 FILE',
    look: (tools) => tools.secretFiles(),
    judge: (files) =>
      files.flatMap(({ key, path, mode, folderMode, exposed = (mode ?? 0) & 0o077, readBy, isForeign = false, because }): Finding[] => {
        if (mode === null)
          return [unknown(`${key} (${path}): ${because ?? 'it is not there'}`, 'run this as the user that serves, where it serves')];
        return [
          ...(exposed === 0
            ? []
            : [fail(`${key} (${path}) has mode ${octal(mode)}`, `chmod 600 ${path}, or 440 where root gives it to a group of who serves`)]),
          ...(readBy === undefined || readBy.isSure || exposed !== 0
            ? []
            : [
                unknown(
                  `${key} (${path}) is root's, for group ${readBy.gid} to read (mode ${octal(mode)}): right if who serves is in that group, and nobody else`,
                  `getent group ${readBy.gid}; run this while it serves`,
                ),
              ]),
          ...(isForeign ? [fail(`${key} (${path}) belongs to somebody else, who can change it`, `chown it to the user that serves`)] : []),
          // A sticky folder lets nobody replace what is another's.
          ...(folderMode === null || (folderMode & 0o022) === 0 || (folderMode & 0o1000) !== 0
            ? []
            : [fail(`the folder of ${key} (${path}) can be written by others: they could replace it`, `chmod go-w on that folder`)]),
        ];
      }),
    ok(files) {
      const groups = [...new Set(files.flatMap(({ readBy }) => (readBy === undefined ? [] : [String(readBy.gid)])))];
      const given = files.filter(({ readBy }) => readBy !== undefined).length;
      return `${plural(files.length, 'file')}, ${
        given === 0
          ? 'each for its owner alone'
          : `${given} of them root's, for who serves to read by an access list or with all of group ${list(groups)}; the others each for its owner alone`
      }`;
    },
  }),
  row({
    id: 'sec-state',
    question: 'Who else can read or change the configuration and what this replica keeps?',
    security: true,
    todo: 'chmod 700 FOLDER',
    look: (tools) => tools.places(),
    judge: (all) =>
      all.flatMap(({ what, path, mode, isForeign }): Finding[] => {
        if (mode === null) return [unknown(`${what} (${path}) is not there yet, or cannot be looked at`, 'run this where it serves')];
        const todo = `chmod go-rwx ${path}`;
        return [
          ...(isForeign
            ? [fail(`${what} (${path}) belongs to somebody else, who can change it`, 'chown it to the user that serves, or to root')]
            : []),
          ...((mode & 0o022) === 0 || (mode & 0o1000) !== 0
            ? []
            : [fail(`${what} (${path}) can be changed by others: mode ${octal(mode)}`, todo)]),
          ...((mode & 0o004) === 0 ? [] : [warn(`${what} (${path}) can be read by everybody on the machine: mode ${octal(mode)}`, todo)]),
        ];
      }),
    ok: (all) => `${plural(all.length, 'place')}, none of them open to everybody`,
  }),
  row({
    id: 'sec-user',
    question: 'Does it run as root, or with rights of root?',
    security: true,
    todo: 'run it as a user of its own',
    look: (tools) => tools.processes(),
    judge: (processes) =>
      ofEach(processes, ({ uid, hasCapabilities }) => [
        ...(uid === 0 ? [fail('it runs as root and needs nothing of it', 'run it as a user of its own')] : []),
        ...(uid !== 0 && hasCapabilities ? [warn('it has capabilities and needs none', 'drop all of them')] : []),
      ]),
    ok: (processes) => `uid ${list([...new Set(processes.map(({ uid }) => String(uid)))])}, without any capability`,
  }),
  row({
    id: 'sec-root',
    question: 'Can it change its own program?',
    security: true,
    todo: 'readOnlyRootFilesystem, or ProtectSystem=strict',
    look: (tools) => tools.processes(),
    judge: (processes) =>
      ofEach(processes, ({ isRootReadOnly }) => {
        const todo = 'readOnlyRootFilesystem: true in a container, ProtectSystem=strict in a unit, with one folder for its state';
        if (isRootReadOnly === null) return [unknown('whether its root is read-only cannot be told', todo)];
        return isRootReadOnly ? [] : [warn('its root file system is mounted for writing', todo)];
      }),
    ok: () => 'its root file system is read-only',
  }),
  row({
    id: 'sec-process',
    question: 'Can somebody look into the process, or weaken its TLS, from outside?',
    security: true,
    todo: 'start it without NODE_OPTIONS, --inspect and core dumps',
    look: (tools) => tools.processes(),
    judge: (processes) => ofEach(processes, (one) => [...openings(one), ...dumps(one)]),
    ok: () => 'no inspector, no core dump, nothing in its environment that changes TLS',
  }),
  row({
    id: 'sec-versions',
    question: 'Are node and etcd of lines that still get fixes?',
    security: true,
    todo: 'install supported versions',
    async look(tools) {
      const etcd = await tools.etcd().then(
        ({ members }) => members,
        (error: unknown) => (error instanceof NotLooked ? null : (error as Error).message),
      );
      return { node: tools.nodeVersion, etcd };
    },
    judge: ({ node, etcd }, { config, nowMs }) => [
      ...nodeFindings(node, nowMs),
      ...(config.store.kind !== 'etcd'
        ? []
        : etcd === null || typeof etcd === 'string'
          ? [unknown(`the members of etcd were not asked: ${etcd ?? 'none are named'}`, 'run this where the members can be reached')]
          : etcd.flatMap(({ endpoint, version, because }) =>
              because === null ? etcdFinding(endpoint, version) : [unknown(`${endpoint}: ${because}`, 'see `etcd-members`')],
            )),
    ],
    ok: ({ node, etcd }) => `node ${node}${Array.isArray(etcd) ? `, etcd ${list([...new Set(etcd.map(({ version }) => version))])}` : ''}`,
  }),
  row({
    id: 'sec-packages',
    question: 'Is what is installed what the lockfile says?',
    security: true,
    todo: 'npm ci --ignore-scripts',
    look: (tools) => tools.packages(),
    judge: ({ strange }) =>
      strange.length === 0
        ? []
        : [
            fail(
              `${list(strange.slice(0, SHOWN_MAX))}${strange.length > SHOWN_MAX ? ` and ${strange.length - SHOWN_MAX} more` : ''} installed otherwise than package-lock.json says`,
              'npm ci --omit=dev --ignore-scripts, into an empty folder',
            ),
          ],
    ok: ({ installed }) =>
      `${plural(installed, 'package')}, each of the version and with the integrity of the lockfile, as npm noted it when it installed them`,
  }),
];

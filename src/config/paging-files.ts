// Whether the files of the section of paging hold what they should, as `check` looks at them: opens each channel as the replica will, which connects to
// nobody. What is missing is a warning of files.ts; what is there and cannot be used keeps a replica from starting, so it is a problem. No secret is repeated.
import { readFileSync } from 'node:fs';
import { errorText } from '../errors.ts';
import { createLog } from '../log.ts';
import type { ChannelContext } from '../paging/channel.ts';
import { openChannel } from '../paging/index.ts';
import { secretUrl } from '../paging/secret-url.ts';
import { signerOf } from '../paging/signer.ts';
import type { Ports } from '../ports.ts';
import { readSecret } from '../secrets.ts';
import type { Loaded } from './load.ts';
import { type Finding, finding, type Path, showPath, sorted } from './problem.ts';
import type { ReplicaConfig } from './schema.ts';

const contextOf = (ports: Ports): ChannelContext => ({
  ports,
  log: createLog({ level: 'error', clock: ports.clock }),
  secret: readSecret,
  text: (path) => readFileSync(path, 'utf8'),
  resolve: () => Promise.reject(new Error('nobody is looked up here')),
});

/** One thing to try, and where it stands in the file. */
interface Trial {
  path: Path;
  run: (context: ChannelContext) => unknown;
}

const trialsOf = ({ channels, heartbeat, callbacks }: ReplicaConfig['paging']): readonly Trial[] => [
  ...channels.map((channel, i): Trial => ({ path: ['paging', 'channels', i], run: (context) => openChannel(channel, context) })),
  ...(heartbeat === undefined
    ? []
    : [{ path: ['paging', 'heartbeat', 'urlFile'], run: (context: ChannelContext) => secretUrl('heartbeat', heartbeat.urlFile, context) }]),
  ...(callbacks?.secretFiles ?? []).map(
    (file, i): Trial => ({
      path: ['paging', 'callbacks', 'secretFiles', i],
      run: ({ secret }) => signerOf('callbacks', file, secret(file)),
    }),
  ),
];

const certificates = (
  { channels, redis }: ReplicaConfig['paging'],
  { text }: ChannelContext,
  isTold: (path: Path) => boolean,
): readonly Finding[] => {
  const named: readonly (readonly [Path, string | undefined])[] = [
    ...channels.map(({ caFile }, i) => [['paging', 'channels', i, 'caFile'], caFile] as const),
    [['paging', 'redis', 'caFile'], redis?.caFile],
  ];
  return named.flatMap(([path, file]) =>
    file === undefined || isTold(path) || text(file).includes('-----BEGIN CERTIFICATE-----')
      ? []
      : [finding(path, `found no certificate in ${file}, expected the PEM of authorities; without it every connection is refused`)],
  );
};

/** The configuration as it was judged, or what its files of paging have against it. Those that were told already are not opened. */
export const examinePaging = async (loaded: Loaded, ports: Ports): Promise<Loaded> => {
  if (!loaded.ok) return loaded;
  const isTold = (path: Path): boolean => loaded.warnings.some((warning) => warning.path.startsWith(showPath(path)));
  const { paging } = loaded.config;
  const context = contextOf(ports);
  const found: Finding[] = [];
  for (const { path, run } of trialsOf(paging)) {
    if (isTold(path)) continue;
    try {
      await run(context);
    } catch (error) {
      found.push(finding(path, `found what keeps a replica from starting (${errorText(error)}), expected files that can be used`));
    }
  }
  found.push(...certificates(paging, context, isTold));
  return found.length === 0 ? loaded : { ok: false, problems: sorted(found.map(loaded.placed)) };
};

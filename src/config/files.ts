// Whether the files that a configuration names are there and hold what they should, as `check` looks at them: what is missing may be made later, so it
// is a warning; a signing key of another region is a problem. Reads files; never repeats what is in them.
import { closeSync, openSync, statSync } from 'node:fs';
import { readCertificate } from '../auth/serving-certificate.ts';
import { readTokenFile } from '../auth/tokens.ts';
import { publicKeyOf } from '../coordinate/signing.ts';
import { errorText } from '../errors.ts';
import type { ClusterConfig, ProbeSpec } from '../model.ts';
import { exposureOf, exposureText, readSecret } from '../secrets.ts';
import { type Loaded, loadServed } from './load.ts';
import { filesNamed } from './named-files.ts';
import { type Finding, finding, type Path, sorted } from './problem.ts';
import type { ReplicaConfig } from './schema.ts';
import { keyFindings } from './trust.ts';

interface Named {
  path: Path;
  file: string;
  /** Others may read it. */
  open: boolean;
  /** Made at the first start when it is missing. */
  made: boolean;
  /** Read at its first use: a replica starts without it, and what needs it stands still. */
  late?: boolean;
}

const secret = (path: Path, file: string, made = false): Named => ({ path, file, open: false, made });
const readable = (path: Path, file: string): Named => ({ path, file, open: true, made: false });

const storeFiles = ({ store }: ReplicaConfig): Named[] => {
  const at = (...steps: string[]): Path => ['store', ...steps];
  if (store.kind === 'embedded') return store.serve === undefined ? [] : [secret(at('serve', 'tokenFile'), store.serve.tokenFile, true)];
  if (store.kind === 'remote') return [secret(at('tokenFile'), store.tokenFile)];
  const { tls, user } = store;
  return [
    ...(tls === undefined ? [] : [readable(at('tls', 'caFile'), tls.caFile)]),
    ...(tls?.certFile === undefined ? [] : [readable(at('tls', 'certFile'), tls.certFile)]),
    ...(tls?.keyFile === undefined ? [] : [secret(at('tls', 'keyFile'), tls.keyFile)]),
    ...(user === undefined ? [] : [secret(at('user', 'passwordFile'), user.passwordFile)]),
  ];
};

const probeFiles = ({ services }: ClusterConfig): Named[] => {
  const of = (path: Path, spec: ProbeSpec | undefined): Named[] =>
    spec !== undefined && 'caFile' in spec && spec.caFile !== undefined ? [readable([...path, 'caFile'], spec.caFile)] : [];
  return services.flatMap(({ pools }, s) =>
    pools.flatMap(({ targets }, p) =>
      targets.flatMap(({ healthz, readyz }, t) => {
        const path = ['cluster', 'services', s, 'pools', p, 'targets', t];
        return [...of([...path, 'healthz'], healthz), ...of([...path, 'readyz'], readyz)];
      }),
    ),
  );
};

/** Of an entry. Certificates of authorities are no secret, and what this replica keeps while the store is silent is made by it. `made`: what is missing is made. */
const filesIn = (value: unknown, at: Path, made: boolean): Named[] =>
  filesNamed(value, at)
    .filter(({ key }) => key !== 'spoolFile')
    .map(({ path, key, file }) => (key === 'caFile' ? readable(path, file) : secret(path, file, made)));

/** What systems refuse to read when others can: the rest is for whoever wrote it to guard. */
const SYSTEM_SECRETS: readonly string[] = ['secretFile', 'tokenFile', 'apiKeyFile'];
/** Of systems around: nothing but a run would miss them, at the worst hour. */
const systemFiles = ({ systems = {} }: ReplicaConfig): Named[] =>
  filesNamed(systems, ['systems']).map(({ path, key, file }) => ({
    ...(SYSTEM_SECRETS.includes(key) ? secret(path, file) : readable(path, file)),
    late: true,
  }));

const apiFiles = ({ api }: ReplicaConfig): Named[] => {
  const { tls, auth } = api;
  const at = (...steps: string[]): Path => ['api', ...steps];
  return [
    secret(at('tokenFile'), api.tokenFile, true),
    ...(tls === undefined ? [] : [readable(at('tls', 'certFile'), tls.certFile), secret(at('tls', 'keyFile'), tls.keyFile)]),
    ...(tls?.clientCaFile === undefined ? [] : [readable(at('tls', 'clientCaFile'), tls.clientCaFile)]),
    ...(auth?.tokensFile === undefined ? [] : [readable(at('auth', 'tokensFile'), auth.tokensFile)]),
    ...(auth?.oidc?.caFile === undefined ? [] : [readable(at('auth', 'oidc', 'caFile'), auth.oidc.caFile)]),
    ...(auth?.oidc?.signIn?.clientSecretFile === undefined
      ? []
      : [secret(at('auth', 'oidc', 'signIn', 'clientSecretFile'), auth.oidc.signIn.clientSecretFile)]),
  ];
};

/** What the files hold of those that let people in, when they are there. */
const apiFindings = ({ api }: ReplicaConfig, named: readonly Finding[]): Finding[] => {
  const told = (path: Path): boolean => named.some((each) => each.path.join('.').startsWith(path.join('.')));
  const findings: Finding[] = [];
  const tokens: Path = ['api', 'auth', 'tokensFile'];
  if (api.auth?.tokensFile !== undefined && !told(tokens)) {
    const read = readTokenFile(api.auth.tokensFile);
    if ('problems' in read) findings.push(...read.problems.map((problem) => finding(tokens, problem)));
  }
  const tls: Path = ['api', 'tls'];
  if (api.tls !== undefined && !told(tls)) {
    try {
      readCertificate(api.tls);
    } catch (error) {
      findings.push(finding(tls, `found files that cannot be used (${errorText(error)}), expected a certificate and its key`));
    }
  }
  return findings;
};

const filesOf = (config: ReplicaConfig): Named[] => [
  ...apiFiles(config),
  ...storeFiles(config),
  ...Object.entries(config.providers).flatMap(([name, entry]) =>
    filesIn(entry, ['providers', name], entry.kind === 'builtin' && entry.serve !== undefined),
  ),
  ...(config.signing === undefined ? [] : [secret(['signing', 'keyFile'], config.signing.keyFile)]),
  ...filesIn(config.paging, ['paging'], false),
  ...systemFiles(config),
  ...(config.cluster === null ? [] : probeFiles(config.cluster)),
];

const isMissing = (error: unknown): boolean => error instanceof Error && 'code' in error && error.code === 'ENOENT';

/** What stands against using this file when the replica starts, or null. */
const troubleOf = ({ file, open, made, late = false }: Named): string | null => {
  try {
    const stat = statSync(file);
    if (!stat.isFile()) return `found something that is no file at ${file}, expected a file; check the path`;
    closeSync(openSync(file, 'r'));
    if (open || exposureOf(stat) === 0) return null;
    const { found, expected } = exposureText(stat);
    return `found ${file} open: ${found}, expected ${expected}, or ${late ? 'every run that needs it stands still' : 'the replica does not start'}`;
  } catch (error) {
    if (!isMissing(error)) return `found no readable file (${errorText(error)}), expected one; check its owner and the folders above it`;
    if (made) return null;
    return `found no file ${file}, expected it before ${late ? 'a run needs it' : 'the replica starts'}; create it${open ? '' : ' with mode 600'}`;
  }
};

/** The public key of the signing key, or null when its file cannot be used yet, which troubleOf tells. */
const ownKey = ({ signing }: ReplicaConfig, named: readonly Finding[]): string | null | Finding => {
  if (signing === undefined || named.some(({ path }) => path[0] === 'signing')) return null;
  try {
    return publicKeyOf(readSecret(signing.keyFile), signing.keyFile);
  } catch (error) {
    const message = `found a file that cannot be used (${errorText(error)}), expected an Ed25519 private key; make one with tidegate keygen`;
    return finding(['signing', 'keyFile'], message);
  }
};

/** Secrets that are looked at again while the replica runs. */
const isReadAgain = ({ path }: Named): boolean => {
  const at = path.join('.');
  return at === 'signing.keyFile' || at === 'api.tls.keyFile' || at === 'store.tls.keyFile';
};

/**
 * What the secrets of a configuration that are read only once held when this was called. Out: the files that hold another text by the time of asking, which nobody
 * uses before a restart.
 */
export const rememberSecrets = (config: ReplicaConfig): (() => readonly string[]) => {
  const files = filesOf(config).filter((named) => !named.open && !isReadAgain(named));
  const texts = new Map(files.map(({ file }) => [file, textOf(file)]));
  return () => [...texts].filter(([file, text]) => text !== null && ![null, text].includes(textOf(file))).map(([file]) => file);
};

/** null: there is none that could be used; whoever needs it says so. */
const textOf = (file: string): string | null => {
  try {
    return readSecret(file);
  } catch {
    return null;
  }
};

/** Looks at every file that an accepted configuration names. */
export const fileFindings = (config: ReplicaConfig): { problems: readonly Finding[]; warnings: readonly Finding[] } => {
  const warnings = filesOf(config).flatMap((named) => {
    const trouble = troubleOf(named);
    return trouble === null ? [] : [finding(named.path, trouble)];
  });
  const api = apiFindings(config, warnings);
  const key = ownKey(config, warnings);
  if (key !== null && typeof key !== 'string') return { problems: [...api, key], warnings };
  // With a store of another kind the section is not used; what the store holds is compared when the replica joins.
  const cluster = config.store.kind === 'embedded' ? config.cluster : null;
  return { problems: [...api, ...(cluster === null ? [] : keyFindings(config.region, key, cluster))], warnings };
};

/** Reads and judges a replica's file together with the files it names, as `check` does. Throws nothing. */
export const examineConfig = (path: string): Loaded => {
  const loaded = loadServed(path);
  if (!loaded.ok) return loaded;
  const { problems, warnings } = fileFindings(loaded.config);
  if (problems.length > 0) return { ok: false, problems: sorted(problems.map(loaded.placed)) };
  return { ...loaded, warnings: sorted([...loaded.warnings, ...warnings.map(loaded.placed)]) };
};

// Where the API is and what to show it: from the command line, else from the environment, else from the client's file, else this machine.
// A secret is only ever named by its file: flags and variables are seen by everybody who may list processes.
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { isLocalEndpoint } from '../config/fields.ts';
import { errorText, Fault } from '../errors.ts';
import { readSecret } from '../secrets.ts';

export interface ConnectOptions {
  endpoint?: readonly string[];
  client?: string;
  tokenFile?: string;
  ca?: string;
  cert?: string;
  key?: string;
  plainHttp?: boolean;
}

export interface ClientSettings {
  /** Origins, in the order in which they are asked. */
  endpoints: readonly string[];
  token: string | null;
  caPem?: string;
  own?: { certPem: string; keyPem: string };
}

type Env = Readonly<Record<string, string | undefined>>;

interface ClientFile {
  endpoints?: readonly string[];
  tokenFile?: string;
  caFile?: string;
  certFile?: string;
  keyFile?: string;
}

const ENDPOINT_DEFAULT = 'http://127.0.0.1:7700';
/** Where the example for one machine keeps it, seen from the folder it is started in. Read only when nothing at all was said: it never leaves the machine. */
const TOKEN_DEFAULT = '.tidegate/operator.token';
const ENDPOINTS_MAX = 16;
const FILE_BYTES_MAX = 64 * 1024;
const FILE_KEYS = ['endpoints', 'tokenFile', 'caFile', 'certFile', 'keyFile'] as const;

const originOf = (text: string, from: string): string => {
  const url = URL.canParse(text) ? new URL(text) : null;
  const fits = url !== null && ['http:', 'https:'].includes(url.protocol) && ['', '/'].includes(url.pathname) && url.search === '';
  if (!fits || url.username !== '' || url.password !== '')
    throw new Fault(
      'ERR_CONFIG',
      `${from}: ${JSON.stringify(text.replace(/\/\/.*@/, '//...@').slice(0, 100))} is no endpoint; write one like https://tidegate.eu-west.example:7700, without path or password`,
    );
  return url.origin;
};

/** Everything wrong with the file at once. */
const parseClientFile = async (file: string, text: string): Promise<ClientFile> => {
  const { parse } = await import('yaml');
  const fault = (problems: readonly string[]): Fault => new Fault('ERR_CONFIG', problems.map((each) => `${file}: ${each}`).join('\n'));
  let content: unknown;
  try {
    content = parse(text, { maxAliasCount: 0 }) ?? {};
  } catch (error) {
    throw fault([errorText(error).split('\n')[0] ?? 'is no YAML']);
  }
  if (typeof content !== 'object' || content === null || Array.isArray(content))
    throw fault([`expected settings such as "endpoints: [https://...]"`]);
  const known: readonly string[] = FILE_KEYS;
  const problems = Object.entries(content).flatMap(([name, value]) => {
    if (!known.includes(name)) return [`/${name}: is not understood here; known: ${known.join(', ')}`];
    const fits = name === 'endpoints' ? Array.isArray(value) && value.every((each) => typeof each === 'string') : typeof value === 'string';
    return fits ? [] : [`/${name}: expected ${name === 'endpoints' ? 'a list of addresses' : 'the path of a file'}`];
  });
  if (problems.length > 0) throw fault(problems);
  return content;
};

/** `~/.config/tidegate/client.yaml`, or where XDG says; only a file that was named has to be there. */
const readClientFile = async (named: string | undefined, env: Env): Promise<{ file: ClientFile; path: string }> => {
  const home = env.XDG_CONFIG_HOME ?? join(env.HOME ?? '/', '.config');
  const path = resolve(named ?? join(home, 'tidegate/client.yaml'));
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (named === undefined) return { file: {}, path };
    throw new Fault('ERR_CONFIG_READ', `${path}: ${errorText(error)}`, { cause: error });
  }
  if (text.length > FILE_BYTES_MAX) throw new Fault('ERR_CONFIG', `${path}: is longer than ${FILE_BYTES_MAX} characters`);
  return { file: await parseClientFile(path, text), path };
};

const readPem = (path: string): string => {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new Fault('ERR_CONFIG_READ', `${path}: ${errorText(error)}`, { cause: error });
  }
};

const words = (text: string | undefined): readonly string[] => (text ?? '').split(/[\s,]+/).filter((word) => word !== '');

const endpointsOf = (options: ConnectOptions, env: Env, { file, path }: { file: ClientFile; path: string }): readonly string[] => {
  const sources: readonly (readonly [string, readonly string[]])[] = [
    ['--endpoint', (options.endpoint ?? []).flatMap(words)],
    ['TIDEGATE_ENDPOINTS', words(env.TIDEGATE_ENDPOINTS)],
    [path, file.endpoints ?? []],
  ];
  const [from, given] = sources.find(([, list]) => list.length > 0) ?? ['', [ENDPOINT_DEFAULT]];
  const origins = [...new Set(given.map((each) => originOf(each, from)))];
  if (origins.length > ENDPOINTS_MAX) throw new Fault('ERR_CONFIG', `${from}: ${origins.length} endpoints, at most ${ENDPOINTS_MAX}`);
  return origins;
};

/** A token is not sent where anybody on the way can read it. */
const clearText = (endpoints: readonly string[]): readonly string[] =>
  endpoints.filter((each) => each.startsWith('http://') && !isLocalEndpoint(each));

/** It travels in a header, which holds no line break and no bytes of another kind. */
const readToken = (path: string): string => {
  const token = readSecret(path);
  if (!/^[\x21-\x7e]+$/.test(token))
    throw new Fault(
      'ERR_SECRET',
      `${path}: holds something else than a token, which has neither spaces nor line breaks nor bytes that cannot be typed; write the token alone into it`,
    );
  return token;
};

/** Throws Fault ERR_CONFIG, ERR_CONFIG_READ or ERR_SECRET, all of which end a command with 78. */
export const readSettings = async (options: ConnectOptions, env: Env): Promise<ClientSettings> => {
  const own = await readClientFile(options.client, env);
  const beside = (path: string | undefined): string | undefined => (path === undefined ? undefined : resolve(dirname(own.path), path));
  const endpoints = endpointsOf(options, env, own);
  const atHome = endpoints.length === 1 && endpoints[0] === ENDPOINT_DEFAULT && existsSync(TOKEN_DEFAULT);
  const tokenFile =
    options.tokenFile ?? (env.TIDEGATE_TOKEN_FILE || undefined) ?? beside(own.file.tokenFile) ?? (atHome ? TOKEN_DEFAULT : undefined);
  const [ca, cert, key] = [
    options.ca ?? beside(own.file.caFile),
    options.cert ?? beside(own.file.certFile),
    options.key ?? beside(own.file.keyFile),
  ];
  if ((cert === undefined) !== (key === undefined))
    throw new Fault('ERR_CONFIG', 'a certificate and its key go together: give --cert and --key, or neither');
  const open = clearText(endpoints);
  if (tokenFile !== undefined && open.length > 0 && options.plainHttp !== true)
    throw new Fault(
      'ERR_CONFIG',
      `the token would travel readable to ${open.join(', ')}: use https, or say --plain-http if the way is safe`,
    );
  return {
    endpoints,
    token: tokenFile === undefined ? null : readToken(tokenFile),
    ...(ca === undefined ? {} : { caPem: readPem(ca) }),
    ...(cert === undefined || key === undefined ? {} : { own: { certPem: readPem(cert), keyPem: readSecret(key) } }),
  };
};

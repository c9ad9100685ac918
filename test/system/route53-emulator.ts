// Two emulators of Route 53 that others have written: ministack, which changes a batch in one step, and moto, which does not.
import { parseXml } from '../../src/drill/stand-ins/xml.ts';
import { freePort, runServer, workDir } from './server.ts';
import { pythonWith } from './venv.ts';

export interface Emulator extends AsyncDisposable {
  url: string;
  /** A fresh zone of this name; there may be several. */
  zone(name: string): Promise<EmulatedZone>;
}

export interface EmulatedZone {
  zoneId: string;
  /** Its own answer to a listing, as text. */
  records(): Promise<string>;
  /** By hand, unsigned: the body of one `Change`. */
  change(xml: string): Promise<void>;
}

const NAMESPACE = 'https://route53.amazonaws.com/doc/2013-04-01/';

const post = async (url: string, root: string, inner: string): Promise<string> => {
  const body = `<?xml version="1.0"?><${root} xmlns="${NAMESPACE}">${inner}</${root}>`;
  const reply = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/xml', authorization: AUTHORIZATION }, body });
  const text = await reply.text();
  if (!reply.ok) throw new Error(`${root}: ${reply.status} ${text}`);
  return text;
};

/** They look for the service's name in it and check nothing. */
const AUTHORIZATION = 'AWS4-HMAC-SHA256 Credential=AKIDHAND/20261126/us-east-1/route53/aws4_request, SignedHeaders=host, Signature=0';

interface Program {
  name: string;
  requirement: string;
  args: (port: number) => readonly string[];
  env: (port: number) => Readonly<Record<string, string>>;
}

const start = async ({ name, requirement, args, env }: Program): Promise<Emulator> => {
  const python = pythonWith(name, requirement);
  const dir = workDir(name);
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const variables = Object.entries({ ...env(port), TMPDIR: dir }).map(([key, value]) => `${key}=${value}`);
  const server = await runServer({
    command: 'env',
    args: [...variables, python, '-m', ...args(port)],
    dir,
    logFile: `${dir}/${name}.log`,
    answers: async () => {
      const reply = await fetch(`${url}/2013-04-01/hostedzone`, { headers: { authorization: AUTHORIZATION } });
      return reply.ok && (await reply.text()).includes('ListHostedZonesResponse');
    },
  });
  let zones = 0;
  return { url, zone: (zone) => zoneOf(url, zone, ++zones), [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
};

const zoneOf = async (url: string, zone: string, nonce: number): Promise<EmulatedZone> => {
  const inner = `<Name>${zone}</Name><CallerReference>tidegate-${nonce}</CallerReference>`;
  const created = await post(`${url}/2013-04-01/hostedzone`, 'CreateHostedZoneRequest', inner);
  const found = parseXml(created)
    ?.children.find((each) => each.name === 'HostedZone')
    ?.children.find((each) => each.name === 'Id')?.text;
  const zoneId = (found ?? '').replace('/hostedzone/', '');
  if (zoneId === '') throw new Error(`no zone was made: ${created}`);
  const rrset = `${url}/2013-04-01/hostedzone/${zoneId}/rrset`;
  return {
    zoneId,
    records: async () => (await fetch(rrset, { headers: { authorization: AUTHORIZATION } })).text(),
    change: async (xml) => {
      await post(rrset, 'ChangeResourceRecordSetsRequest', `<ChangeBatch><Changes><Change>${xml}</Change></Changes></ChangeBatch>`);
    },
  };
};

export const startMinistack = (): Promise<Emulator> =>
  start({
    name: 'ministack',
    requirement: 'ministack==1.4.21',
    args: () => ['ministack'],
    env: (port) => ({ BIND_HOST: '127.0.0.1', GATEWAY_PORT: String(port), SERVICES: 'route53' }),
  });

export const startMoto = (): Promise<Emulator> =>
  start({
    name: 'moto',
    requirement: 'moto[server]==5.2.5',
    args: (port) => ['moto.server', '-H', '127.0.0.1', '-p', String(port)],
    env: () => ({}),
  });

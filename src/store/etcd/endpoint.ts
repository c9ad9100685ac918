// Where etcd's members are, and how to reach one: `https://name:port` or with an IP address, verified against the given authorities always.
// Decides that plain http goes to loopback only, and that names are resolved by our own resolver, so the library never asks getaddrinfo.
import { X509Certificate } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { type ChannelCredentials, credentials } from '@grpc/grpc-js';
import { familyOf } from '../../dns/address.ts';
import { errorText, Fault } from '../../errors.ts';
import { type Link, openLink } from '../../grpc-link.ts';
import { READ_BYTES_MAX } from '../limits.ts';

export interface TlsTexts {
  /** Authorities that sign the members' certificates; without it the system's. */
  caPem?: string;
  /** This instance's certificate; its CN is the etcd user. */
  certPem?: string;
  keyPem?: string;
}

/** Certificates change while this runs. */
export interface Renewal {
  /** Asked before each connection; absent: nothing changes. */
  renew?: () => TlsTexts;
  /** What it gave cannot be used; the connection is made with what was good before. */
  onRefused?: (because: string) => void;
}

export type ResolveName = (host: string, signal?: AbortSignal) => Promise<{ addresses: readonly string[]; stale: string | null }>;

export interface Endpoint {
  name: string;
  open(signal: AbortSignal): Promise<Link>;
}

/** Values plus as much again for keys and framing. */
const REPLY_BYTES_MAX = 2 * READ_BYTES_MAX;
/** SNI must not be an address; etcd has one certificate and ignores it. */
const NAME_FOR_ADDRESSES = 'etcd.invalid';

const refuse = (text: string, expected: string): never => {
  throw new Fault('ERR_CONFIG', `store.endpoints: found ${JSON.stringify(text)}, expected ${expected}`);
};

const isLoopback = (host: string): boolean => host === 'localhost' || host === '::1' || (familyOf(host) === 4 && host.startsWith('127.'));

/** The library takes a text without a single certificate for no authority at all, and then trusts nobody, which shows only when it connects. */
const checkAuthorities = (pem: string): void => {
  const found = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  if (found.length === 0) throw new Error('no certificate in the authorities');
  for (const one of found) new X509Certificate(one);
};

const secure = ({ caPem, certPem, keyPem }: TlsTexts, host: string): ChannelCredentials => {
  const pem = (text: string | undefined): Buffer | null => (text === undefined ? null : Buffer.from(text));
  const isAddress = familyOf(host) !== null;
  try {
    if (caPem !== undefined) checkAuthorities(caPem);
    return credentials.createSsl(pem(caPem), pem(keyPem), pem(certPem), {
      // The library would check the name it sent as SNI.
      ...(isAddress ? { checkServerIdentity: (_name: string, { raw }: { raw: Buffer }) => checkAddress(host, raw) } : {}),
    });
  } catch (error) {
    throw new Fault('ERR_CONFIG', `store.tls: ${errorText(error)}; certificates and keys must be PEM and belong together`, {
      cause: error,
    });
  }
};

/** What each new connection shows and trusts: the texts as they are now, or the last ones that fit together. */
const securing = (tls: TlsTexts, host: string, { renew, onRefused }: Renewal): (() => ChannelCredentials) => {
  let texts = tls;
  let made = secure(tls, host);
  return () => {
    try {
      const now = renew?.() ?? texts;
      if (!isDeepStrictEqual(now, texts)) {
        made = secure(now, host);
        texts = now;
      }
    } catch (error) {
      onRefused?.(errorText(error));
    }
    return made;
  };
};

const checkAddress = (host: string, raw: Buffer): Error | undefined =>
  new X509Certificate(raw).checkIP(host) === undefined ? new Error(`the certificate is not for the address ${host}`) : undefined;

/** Throws Fault ERR_CONFIG for an endpoint that cannot be used. */
export const parseEndpoints = (
  texts: readonly string[],
  tls: TlsTexts | undefined,
  resolve: ResolveName | undefined,
  renewal: Renewal = {},
): readonly Endpoint[] => {
  if (texts.length === 0) refuse('', 'at least one endpoint such as https://etcd-1.example.net:2379');
  return texts.map((text) => parseEndpoint(text, tls, resolve, renewal));
};

const parseEndpoint = (text: string, tls: TlsTexts | undefined, resolve: ResolveName | undefined, renewal: Renewal): Endpoint => {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || !['http:', 'https:'].includes(url.protocol) || url.hostname === '' || url.pathname !== '/' || url.search !== '')
    return refuse(text, 'https:// with a host and a port, such as https://etcd-1.example.net:2379');
  if (url.username !== '' || url.password !== '')
    return refuse(`${url.protocol}//***@${url.host}`, 'no user name in it: name it in store.user');
  const host = url.hostname.replace(/[[\]]/g, '');
  const isTls = url.protocol === 'https:';
  // The parser drops a port that is the scheme's own.
  const port = Number(url.port || (/:(443|80)\/?$/.test(text) ? (isTls ? 443 : 80) : 2379));
  if (!isTls && !isLoopback(host)) return refuse(text, 'https://: plain http goes to loopback only');
  const isName = familyOf(host) === null;
  const isLocal = host === 'localhost';
  if (isName && !isLocal && resolve === undefined) return refuse(text, 'an IP address: no resolver is configured for names');
  const secured = isTls ? securing(tls ?? {}, host, renewal) : credentials.createInsecure;
  /** A name's addresses take turns, so that one that is dead does not stand for all. */
  let turn = 0;
  const addressFor = async (signal: AbortSignal): Promise<string> => {
    if (isLocal) return '127.0.0.1';
    if (!isName || resolve === undefined) return host;
    const { addresses, stale } = await resolve(host, signal);
    const address = addresses[turn++ % addresses.length];
    if (address === undefined) throw new Error(`${host} has no address: ${stale ?? 'none is known'}`);
    return address;
  };
  return {
    name: `${url.protocol}//${url.hostname}:${port}`,
    open: async (signal) => {
      const address = await addressFor(signal);
      return openLink({
        address,
        port,
        authority: `${url.hostname}:${port}`,
        ...(isTls && !isName ? { serverName: NAME_FOR_ADDRESSES } : {}),
        credentials: secured(),
        replyBytesMax: REPLY_BYTES_MAX,
      });
    },
  };
};

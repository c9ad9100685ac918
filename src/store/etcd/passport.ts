// Who this instance is to etcd, and what each call carries to prove it. The first choice is the CN of a client certificate, which needs nothing here;
// the second is a name and a password, traded for a token that etcd may forget at any time. Decides when a token is asked for anew.
import { X509Certificate } from 'node:crypto';
import { Metadata, type MethodDefinition } from '@grpc/grpc-js';
import { CallError, type Link } from '../../grpc-link.ts';
import type { Log } from '../../log.ts';
import type { Protocol } from './protocol.ts';
import { meaningOf } from './refusal.ts';

export interface User {
  name: string;
  password: string;
}

export interface Passport {
  /** For sentences: the user as etcd sees it. */
  readonly holder: string;
  /** For one call. */
  metadata(): Metadata;
  /** Before the first call over any connection. Rejects with CallError when the password is wrong. */
  ready(link: Link, signal: AbortSignal): Promise<void>;
  /** etcd refused what `used` carried: another token is asked for, once for all who wait. */
  renew(link: Link, used: Metadata, signal: AbortSignal): Promise<void>;
}

const commonName = (certPem: string): string | null => /^CN=(.+)$/m.exec(new X509Certificate(certPem).subject)?.[1] ?? null;

const holderOf = (user: User | undefined, certPem: string | undefined): string => {
  if (user !== undefined) return `user ${user.name}`;
  const name = certPem === undefined ? null : commonName(certPem);
  return name === null
    ? 'no user (neither a client certificate with a CN nor a user and a password)'
    : `user ${name}, the CN of the client certificate,`;
};

export const createPassport = (
  authenticate: Protocol['authenticate'],
  user: User | undefined,
  certPem: string | undefined,
  log: Log | undefined,
): Passport => {
  let token = '';
  const isWarned = false;
  let asking: Promise<void> | null = null;

  const trade = async (link: Link, { name, password }: User, signal: AbortSignal): Promise<void> => {
    try {
      const reply = await link.ask(authenticate as MethodDefinition<User, { token?: string }>, { name, password }, new Metadata(), signal);
      token = reply.token ?? '';
    } catch (error) {
      // Everybody may do everything then; to stop because of it would help nobody.
      if (!(error instanceof CallError && /authentication is not enabled/.test(error.message))) throw error;
      if (!isWarned)
        log?.warn('etcd.auth', {
          because: 'store.user is configured, but authentication is not enabled in etcd: whoever reaches it may write',
        });
    }
  };
  const obtain = (link: Link, signal: AbortSignal): Promise<void> => {
    if (user === undefined) return Promise.resolve();
    asking ??= trade(link, user, signal).finally(() => {
      asking = null;
    });
    return asking;
  };

  return {
    holder: holderOf(user, certPem),
    metadata() {
      const metadata = new Metadata();
      // A member that knows no leader refuses at once, for certain, instead of keeping us waiting in doubt.
      metadata.set('hasleader', 'true');
      if (token !== '') metadata.set('token', token);
      return metadata;
    },
    ready: (link, signal) => (token === '' ? obtain(link, signal) : Promise.resolve()),
    async renew(link, used, signal) {
      if (token === String(used.get('token')[0] ?? '')) await obtain(link, signal);
    },
  };
};

/** Another token may help: the one sent is unknown, or none was sent. */
export const isTokenRefused = (error: unknown): boolean =>
  error instanceof CallError && (meaningOf(error.code, error.message).cause === 'token' || /user name is empty/.test(error.message));

/** Keys named in a refusal at most. */
const NAMED_MAX = 5;

/** What a call asked for. */
export interface Wanted {
  reads: readonly string[];
  writes: readonly string[];
}

/** The sentence for a refused permission; etcd does not say which key it minded. */
export const lacks = (holder: string, prefix: string, { reads, writes }: Wanted): string => {
  const list = (what: string, keys: readonly string[]): string => {
    const named = keys.slice(0, NAMED_MAX).map((key) => prefix + key);
    return `${what} ${named.join(', ')}${keys.length > NAMED_MAX ? ', …' : ''}`;
  };
  const needs = [reads.length > 0 ? list('read', reads) : '', writes.length > 0 ? list('write', writes) : ''].filter((text) => text !== '');
  return `${holder} lacks a grant to ${needs.join(' and ') || 'read'}; deploy/etcd/grants.sh prints what each role needs`;
};

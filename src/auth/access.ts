// Who asks: the one place that turns what a request shows into a principal. Every refusal leaves by the same door, in the same words, whatever was wrong.
import { createHash, type KeyObject, timingSafeEqual } from 'node:crypto';
import type { Access, Caller, Principal, Role, SignedMessage } from '../api/access.ts';
import { errorText, Fault } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Ports, Timer } from '../ports.ts';
import { addressOf, createBrakes, createTally } from './brakes.ts';
import { PREFIX as BREAK_GLASS, breakGlassKey, verifyBreakGlass } from './break-glass.ts';
import { type Callbacks, principalOf } from './callback.ts';
import { claimsOf, type Issuer } from './issuer.ts';
import { identityOf, looksLikeJwt, type OidcConfig } from './oidc.ts';
import type { Once } from './once.ts';
import { type HowRefused, Refused, type RefusedCalls } from './refusal.ts';
import { looksLikeToken } from './token-file.ts';
import type { Tokens } from './tokens.ts';

export interface CertificateRule {
  /** What it is called here; absent: by what it matched. */
  name?: string;
  /** One of the two. `altName` with its kind: `DNS:ops.example.net`, `URI:spiffe://example.net/ops`. */
  commonName?: string;
  altName?: string;
  role: Role;
  services?: readonly string[];
}

export interface AccessOptions {
  ports: Pick<Ports, 'clock' | 'timers'>;
  log: Log;
  /** Content of api.tokenFile: for the first steps and for machines beside this process. null: nobody has one. */
  bootstrap: string | null;
  anonymous: 'viewer' | 'none';
  tokens?: Tokens;
  oidc?: { config: OidcConfig; issuer: Issuer };
  certificates?: readonly CertificateRule[];
  breakGlassKeys?: readonly string[];
  /** What signs callbacks; absent: none are taken. */
  callbacks?: Callbacks;
  /** The cluster that this replica serves, once it knows; break-glass tokens name one. */
  clusterName?: () => string | null;
  /** Once per address and minute. */
  onRefused?: (calls: RefusedCalls) => void;
  /** Each time. */
  onRefusedOnce?: (how: HowRefused) => void;
}

export interface ClosableAccess extends Access {
  /** Tells what is still to be told. */
  close(): void;
}

const TELL_EVERY_MS = 60_000;
const ANONYMOUS: Principal = { name: 'anonymous', role: 'viewer', services: null, how: 'anonymous' };
const BOOTSTRAP: Principal = { name: 'operator', role: 'admin', services: null, how: 'token' };
const NOT_ACCEPTED = 'these credentials are not accepted; the log and the audit of this replica say why within a minute';
const NOTHING_SHOWN = 'this takes credentials: send Authorization: Bearer <token>';

/** Nothing that could be compared, so no guess: it costs its address nothing. A browser sends the password of /status to other paths too, led there by anybody. */
class NoToken extends Refused {}

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

/** What a bearer token is by its looks; nothing of it is trusted yet. */
const kindOf = (token: string): 'token' | 'break-glass' | 'oidc' | 'unknown' => {
  if (looksLikeToken(token)) return 'token';
  if (token.startsWith(BREAK_GLASS)) return 'break-glass';
  return looksLikeJwt(token) ? 'oidc' : 'unknown';
};

export const createAccess = (options: AccessOptions): ClosableAccess => {
  const { ports, log, tokens, oidc, certificates = [], anonymous, callbacks } = options;
  const bootstrap = options.bootstrap === null ? null : digest(options.bootstrap);
  const breakGlassKeys = (options.breakGlassKeys ?? []).map(breakGlassKey).filter((key): key is KeyObject => key !== null);
  const brakes = createBrakes();
  const tally = createTally();
  let telling: Timer | null = null;

  const tell = (): void => {
    telling?.cancel();
    telling = null;
    for (const calls of tally.take()) {
      log.warn('auth.refused', { ...calls });
      options.onRefused?.(calls);
    }
  };

  const byToken = (token: string): Principal => {
    const entry = tokens?.find(token) ?? null;
    if (entry === null) throw new Refused('no token of this hash, or not a whole one');
    if (entry.expiresAtMs !== null && ports.clock.wallMs() >= entry.expiresAtMs) throw new Refused(`the token ${entry.name} has expired`);
    return { name: entry.name, role: entry.role, services: entry.services, how: 'token' };
  };
  const byBreakGlass = (token: string): Principal => {
    const { id, name, role, services, exp, reason } = verifyBreakGlass(
      token,
      breakGlassKeys,
      options.clusterName?.() ?? null,
      ports.clock.wallMs(),
    );
    const once: Once = { id, expiresAtMs: exp * 1000, reason };
    return { name, role, services: services ?? null, how: 'break-glass', once };
  };
  const byOidc = async (token: string): Promise<Principal> => {
    if (oidc === undefined) throw new Refused('no issuer is configured');
    const claims = await claimsOf(token, oidc.config, oidc.issuer, ports.clock.wallMs());
    return { ...identityOf(claims, oidc.config), how: 'oidc' };
  };
  const isBootstrap = (token: string): boolean => bootstrap !== null && timingSafeEqual(digest(token), bootstrap);
  const byBearer = async (authorization: string, isWaiting: boolean, seen: (how: HowRefused) => void): Promise<Principal> => {
    const [, token] = /^Bearer +(\S+) *$/i.exec(authorization) ?? [];
    if (token === undefined) throw new NoToken('no bearer token');
    const kind = kindOf(token);
    seen(kind);
    // The only kind that a human may have chosen, and so the only one that can be guessed: it is not even looked at while the address has to wait.
    // The others are, or one script with an old token behind a shared address would keep everybody out in the middle of an outage.
    if (!isWaiting && isBootstrap(token)) return BOOTSTRAP;
    if (kind === 'token') return byToken(token);
    if (kind === 'break-glass') return byBreakGlass(token);
    if (kind === 'oidc') return byOidc(token);
    throw new Refused('not the token of api.tokenFile');
  };
  const byCertificate = ({ commonName, altNames }: NonNullable<Caller['certificate']>): Principal | null => {
    const rule = certificates.find(
      (each) => each.commonName === commonName || (each.altName !== undefined && altNames.includes(each.altName)),
    );
    if (rule === undefined) return null;
    const name = rule.name ?? rule.commonName ?? rule.altName ?? commonName;
    return { name, role: rule.role, services: rule.services ?? null, how: 'certificate' };
  };

  const refuse = (address: string, how: HowRefused, error: unknown): Fault => {
    options.onRefusedOnce?.(how);
    tally.add(address, how, error instanceof Refused ? error.message : `could not be judged: ${errorText(error)}`);
    telling ??= ports.timers.after(TELL_EVERY_MS, tell, { background: true });
    if (error instanceof NoToken) return new Fault('ERR_UNAUTHORIZED', NOT_ACCEPTED);
    const nowMs = ports.clock.monoMs();
    brakes.failed(address, nowMs);
    const waitMs = brakes.waitMs(address, nowMs);
    if (waitMs === 0) return new Fault('ERR_UNAUTHORIZED', NOT_ACCEPTED);
    return new Fault('ERR_TOO_MANY', `too many wrong credentials from this address; wait ${Math.ceil(waitMs / 1000)} s`, {
      busyMs: waitMs,
    });
  };

  // Nobody guesses a key of this length, so it is looked at also while its address has to wait.
  const identifySigned = (by: Callbacks, remoteAddress: string, message: SignedMessage): Principal => {
    try {
      return principalOf(by.verified(message), ports.clock.wallMs());
    } catch (error) {
      throw refuse(addressOf(remoteAddress), 'callback', error);
    }
  };

  return {
    ...(callbacks === undefined
      ? {}
      : { identifySigned: (address: string, message: SignedMessage) => identifySigned(callbacks, address, message) }),
    async identify({ authorization, remoteAddress, certificate }) {
      if (authorization === undefined) {
        const known = certificate === null ? null : byCertificate(certificate);
        if (known !== null) return known;
        if (anonymous === 'viewer') return ANONYMOUS;
        options.onRefusedOnce?.(certificate === null ? 'none' : 'certificate');
        throw new Fault('ERR_UNAUTHORIZED', NOTHING_SHOWN);
      }
      const address = addressOf(remoteAddress);
      let how: HowRefused = 'unknown';
      try {
        const isWaiting = brakes.waitMs(address, ports.clock.monoMs()) > 0;
        return await byBearer(authorization, isWaiting, (seen) => {
          how = seen;
        });
      } catch (error) {
        throw refuse(address, how, error);
      }
    },
    close: tell,
  };
};

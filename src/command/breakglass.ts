// `tidegate breakglass`: a key for the day on which nobody can vouch for anybody, and tokens signed with it on any laptop, with no store, network or service.
import { createPrivateKey } from 'node:crypto';
import { ID_BYTES, LIFE_MAX_S, REASON_CHARS_MAX, SKEW_MS, signBreakGlass } from '../auth/break-glass.ts';
import { isTokenName, NAME_WANTED } from '../auth/token-file.ts';
import { parseDuration } from '../config/fields.ts';
import { publicKeyOf } from '../coordinate/signing.ts';
import { Fault } from '../errors.ts';
import { isoTime, type Ports } from '../ports.ts';
import { readSecret } from '../secrets.ts';
import { makeKey } from './keygen.ts';
import type { Saying } from './open.ts';
import { roleOf, servicesOf } from './token.ts';

export interface BreakGlassKeygenOptions {
  out: string;
}

export interface BreakGlassSignOptions {
  key: string;
  cluster: string;
  name: string;
  role: string;
  reason: string;
  ttl: string;
  service?: readonly string[];
}

/** Makes a key pair; the public half is the only line of stdout. Throws Fault ERR_SECRET when the file is there. Exit code 0. */
export const breakGlassKeygen = ({ out: file }: BreakGlassKeygenOptions, { out, err }: Saying): number => {
  const publicKey = makeKey(file);
  err(`private key written to ${file}: keep it offline, where two people are needed to reach it\n`);
  err(`public key, for every replica: api.auth.breakGlassKeys: [${publicKey}] (a second one while you change keys), then a restart\n`);
  out(`${publicKey}\n`);
  return 0;
};

/** Signs a token for one act. The token is the only line of stdout. Exit code 0. */
export const breakGlassSign = (
  { key: file, cluster, name, reason, ttl, ...given }: BreakGlassSignOptions,
  { ports, out, err }: Saying & { ports: Ports },
): number => {
  const lifeMs = parseDuration(ttl);
  const services = servicesOf(given.service);
  if (lifeMs === null || lifeMs < 1000 || lifeMs > LIFE_MAX_S * 1000)
    throw new Fault('ERR_USAGE', `--ttl ${ttl}: expected a duration from 1s to 1h, like 30m`);
  if (!isTokenName(name)) throw new Fault('ERR_USAGE', `--name ${name}: expected ${NAME_WANTED}`);
  if (reason.trim() === '' || reason.length > REASON_CHARS_MAX)
    throw new Fault('ERR_USAGE', `--reason: expected 1 to ${REASON_CHARS_MAX} characters; it goes into the audit`);
  const pem = readSecret(file);
  publicKeyOf(pem, file);
  const iat = Math.floor(ports.clock.wallMs() / 1000);
  const exp = iat + Math.floor(lifeMs / 1000);
  const claims = {
    id: ports.random.hex(ID_BYTES),
    cluster,
    name,
    role: roleOf(given.role),
    ...(services === null ? {} : { services }),
    iat,
    exp,
    reason,
  };
  const token = signBreakGlass(claims, createPrivateKey(pem));
  err(`good for one act in ${cluster}, from ${isoTime(iat * 1000)} to ${isoTime(exp * 1000)} by this machine's clock\n`);
  err(
    `a clock here that is ahead by more than ${SKEW_MS / 60_000} minutes makes it useless until then; one that is behind makes it end sooner: compare with another\n`,
  );
  out(`${token}\n`);
  return 0;
};

// Messages that are signed instead of carrying a token, after the Standard Webhooks specification: what a receiver of pages sends back. Any of the secrets may
// have signed, so that one can be replaced; a message is worth something for minutes, and acts once.
import { timingSafeEqual } from 'node:crypto';
import type { Webhook } from 'standardwebhooks';
import type { Principal, SignedMessage } from '../api/access.ts';
import { sha256 } from '../audit/canonical.ts';
import type { Clock } from '../ports.ts';
import { dateOf } from '../ports.ts';
import { Refused } from './refusal.ts';

/** How far its timestamp may be from this replica's clock, either way. */
const TOLERANCE_MS = 5 * 60_000;
/** Senders try again for days, each time with a fresh timestamp and the same id: so long it is remembered that it acted. */
const REMEMBERED_MS = 7 * 86_400_000;
/** A dot would let an id and a timestamp pass for another id. */
const ID = /^[A-Za-z0-9_-]{1,256}$/;
const SECONDS = /^\d{1,11}$/;
const SIGNATURES_MAX = 10;

export interface Callbacks {
  /** The id of the message. Throws Refused. */
  verified(message: SignedMessage): string;
}

const isSame = (a: string, b: string): boolean => a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b));

/** `secrets`: at least one. */
export const createCallbacks = (secrets: readonly Webhook[], clock: Clock): Callbacks => ({
  verified({ id, timestamp, signature, text }) {
    if (id === null || timestamp === null || signature === null) throw new Refused('webhook-id, -timestamp or -signature is missing');
    if (!ID.test(id) || !SECONDS.test(timestamp)) throw new Refused('webhook-id or -timestamp is none');
    const atMs = Number(timestamp) * 1000;
    const lateMs = clock.wallMs() - atMs;
    if (Math.abs(lateMs) > TOLERANCE_MS)
      throw new Refused(`its timestamp is ${Math.round(Math.abs(lateMs) / 1000)} s ${lateMs > 0 ? 'old' : 'ahead'}`);
    const given = signature.split(' ').slice(0, SIGNATURES_MAX);
    const expected = secrets.map((secret) => secret.sign(id, dateOf(atMs), text));
    if (!expected.some((each) => given.some((one) => isSame(one, each)))) throw new Refused('no signature of these secrets');
    return id;
  },
});

/** Whoever holds a secret: who pressed the button is what the message says, and is written down as that. */
export const principalOf = (id: string, wallMs: number): Principal => ({
  name: 'callback',
  role: 'operator',
  services: null,
  how: 'callback',
  once: { id: `callback-${sha256(id).slice(0, 40)}`, expiresAtMs: Math.round(wallMs + REMEMBERED_MS) },
});

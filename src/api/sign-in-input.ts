// What the page sends after a sign-in at the issuer, and where it may have been sent back to. Pure.
import { z } from 'zod';
import { type BodyProblem, type Parsed, parsedBy, schemaOf } from './body.ts';

const VERIFIER = /^[A-Za-z0-9._~-]{43,128}$/;

const REDEEM = z.strictObject({
  code: z
    .string()
    .regex(/^[\x21-\x7e]{1,2048}$/, 'must be the code as the issuer sent it, of at most 2048 printable characters')
    .describe('As the issuer sent it.'),
  verifier: z
    .string()
    .regex(VERIFIER, 'must be a verifier of RFC 7636: 43 to 128 letters, digits and "-._~"')
    .describe('What the challenge (S256) was made of.'),
  redirectUri: z
    .string()
    .max(512, 'must have at most 512 characters')
    .describe('As it was sent to the issuer: `/` of this API, or of a peer of the dashboard.'),
});

export type RedeemInput = z.output<typeof REDEEM>;
export const REDEEM_SCHEMA = schemaOf(REDEEM);
export const parseRedeem: (given: unknown) => Parsed<RedeemInput> = parsedBy(REDEEM);

const LOOPBACK = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/;

/**
 * Whether the page that is at `uri` is one of this cluster's: `/` of the host that was asked, by https unless that is this machine, or of a peer. A proxy in
 * front of a replica ends TLS, so that how the request came here says nothing.
 */
export const redirectProblems = (uri: string, host: string | undefined, peers: readonly string[]): readonly BodyProblem[] => {
  const url = URL.canParse(uri) ? new URL(uri) : null;
  const isOwn =
    url !== null && url.host === host && (url.protocol === 'https:' || (url.protocol === 'http:' && LOOPBACK.test(url.hostname)));
  if (url !== null && uri === `${url.origin}/` && (isOwn || peers.includes(url.origin))) return [];
  return [
    { pointer: '/redirectUri', detail: 'must be / of the address that this replica was asked at, by https, or of one of dashboard.peers' },
  ];
};

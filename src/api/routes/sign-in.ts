// Who asks, and how one signs in with a browser.

import { Fault } from '../../errors.ts';
import type { Role } from '../access.ts';
import { json, ref } from '../openapi.ts';
import { BodyFault } from '../problem.ts';
import type { ApiRoute, RouteOptions } from '../route.ts';
import { parseRedeem, redirectProblems } from '../sign-in-input.ts';

/** `GET /v1/me` */
export interface Me {
  name: string;
  role: Role;
  /** null: all of them. */
  services: readonly string[] | null;
  how: 'anonymous' | 'token' | 'oidc' | 'certificate' | 'break-glass' | 'callback';
  /** null: no configuration is known yet. */
  cluster: string | null;
}

/** `GET /v1/sign-in` */
export interface SignInWays {
  /** A token of the API is always good. */
  token: true;
  /** Authorization code with proof key; null: not configured, or the issuer has not said where. */
  oidc: { authorizationUrl: string; clientId: string; scopes: readonly string[] } | null;
  /** What who shows nothing may do. */
  anonymous: 'viewer' | 'none';
  /** By region, the origin of its API: where the page can go on. */
  peers: Readonly<Record<string, string>>;
}

const ME: Me = { name: 'ana', role: 'operator', services: ['web.example.com'], how: 'oidc', cluster: 'production' };
const WAYS: SignInWays = {
  token: true,
  oidc: { authorizationUrl: 'https://id.example.net/auth', clientId: 'tidegate-dashboard', scopes: ['openid'] },
  anonymous: 'none',
  peers: { 'us-east': 'https://us-east.tidegate.example:8443' },
};
const REDEEM = {
  code: 'SplxlOBeZQQYbYS6WxSbIA',
  verifier: 'dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk',
  redirectUri: 'https://eu-west.tidegate.example:8443/',
};

export const signInRoutes = ({ view, dashboard, log }: RouteOptions): readonly ApiRoute[] => {
  const { peers = {}, anonymous = 'none', signIn = null } = dashboard ?? {};
  return [
    {
      method: 'GET',
      url: '/v1/me',
      needs: 'viewer',
      schema: {
        operationId: 'whoAmI',
        summary: 'Who asks, and what they may do',
        tags: ['dashboard'],
        response: {
          200: json(ref('Me'), { operator: ME, anybody: { ...ME, name: 'anonymous', role: 'viewer', services: null, how: 'anonymous' } }),
        },
      },
      handler: async (_request, _reply, { name, role, services, how }): Promise<Me> => ({
        name,
        role,
        services,
        how,
        cluster: view.cluster()?.name ?? null,
      }),
    },
    {
      method: 'GET',
      url: '/v1/sign-in',
      needs: null,
      schema: {
        operationId: 'signInWays',
        summary: 'How one signs in here, and where the page can go on',
        tags: ['dashboard'],
        response: { 200: json(ref('SignInWays'), { issuer: WAYS, token: { ...WAYS, oidc: null, peers: {} } }) },
        refusals: ['ERR_TOO_MANY'],
      },
      handler: async (): Promise<SignInWays> => ({ token: true, oidc: (await signIn?.way()) ?? null, anonymous, peers }),
    },
    {
      method: 'POST',
      url: '/v1/sign-in/oidc',
      needs: null,
      schema: {
        operationId: 'redeemSignIn',
        summary: 'Redeems the code that the issuer sent the browser back with',
        description: 'The token is one that this API takes as a bearer. It is kept nowhere here.',
        tags: ['dashboard'],
        body: json(ref('Redeem'), { code: REDEEM }),
        response: { 200: json(ref('Redeemed'), { token: { token: 'eyJhbGciOiJFUzI1NiJ9.e30.c2ln', expiresAtMs: 1795320000000 } }) },
        refusals: ['ERR_UNAUTHORIZED', 'ERR_SYSTEM', 'ERR_NOT_FOUND', 'ERR_TOO_MANY'],
      },
      async handler(request) {
        if (signIn === null) throw new Fault('ERR_NOT_FOUND', 'nothing is offered at this path: this replica has no api.auth.oidc.signIn');
        const parsed = parseRedeem(request.body);
        if (!parsed.ok) throw new BodyFault(parsed.problems);
        const problems = redirectProblems(parsed.value.redirectUri, request.headers.host, Object.values(peers));
        if (problems.length > 0) throw new BodyFault(problems);
        const redeemed = await signIn.redeem(parsed.value);
        log.info('auth.sign-in', { requestId: request.id });
        return redeemed;
      },
    },
  ];
};

// Opens everything that a configuration names for telling callers apart, and closes it again.
import type { Access } from '../api/access.ts';
import { type ApiConfig, anonymousOf } from '../config/api.ts';
import type { Resolver } from '../dns/resolver.ts';
import { createHttp } from '../http.ts';
import type { Log } from '../log.ts';
import { signerOf } from '../paging/signer.ts';
import type { Ports } from '../ports.ts';
import { ensureSecret, readSecret } from '../secrets.ts';
import { type AccessOptions, createAccess } from './access.ts';
import { createCallbacks } from './callback.ts';
import { readGuarded } from './file.ts';
import { openIssuer } from './issuer.ts';
import { createSignIn, type SignIn } from './sign-in.ts';
import { openTokens } from './tokens.ts';

export interface OpenAccess extends Access {
  /** How people sign in with a browser; null: they bring a token. */
  signIn: SignIn | null;
  /** Reads the token file now. Sentences about what is wrong with it; empty: it is in use, or there is none. */
  reload(): readonly string[];
  close(): Promise<void>;
}

export interface OpenAccessOptions extends Pick<AccessOptions, 'clusterName' | 'onRefused' | 'onRefusedOnce'> {
  api: ApiConfig;
  ports: Ports;
  log: Log;
  resolve: Resolver['resolve'];
  /** Files of what signs callbacks; absent: none are taken. */
  callbackFiles?: readonly string[];
}

const CA_BYTES_MAX = 1024 * 1024;

/** Throws Fault ERR_SECRET when the bootstrap token, a secret of callbacks or of the sign-in, or the issuer's authorities cannot be read; everything else comes and goes while it runs. */
export const openAccess = ({ api, ports, log, resolve, callbackFiles, ...told }: OpenAccessOptions): OpenAccess => {
  const { tokensFile, oidc, certificates, breakGlassKeys } = api.auth ?? {};
  const bootstrap = ensureSecret(api.tokenFile, ports.random);
  const tokens = tokensFile === undefined ? null : openTokens(tokensFile, ports, log);
  const http =
    oidc === undefined
      ? null
      : createHttp({ ports, resolve, ...(oidc.caFile === undefined ? {} : { caPem: readGuarded(oidc.caFile, CA_BYTES_MAX) }) });
  const issuer = oidc === undefined || http === null ? null : openIssuer({ config: oidc, ports, log, fetch: http.fetch });
  const signIn =
    oidc?.signIn === undefined || issuer === null || http === null
      ? null
      : createSignIn({
          config: oidc,
          signIn: oidc.signIn,
          secret: oidc.signIn.clientSecretFile === undefined ? null : readSecret(oidc.signIn.clientSecretFile),
          issuer,
          fetch: http.fetch,
          ports,
          log,
        });
  const access = createAccess({
    ports,
    log,
    bootstrap,
    anonymous: anonymousOf(api),
    ...(tokens === null ? {} : { tokens }),
    ...(oidc === undefined || issuer === null ? {} : { oidc: { config: oidc, issuer } }),
    ...(certificates === undefined ? {} : { certificates }),
    ...(breakGlassKeys === undefined ? {} : { breakGlassKeys }),
    ...(callbackFiles === undefined
      ? {}
      : {
          callbacks: createCallbacks(
            callbackFiles.map((file) => signerOf('callbacks', file, readSecret(file))),
            ports.clock,
          ),
        }),
    ...told,
  });
  return {
    identify: access.identify,
    signIn,
    ...(access.identifySigned === undefined ? {} : { identifySigned: access.identifySigned }),
    reload: () => tokens?.reload() ?? [],
    async close() {
      access.close();
      await issuer?.close();
      await http?.close();
    },
  };
};

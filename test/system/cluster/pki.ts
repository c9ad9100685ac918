// A small authority for one run: certificates of servers by DNS name and address, of clients by the name that etcd takes as the user.
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';

export interface Authority {
  caFile: string;
  /** Files `NAME.pem` and `NAME.key`. `hosts`: what the certificate is valid for, as `DNS:…` and `IP:…`; none for a client. */
  issue(name: string, hosts: readonly string[]): Promise<void>;
}

const run = promisify(execFile);
const DAYS = '2';

export const createAuthority = async (folder: string): Promise<Authority> => {
  const at = (file: string): string => join(folder, file);
  const request = (name: string): readonly string[] => [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', DAYS],
    ...['-subj', `/CN=${name}`, '-keyout', at(`${name}.key`), '-out', at(`${name}.pem`)],
  ];
  await run('openssl', [...request('ca')]);
  return {
    caFile: at('ca.pem'),
    async issue(name, hosts) {
      const valid = hosts.length === 0 ? [] : ['-addext', `subjectAltName=${hosts.join(',')}`];
      await run('openssl', [
        ...request(name),
        ...['-CA', at('ca.pem'), '-CAkey', at('ca.key'), '-addext', 'basicConstraints=critical,CA:FALSE'],
        ...valid,
      ]);
    },
  };
};

// Who may do what in etcd, by the name in the client's certificate: made by the script that operators are given. Once, before the network is slow.
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { COORDINATORS, PREFIX, REGIONS } from './files.ts';
import { ETCD_PORT, HOST, type Place } from './servers.ts';

const run = promisify(execFile);
const GRANTS = join(import.meta.dirname, '../../../deploy/etcd/grants.sh');
const GRANTS_MS_MAX = 60_000;

/** Applies the cluster's configuration. */
export const OPERATOR = 'operator';

export const limitAccess = async ({ wan, folder, region }: Place): Promise<void> => {
  const who = REGIONS.flatMap((each) => [COORDINATORS.some((name) => name === each) ? '--coordinator' : '--voter', each]);
  const env = {
    PATH: '/usr/bin:/bin',
    ETCDCTL_ENDPOINTS: `https://${wan.address(region, HOST.main)}:${ETCD_PORT}`,
    ETCDCTL_CACERT: join(folder, 'pki/ca.pem'),
    ETCDCTL_CERT: join(folder, 'pki/root.pem'),
    ETCDCTL_KEY: join(folder, 'pki/root.key'),
  };
  await run('/bin/sh', [GRANTS, '--prefix', PREFIX, ...who, '--admin', OPERATOR, '--run', '--enable'], { env, timeout: GRANTS_MS_MAX });
};

// Who may do what in etcd, by the name in the client's certificate: everybody reads; a region writes only under its own name; coordinators decide.
// Set up once, before the network is slow.
import { COORDINATORS, PREFIX, REGIONS } from './files.ts';
import { etcdctl, type Place } from './servers.ts';

interface Grant {
  role: string;
  key: string;
  /** A prefix, or one key. */
  prefix: boolean;
}

const under = (role: string, keys: readonly string[]): readonly Grant[] =>
  keys.map((key) => ({ role, key: `${PREFIX}${key}`, prefix: key === '' || key.endsWith('/') }));

const COORDINATOR = 'coordinator';
const VOTER = (region: string): string => `voter-${region}`;

const WRITES: readonly Grant[] = [
  // The order that any region's API takes.
  ...REGIONS.flatMap((region) =>
    under(VOTER(region), [`vote/${region}/`, `beat/${region}/`, `seen/${region}/`, `boot/${region}/`, 'override', 'outbox/']),
  ),
  ...under(COORDINATOR, ['leader', 'routing', 'applied/', 'incident/', 'audit/', 'run/']),
];

export const limitAccess = async (place: Place): Promise<void> => {
  const ctl = (...args: readonly string[]): Promise<string> => etcdctl(place, ...args);
  const roles = ['reader', COORDINATOR, ...REGIONS.map(VOTER)];
  await Promise.all(roles.map((role) => ctl('role', 'add', role)));
  await ctl('role', 'grant-permission', 'reader', 'read', '--prefix=true', PREFIX);
  for (const { role, key, prefix } of WRITES) await ctl('role', 'grant-permission', role, 'readwrite', `--prefix=${prefix}`, key);
  for (const user of ['root', ...REGIONS]) await ctl('user', 'add', user, '--no-password');
  await ctl('user', 'grant-role', 'root', 'root');
  for (const region of REGIONS) {
    const coordinates = COORDINATORS.some((each) => each === region);
    for (const role of ['reader', VOTER(region), ...(coordinates ? [COORDINATOR] : [])]) await ctl('user', 'grant-role', region, role);
  }
  await ctl('auth', 'enable');
};

// What stands before the story and after it: what is about to be shown, with every number that is not the product's default said; and what to try
// while it is left running. Pure.
import { say } from '../config/words.ts';
import type { Child } from './child.ts';
import type { Rooms } from './rooms.ts';
import { type Pace, PLACES, SERVICE } from './scene.ts';
import { fold, type Paper, paint } from './timeline.ts';

export interface Bill {
  version: string;
  pace: Pace;
  fast: boolean;
  /** The store is an etcd with a member in each region. */
  cluster: boolean;
  /** What is out of the ordinary about what serves users; empty: nothing. */
  provider: string;
}

export const introduction = ({ version, pace, fast, cluster, provider }: Bill, paper: Paper): string => {
  const probes = fast
    ? `Fast: probes every ${say(pace.intervalMs)} instead of 5 s`
    : `Probes every ${say(pace.intervalMs)} and thresholds by default`;
  const paragraphs = [
    `Three regions on this machine, each with its own Tidegate instance${cluster ? ', a member of the etcd that is the store,' : ''} and a small app; ${pace.users} users reach ${SERVICE} by DNS.`,
    ...(provider === '' ? [] : [provider]),
    `${probes}; recovery hold ${say(pace.holdMs)} and ramp steps of ${say(pace.stepMs)} instead of a minute, TTL ${pace.ttlS} s. Takes about ${fast ? 'forty seconds' : 'a minute and a half'}.`,
  ];
  return `${paint(`Tidegate ${version} demo`, 'head', paper)}\n${paragraphs.flatMap((text) => fold(text, paper.width)).join('\n')}\n`;
};

/** Commands that show what the demo does not, until Ctrl-C. */
export const whatToTry = (rooms: Rooms, children: readonly Child[], paper: Paper): string => {
  const [first] = children;
  const order = `{"kind":"drain","scope":{"region":"${PLACES[0]?.region}"},"reason":"trying it out","owner":"me","ttl":"2m"}`;
  const lines = [
    '# where users are sent; ask a few times',
    `dig @127.0.0.1 -p ${rooms.provider.dnsPort} ${SERVICE} +short`,
    '# what each region knows, and why',
    ...children.map(({ region, apiPort }) => `curl -s http://127.0.0.1:${apiPort}/v1/status   # ${region}`),
    '# drain a region by hand for two minutes; the answer says how to undo it',
    `curl -X PUT -H "Authorization: Bearer $(cat ${rooms.folder}/operator.token)" -H 'Content-Type: application/json' \\`,
    `  -d '${order}' http://127.0.0.1:${first?.apiPort ?? 0}/v1/overrides/try`,
    `# kill a region, app and Tidegate${rooms.members === null ? '' : ' and its member of the store'}; nothing restarts it`,
    ...children.map(({ region, pid }) => `kill -9 ${[pid, ...pidOfMember(rooms, region)].join(' ')}   # ${region}`),
    '# logs and configuration',
    `ls ${rooms.folder}`,
  ];
  return lines.map((line) => `   ${line.startsWith('#') ? paint(line, 'quiet', paper) : line}\n`).join('');
};

const pidOfMember = ({ members }: Rooms, region: string): readonly number[] => (members === null ? [] : [members.of(region).pid]);

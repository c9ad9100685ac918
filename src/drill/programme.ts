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

/** Commands that show what the demo does not, until Ctrl-C: for another terminal in the same folder. */
export const whatToTry = (rooms: Rooms, children: readonly Child[], paper: Paper): string => {
  const region = PLACES[0]?.region ?? '';
  const urls = children.map(({ apiPort }) => `http://127.0.0.1:${apiPort}`);
  const endpoints = urls.join(' ');
  const tidegate = 'npm run --silent tidegate --';
  const lines = [
    '# the page: any region will do; kill the one that you look at, and it offers the others',
    ...children.map(({ region: name }, at) => `${urls[at]}/   # ${name}`),
    '# to give orders there: paste what this prints at "Sign in"',
    `cat ${rooms.folder}/operator.token`,
    '# for the commands below: every region in turn, and what lets you give orders',
    `export TIDEGATE_ENDPOINTS="${endpoints}"`,
    `export TIDEGATE_TOKEN_FILE=${rooms.folder}/operator.token`,
    '# what is known, what the last decision rested on, what would happen',
    `${tidegate} status`,
    `${tidegate} why`,
    `${tidegate} matrix`,
    '# drain a region for two minutes: look first, then do it; it says how to undo it',
    `${tidegate} drain ${region} --reason "trying it out" --ttl 2m --dry-run`,
    `${tidegate} drain ${region} --reason "trying it out" --ttl 2m --wait`,
    '# where users are sent; ask a few times',
    `dig @127.0.0.1 -p ${rooms.provider.dnsPort} ${SERVICE} +short`,
    `# kill a region, app and Tidegate${rooms.members === null ? '' : ' and its member of the store'}; nothing restarts it`,
    ...children.map(({ region: name, pid }) => `kill -9 ${[pid, ...pidOfMember(rooms, name)].join(' ')}   # ${name}`),
    '# logs and configuration',
    `ls ${rooms.folder}`,
  ];
  return lines.map((line) => `   ${line.startsWith('#') ? paint(line, 'quiet', paper) : line}\n`).join('');
};

const pidOfMember = ({ members }: Rooms, region: string): readonly number[] => (members === null ? [] : [members.of(region).pid]);

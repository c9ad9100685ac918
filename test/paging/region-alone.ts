// A region of a small cluster with a vote and a route of one's choice, and a disk that can be looked at, for tests of pages without a store.

import type { Disk } from '../../src/disk.ts';
import type { Route, Routing, Vote } from '../../src/model.ts';
import { clusterOf } from '../world.ts';

export const cluster3 = clusterOf(['ap', 'eu', 'us'], [{}]);

export const voteOf = (given: Partial<Vote> = {}): Vote => ({
  boot: 'b',
  seq: 1,
  configVersion: 1,
  self: { state: 'ok' },
  peers: ['a'],
  down: [],
  unready: [],
  unknown: [],
  ...given,
});

export const routingOf = (routes: Readonly<Record<string, Route>>, v = 7): Routing => ({
  v,
  epoch: 1,
  nonce: 'n',
  atMs: 0,
  membersVersion: 1,
  because: '',
  regionDrainsAtMs: {},
  auditHash: '',
  open: {},
  services: Object.fromEntries(
    Object.entries(routes).map(([name, route]) => [name, { fence: v, sinceAtMs: 0, mode: 'auto' as const, route, because: '', pools: {} }]),
  ),
});

/** Text that outlives the processes that write it. */
export interface Paper extends Disk {
  text: string;
}

export const paper = (): Paper => {
  const disk: Paper = {
    text: '',
    read: async () => disk.text,
    append: async (more) => {
      disk.text += more;
    },
    replace: async (all) => {
      disk.text = all;
    },
  };
  return disk;
};

// What the members of etcd say of themselves, each asked by itself over a connection of its own that is closed again: for `doctor`, never on the way of a
// decision. A member that does not answer is a finding and no error; what this identity may not ask is left out.
import { Metadata } from '@grpc/grpc-js';
import { errorText } from '../../errors.ts';
import type { Link } from '../../grpc-link.ts';
import { withDeadline } from '../../ports.ts';
import { type Endpoint, parseEndpoints } from './endpoint.ts';
import type { EtcdOptions } from './index.ts';
import { createPassport, type Passport } from './passport.ts';
import { loadProtocol, type RosterReply, type StatusReply } from './protocol.ts';

export interface EtcdMember {
  endpoint: string;
  /** Why it did not say; then the rest is empty. */
  because: string | null;
  version: string;
  dbBytes: number;
  /** null: it does not say (before 3.6). */
  quotaBytes: number | null;
  /** Id of the leader that it follows; empty: it knows none. */
  leader: string;
  isLearner: boolean;
  /** Alarms and other trouble in its own words. */
  errors: readonly string[];
  tookMs: number;
}

export interface Inspection {
  members: readonly EtcdMember[];
  /** Members of the cluster by name, whether or not this file names them; null: this identity may not ask, or nobody answers. */
  roster: readonly { name: string; isLearner: boolean }[] | null;
}

const SILENT = { version: '', dbBytes: 0, quotaBytes: null, leader: '', isLearner: false, errors: [] } as const;

/** In proto3 what is zero is not there: an id of 0 is no leader. */
const told = ({
  version = '',
  dbSize,
  dbSizeQuota,
  leader = '',
  isLearner = false,
  errors,
}: StatusReply): Omit<EtcdMember, 'endpoint' | 'because' | 'tookMs'> => ({
  version,
  dbBytes: Number(dbSize ?? 0),
  quotaBytes: dbSizeQuota === undefined || dbSizeQuota === '0' ? null : Number(dbSizeQuota),
  leader: leader === '0' ? '' : leader,
  isLearner,
  errors,
});

const rosterOf = ({ members }: RosterReply): Inspection['roster'] =>
  members.map(({ name = '', clientURLs, isLearner = false }) => ({
    name: name === '' ? (clientURLs[0] ?? 'a member that has not started yet') : name,
    isLearner,
  }));

/** A member that has lost its leader is to say so, not to refuse: no `hasleader` here. */
const tokenOnly = (passport: Passport): Metadata => {
  const metadata = new Metadata();
  for (const token of passport.metadata().get('token')) metadata.set('token', token);
  return metadata;
};

export const inspectEtcd = async (options: EtcdOptions): Promise<Inspection> => {
  const { endpoints, tls, user, resolve, ports, timeoutMs, log } = options;
  const protocol = loadProtocol();
  const passport = createPassport(protocol.authenticate, user, tls?.certPem, log);
  let roster: Inspection['roster'] = null;

  const speak = async (link: Link, endpoint: string, signal: AbortSignal): Promise<EtcdMember> => {
    // Who may not pass may still be told how the member is.
    await passport.ready(link, signal).catch(() => undefined);
    const startedAtMs = ports.clock.monoMs();
    const status = await link.ask(protocol.status, {}, tokenOnly(passport), signal);
    const tookMs = ports.clock.monoMs() - startedAtMs;
    roster ??= await link.ask(protocol.roster, {}, tokenOnly(passport), signal).then(rosterOf, () => null);
    return { endpoint, because: null, ...told(status), tookMs };
  };

  const ask = async (endpoint: Endpoint): Promise<EtcdMember> => {
    const { name } = endpoint;
    let link: Link | null = null;
    try {
      return await withDeadline(ports.timers, timeoutMs, 'no answer', async (signal) => {
        link = await endpoint.open(signal);
        return speak(link, name, signal);
      });
    } catch (error) {
      return { endpoint: name, because: errorText(error), ...SILENT, tookMs: timeoutMs };
    } finally {
      (link as Link | null)?.close();
    }
  };

  const members = await Promise.all(parseEndpoints(endpoints, tls, resolve).map(ask));
  return { members, roster };
};

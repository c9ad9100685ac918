// What is told of providers: each problem of each service once while it lasts, under a key of its own, and told again if its page could not be
// committed. The page is guarded on the leader record, so that a process that has lost it tells nothing.
import type { Term } from '../coordinate/coordinator.ts';
import { outboxKey } from '../coordinate/keys.ts';
import { page } from '../decide/incident.ts';
import type { ClusterConfig, Page, Routing, Severity } from '../model.ts';
import type { Ports } from '../ports.ts';
import type { News } from './plan.ts';

export interface ToldOptions {
  ports: Ports;
  now: () => { routing: Routing; cluster: ClusterConfig } | null;
  term: () => Term | null;
}

export interface Told {
  /**
   * The state of a service at its provider, or of the provider as a whole (`service` null): news, or null when there is none any more. `topic` keeps apart
   * what may be wrong with it side by side. The same news that has become worse is told again.
   */
  say(provider: string, service: string | null, news: News | null, topic?: string): Promise<void>;
}

const SEVERITIES: readonly Severity[] = ['info', 'warning', 'critical'];

export const createTold = ({ ports, now, term }: ToldOptions): Told => {
  /** The problem last told, by provider and service. */
  const known = new Map<string, News>();
  const isTold = (subject: string, { type, severity }: News): boolean => {
    const before = known.get(subject);
    return before?.type === type && SEVERITIES.indexOf(before.severity) >= SEVERITIES.indexOf(severity);
  };
  return {
    async say(provider, service, news, topic) {
      const subject = [provider, service, topic].filter((part) => part != null).join('-');
      if (news === null) {
        known.delete(subject);
        return;
      }
      const [at, right] = [now(), term()];
      if (at === null || right === null || isTold(subject, news)) return;
      known.set(subject, news);
      const nowMs = right.nowMs();
      const about = { cluster: at.cluster, v: at.routing.v, nonce: ports.random.hex(8), nowMs };
      const detail = { provider, ...(service === null ? {} : { services: [service] }) };
      const told: Page = {
        ...page(about, news.type, news.severity, news.summary, `provider-${subject}`, detail),
        // Not a decision's page: its version alone would not tell two of them apart.
        id: `${at.routing.v}-${news.type}-${subject}-${nowMs}`.replace(/[^A-Za-z0-9_-]/g, '_'),
      };
      if (!(await right.commit([], [{ put: outboxKey(told.id), value: told }]))) known.delete(subject);
    },
  };
};

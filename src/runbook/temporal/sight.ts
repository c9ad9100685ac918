// Where one namespace of the cloud is active, seen by its public name: `<namespace>.<account>.tmprl.cloud` points to its region, believed for 15 s. It takes no
// key and no quota, and answers while the Ops API does not. Recursive servers are asked anew each time, past our own memory of names; theirs is as old as the
// record lets it be.
import { type DnsServer, query, serverText } from '../../dns/exchange.ts';
import { canonicalName } from '../../dns/wire.ts';
import { errorText } from '../../errors.ts';
import type { Ports } from '../../ports.ts';
import { regionOfTarget } from './cloud-wire.ts';

export type Sight = { place: string } | { unseen: string };

const QUERY_MS = 1_500;

export interface NameSightOptions {
  ports: Pick<Ports, 'net' | 'timers' | 'random'>;
  /** In order of preference. */
  servers: readonly DnsServer[];
  /** For tests in virtual time. */
  ask?: typeof query;
}

/** In: the namespace with its account, as the cloud names it: `orders.a1b2c`. Rejects only when the signal aborts. */
export const sightByName = async (
  { ports, servers, ask = query }: NameSightOptions,
  namespace: string,
  signal: AbortSignal,
): Promise<Sight> => {
  const name = canonicalName(`${namespace}.tmprl.cloud`);
  const failures: string[] = [];
  for (const server of servers) {
    signal.throwIfAborted();
    try {
      const reply = await ask({ ports, server, name, type: 'CNAME', timeoutMs: QUERY_MS, recursionDesired: true, signal });
      const targets = reply.answers.flatMap((answer) => (answer.type === 'CNAME' && answer.name === name ? [answer.data] : []));
      const [target] = targets;
      if (reply.rcode !== 'NOERROR') failures.push(`${serverText(server)} answered ${reply.rcode}`);
      else if (target === undefined || targets.length > 1)
        failures.push(`${serverText(server)}: ${name} has ${targets.length} CNAME records`);
      else
        return regionOfTarget(target) === null
          ? { unseen: `${name} points to ${target}, which names no region` }
          : { place: regionOfTarget(target)! };
    } catch (error) {
      signal.throwIfAborted();
      failures.push(errorText(error));
    }
  }
  return { unseen: failures.join('; ') || 'no DNS server is configured' };
};

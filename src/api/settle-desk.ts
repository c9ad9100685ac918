// What humans settle of databases, as the API is asked: bodies and versions are judged here, what may be is judged by whoever writes it.
import { Fault } from '../errors.ts';
import type { ClusterConfig } from '../model.ts';
import { platformNamed } from '../runbook/reader.ts';
import { databaseNamed, type SettleAct, type Settler, type Settling } from '../runbook/tiers/settler.ts';
import { understood } from './keyed.ts';
import { BodyFault } from './problem.ts';
import type { RunAct } from './run-desk.ts';
import { parseSettle, parseUnsettle, regionProblems } from './settle-input.ts';

export interface Named {
  platform: string;
  database: string;
}

/** All throw what Settler does, and ERR_BAD_REQUEST; what writes also throws ERR_PRECONDITION where no version was named. */
export interface SettleDesk {
  /** `body` as it came. `dryRun`: judges, and writes nothing. */
  settle(named: Named, body: unknown, act: RunAct, dryRun: boolean): Promise<Settling>;
  unsettle(named: Named, body: unknown, act: RunAct, dryRun: boolean): Promise<Settling>;
}

/** What was not looked at is not settled: nobody's word is about what they have not seen. */
const actOf = ({ principal, ifMatch, asked }: RunAct, reason: string, dryRun: boolean): SettleAct => {
  const { name, services, how, once } = principal;
  const person = { name, services, how, ...(once === undefined ? {} : { once }) };
  if (!dryRun && ifMatch === null)
    throw new Fault(
      'ERR_PRECONDITION',
      'send the ETag of ?dryRun=true as If-Match, so that what you say is about what you have seen; or * to take whatever stands',
    );
  return { person, reason, ifMatch, asked: dryRun ? null : asked };
};

export const createSettleDesk = ({ settler }: { settler: Settler }): SettleDesk => {
  const databaseOf = (cluster: ClusterConfig, { platform, database }: Named) => databaseNamed(platformNamed(cluster, platform), database);
  return {
    async settle(named, body, act, dryRun) {
      const wanted = understood(parseSettle(body));
      const problems = regionProblems(wanted, databaseOf(act.cluster, named));
      if (problems.length > 0) throw new BodyFault(problems);
      const { region, fenced = [], reason } = wanted;
      return settler.settle(named.platform, named.database, { region, fenced }, actOf(act, reason, dryRun));
    },

    async unsettle(named, body, act, dryRun) {
      const { reason } = understood(parseUnsettle(body));
      return settler.unsettle(named.platform, named.database, actOf(act, reason, dryRun));
    },
  };
};

// Every change of a route has exactly one decision in the audit that accounts for it, in one chain; and whatever is served was decided.
import { createHash } from 'node:crypto';
import { auditKey } from '../../../src/coordinate/keys.ts';
import type { Audit, Route } from '../../../src/model.ts';
import type { Checker, Decided } from '../checker.ts';

const same = (a: Route, b: Route): boolean =>
  [...new Set([...Object.keys(a), ...Object.keys(b)])].every((pool) => (a[pool] ?? 0) === (b[pool] ?? 0));

export const explained: Checker = {
  name: 'explained',
  says: 'every change of route has one audit record; time and numbers only rise; what is served was decided',
  watch(_scene, blame) {
    /** `service v nonce` -> the route of that decision. */
    const decidedRoutes = new Map<string, Route>();

    const judgeAudit = ({ commit, before, after }: Decided): void => {
      const record = commit.after(auditKey(after.v));
      if (record?.mod !== commit.rev) {
        blame(`decision ${after.v} has no audit record of its own`);
        return;
      }
      const audit = record.value as Audit;
      if (audit.prevHash !== (before?.auditHash ?? '')) blame(`the audit of decision ${after.v} does not follow from the one before`);
      if (createHash('sha256').update(JSON.stringify(audit)).digest('hex') !== after.auditHash)
        blame(`decision ${after.v} does not carry the hash of its audit record`);
      for (const [service, { route, fence }] of Object.entries(after.services)) {
        const was = before?.services[service];
        const moved = was !== undefined && was.fence > 0 && !same(was.route, route);
        const told = audit.changes.filter((c) => c.service === service);
        if (moved && (told.length !== 1 || !same(told[0]?.after ?? {}, route)))
          blame(`decision ${after.v} moves ${service} and its audit tells ${told.length} changes of it`);
        if (moved && fence !== after.v) blame(`decision ${after.v} moves ${service} and leaves its fence at ${fence}`);
      }
    };

    return {
      decided(decided) {
        const { before, after, adopted } = decided;
        if (before !== null && !adopted && after.v !== before.v + 1) blame(`decision ${after.v} follows decision ${before.v}`);
        if (before !== null && after.v <= before.v) blame(`decision ${after.v} takes the place of decision ${before.v}`);
        if (before !== null && after.atMs < before.atMs) blame(`decision ${after.v} is ${before.atMs - after.atMs} ms before the last one`);
        judgeAudit(decided);
        for (const [service, { route, fence, nonce }] of Object.entries(after.services)) {
          const key = `${service} ${fence} ${nonce ?? ''}`;
          if (!decidedRoutes.has(key) || fence === after.v) decidedRoutes.set(key, route);
        }
      },
      serving(service, _before, after, how) {
        if (how !== 'write' || after === null) return;
        const decision = after.fence.nonce.slice(0, Math.max(0, after.fence.nonce.lastIndexOf('-')));
        const route = decidedRoutes.get(`${service} ${after.fence.v} ${decision}`);
        if (route === undefined) blame(`${service} is served with fence ${after.fence.v}, which nobody decided`);
        else if (!same(after.shares, route))
          blame(
            `${service} is served as ${JSON.stringify(after.shares)} with fence ${after.fence.v}, decided was ${JSON.stringify(route)}`,
          );
      },
    };
  },
};

// Last pool: a route without traffic is never published, and no drain may take the last pool that carries any.
import { ruleOf } from '../policy.ts';

export const lastPool = ruleOf<Record<never, never>>({
  kind: 'last-pool',
  question: 'Does anybody still serve after this change?',
  risk: 'high',
  passedBy: 'nobody',
  mayHoldTheDead: true,
  judges: ['health', 'order'],
  defaults: {},
  judge({ service, after }) {
    const carrying = service.pools.filter((p) => (after[p.name] ?? 0) > 0);
    if (carrying.length > 0) return { allow: true };
    return {
      allow: false,
      because: `${service.name} would have 0 of ${service.pools.length} pools carrying traffic (needs 1)`,
      againAtMs: null,
      counterfactual: 'with one more pool carrying traffic it would have passed',
    };
  },
});

// Gating: pools that may begin or cease to carry traffic only while others, the gates, carry it (or do not), in the manner of AWS ARC.
import { type Counting, controlsOf, lacking, ruleOnEach, ruleOnWait, says } from '../controls.ts';
import { type RouteChange, type Ruling, ruleOf, type World } from '../policy.ts';

export interface Gating extends Counting {
  gates: readonly string[];
  targets: readonly string[];
}

const judgeOne = (gating: Gating, change: RouteChange, world: World, nowMs: number): Ruling => {
  const changed = controlsOf(gating.targets, change, world).filter((c) => c.before !== c.after);
  if (changed.length === 0) return { allow: true };
  const gates = controlsOf(gating.gates, change, world).map((c) => c.after);
  const lacks = lacking(gating, gates);
  const targets = changed.map((c) => c.name).join(', ');
  if (lacks > 0) {
    return {
      allow: false,
      because: `${gating.name} lets ${targets} change only while ${says(gating, gates.length)} of its gates carry traffic; it is ${gates.filter(Boolean).length}`,
      againAtMs: null,
      counterfactual: `with ${lacks} ${gating.inverted ? 'fewer' : 'more'} of its gates carrying it would have passed`,
    };
  }
  return ruleOnWait(gating, gating.targets, 'targets', world, nowMs);
};

export const gating = ruleOf<{ rules: readonly Gating[] }>({
  kind: 'gating',
  question: 'Are the gates open that let these pools change?',
  risk: 'high',
  passedBy: 'break-glass',
  mayHoldTheDead: false,
  judges: ['health', 'return', 'order'],
  defaults: { rules: [] },
  judge: (change, world, { rules }, nowMs) => ruleOnEach(rules, (rule) => judgeOne(rule, change, world, nowMs)),
});

// Assertion: named rules that must hold over pools that carry traffic, in the manner of AWS ARC: at least so many, all, or any of them, or the contrary.
// A change that leaves a rule as far from holding as it was, or brings it nearer, passes: nobody is kept from mending it.
import { type Counting, controlsOf, lacking, ruleOnEach, ruleOnWait, says } from '../controls.ts';
import { type RouteChange, type Ruling, ruleOf, type World } from '../policy.ts';

export interface Assertion extends Counting {
  /** `service/pool`: on while it carries traffic. */
  controls: readonly string[];
}

const judgeOne = (assertion: Assertion, change: RouteChange, world: World, nowMs: number): Ruling => {
  const controls = controlsOf(assertion.controls, change, world);
  const changed = controls.filter((c) => c.before !== c.after);
  if (changed.length === 0) return { allow: true };
  const [before, after] = [controls.map((c) => c.before), controls.map((c) => c.after)];
  const lacks = lacking(assertion, after);
  if (lacks > lacking(assertion, before)) {
    const on = after.filter(Boolean).length;
    return {
      allow: false,
      because: `${assertion.name} asks for ${says(assertion, controls.length)} to carry traffic; it would be ${on} (${changed.map((c) => c.name).join(', ')})`,
      againAtMs: null,
      counterfactual: `with ${lacks} ${assertion.inverted ? 'fewer' : 'more'} of them carrying it would have passed`,
    };
  }
  // What mends a rule that does not hold need not wait.
  return lacks > 0 || lacking(assertion, before) > 0 ? { allow: true } : ruleOnWait(assertion, assertion.controls, 'pools', world, nowMs);
};

export const assertion = ruleOf<{ rules: readonly Assertion[] }>({
  kind: 'assertion',
  question: 'Do enough of the named pools carry traffic after this change?',
  risk: 'high',
  passedBy: 'break-glass',
  mayHoldTheDead: false,
  judges: ['health', 'return', 'order'],
  defaults: { rules: [] },
  judge: (change, world, { rules }, nowMs) => ruleOnEach(rules, (rule) => judgeOne(rule, change, world, nowMs)),
});

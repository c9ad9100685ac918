// Which deployment model fits: from what must be met and what is so to a recommendation, with reasons and its price. Start with Active/Cold; leave it only for
// a reason. Pure.
import { say } from '../config/words.ts';
import { MODEL_KINDS, type ModelKind } from './platform.ts';

/** What was answered. Absent: nobody said. */
export interface Answers {
  /** From the failure until the other region works. */
  rtoMs?: number;
  /** Between the regions, there and back. */
  rttMs?: number;
  /** One database takes all writes, in one region at a time. */
  singleWriter?: boolean;
  /** It is declared what may be read in one region after a write in the other. */
  consistency?: boolean;
  /** How many fleets there is money for. */
  budget?: 'one-fleet' | 'two-fleets';
  /** Until everything is ready in a region where nothing ran, p95 of drills. */
  coldStartMs?: number;
  /** Each region's fleets reach Temporal, codec servers and data by addresses of their own region. */
  pinned?: boolean;
  /** Users have to be served by both regions while all is well. */
  serveBoth?: boolean;
  /** Some data may not leave its region. */
  regionBound?: boolean;
}

/** Until a quorum has decided. */
const DETECT_MS = 30_000;
/** From ready to the first task that is done. */
const FIRST_TASK_MS = 5_000;
/** A new node, an image that has to be pulled. */
const COLD_START_MS = 240_000;
/** A failover of namespaces, with detection. */
const HOT_MS = 45_000;
/** The same where the lost region was the active one: its endpoint's name has to be resolved anew. */
const ACTIVE_ACTIVE_MS = 80_000;
/** Calls to Temporal that cross regions on each poll: more, and workers of the passive region fall behind. */
export const RTT_MAX_MS = 150;

interface Objection {
  /** `time`: it would fit, but for the RTO. */
  kind: 'time' | 'rule';
  because: string;
}

export interface Fit {
  model: ModelKind;
  /** From the failure, p95. */
  recoveryMs: number;
  /** Why it is not the one; empty: nothing is against it. */
  against: readonly string[];
}

export interface Advice {
  model: ModelKind;
  recoveryMs: number;
  /** null: no RTO was said. */
  meets: boolean | null;
  reasons: readonly string[];
  costs: readonly string[];
  fits: readonly Fit[];
  /** What nobody said, and what it would change. */
  missing: readonly { answer: keyof Answers; changes: string }[];
}

const recoveryOf = (model: ModelKind, { coldStartMs = COLD_START_MS, pinned }: Answers): number => {
  const coldMs = DETECT_MS + coldStartMs + FIRST_TASK_MS;
  // Each entry of Dual Active is cold or hot, and hot where it may be.
  const dualMs = pinned === true ? HOT_MS : coldMs;
  return { 'active-cold': coldMs, 'active-hot': HOT_MS, 'active-active': ACTIVE_ACTIVE_MS, 'dual-active': dualMs }[model];
};

const rule = (because: string): Objection => ({ kind: 'rule', because });

const tooSlow = (model: ModelKind, answers: Answers): readonly Objection[] => {
  const recoveryMs = recoveryOf(model, answers);
  const { rtoMs } = answers;
  return rtoMs !== undefined && recoveryMs > rtoMs
    ? [{ kind: 'time', because: `it takes up to ${say(recoveryMs)}, and ${say(rtoMs)} is wanted` }]
    : [];
};

const tooDear = ({ budget }: Answers): readonly Objection[] => (budget === 'one-fleet' ? [rule('there is money for one fleet')] : []);

const OBJECTIONS: Readonly<Record<ModelKind, (answers: Answers) => readonly Objection[]>> = {
  'active-cold': () => [],
  'active-hot': ({ pinned }) =>
    pinned === true
      ? []
      : [
          rule(
            `${pinned === false ? 'fleets reach others by addresses that are not of their region' : 'nobody said whether fleets reach others by addresses of their own region'}: then a failover waits for DNS, and an idle fleet is paid for nothing`,
          ),
        ],
  'active-active': ({ serveBoth, consistency, rttMs }) => [
    ...(serveBoth === true ? [] : [rule('nobody needs both regions to serve at once')]),
    ...(consistency === true ? [] : [rule('it is not declared what may be read in one region after a write in the other')]),
    ...(rttMs === undefined
      ? [rule('the time between the regions is not known')]
      : rttMs > RTT_MAX_MS
        ? [rule(`${say(rttMs)} between the regions is more than the ${RTT_MAX_MS} ms that polls across them bear`)]
        : []),
  ],
  'dual-active': ({ regionBound, singleWriter }) => [
    ...(regionBound === true ? [] : [rule('no data is bound to a region')]),
    ...(singleWriter === true ? [rule('one database that takes all writes couples what this model keeps apart')] : []),
  ],
};

const objectionsTo = (model: ModelKind, answers: Answers): readonly Objection[] => [
  ...OBJECTIONS[model](answers),
  ...(model === 'active-cold' ? [] : tooDear(answers)),
  // Where data is bound to its region nothing else is allowed, however long it takes.
  ...(model === 'dual-active' ? [] : tooSlow(model, answers)),
];

/** The first that nothing is against, of those that somebody needs; then the one that comes nearest in time. */
const choose = (answers: Answers): ModelKind => {
  const against = (model: ModelKind): readonly Objection[] => objectionsTo(model, answers);
  for (const model of ['dual-active', 'active-active'] as const) if (against(model).length === 0) return model;
  if (against('active-cold').length === 0) return 'active-cold';
  return against('active-hot').every(({ kind }) => kind === 'time') ? 'active-hot' : 'active-cold';
};

const reasonsFor = (model: ModelKind, answers: Answers): readonly string[] => {
  const { rtoMs, coldStartMs } = answers;
  const cold = say(recoveryOf('active-cold', answers));
  const source =
    coldStartMs === undefined ? 'assumed, since no drill was said to have measured it' : 'with the cold start that drills measured';
  switch (model) {
    case 'active-cold':
      return [
        'Active/Passive comes first, and this is its simplest form: one fleet, one place in which anything happens',
        rtoMs === undefined || recoveryOf(model, answers) <= rtoMs
          ? `a cold start is soon enough: up to ${cold} from the failure (${source})${rtoMs === undefined ? ', as long as nobody says otherwise' : ''}`
          : `it takes up to ${cold} (${source}), which is too long; what would be faster is ruled out below`,
      ];
    case 'active-hot':
      return [
        `a cold start takes up to ${cold} (${source}), and ${say(rtoMs ?? 0)} is wanted`,
        'fleets reach others by addresses of their own region, so a failover waits neither for DNS nor for a start',
      ];
    case 'active-active':
      return [
        'both regions have to serve at once, and it is declared what may be read where',
        `${say(answers.rttMs ?? 0)} between the regions is within the ${RTT_MAX_MS} ms that polls across them bear`,
      ];
    case 'dual-active':
      return [
        'some data may not leave its region, so each region has namespaces of its own',
        'Temporal advises to run that as two independent Active/Passive deployments: two platforms of Tidegate, or one of this model whose entries share nothing',
      ];
  }
};

const COSTS: Readonly<Record<ModelKind, readonly string[]>> = {
  'active-cold': ['one fleet', 'recovery waits for images and warm-up: only drills show how long, and whether it still works'],
  'active-hot': [
    'a second fleet that idles, as large as what it will carry: this model never scales',
    'every fleet on the Regional Endpoint of its region, and forwarding of passive pollers switched off',
  ],
  'active-active': [
    'two fleets that work, each with room for the share of the other',
    'data that both regions write, or whose reads may be old, and somebody who has thought that through',
  ],
  'dual-active': [
    'two of everything, and routing by tenant in front of it',
    'no database, queue or fleet that both sides share: that is what audits look for',
  ],
};

const costsOf = (model: ModelKind, { singleWriter, rttMs }: Answers): readonly string[] => [
  ...COSTS[model],
  ...(model === 'active-active' && singleWriter === true
    ? [
        `every write of the region without the writer crosses ${rttMs === undefined ? 'regions' : say(rttMs)}, and the writer is promoted when its region is lost`,
      ]
    : []),
  ...(singleWriter === true && (model === 'active-cold' || model === 'active-hot')
    ? [
        'the database is promoted in the run: what it had not replicated is lost in an ungraceful one, so give it a fence and a gate on its lag',
      ]
    : []),
];

/** For each answer that may be missing: what is tried in its place, with how it reads. */
const TRIALS: { readonly [K in keyof Answers]-?: readonly (readonly [NonNullable<Answers[K]>, string])[] } = {
  rtoMs: [
    [60_000, '60 s'],
    [300_000, '5 min'],
    [900_000, '15 min'],
  ],
  rttMs: [
    [RTT_MAX_MS, `${RTT_MAX_MS} ms or less`],
    [RTT_MAX_MS + 1, 'more'],
  ],
  singleWriter: [
    [true, 'yes'],
    [false, 'no'],
  ],
  consistency: [
    [true, 'yes'],
    [false, 'no'],
  ],
  budget: [
    ['one-fleet', 'one fleet'],
    ['two-fleets', 'two fleets'],
  ],
  coldStartMs: [
    [20_000, '20 s'],
    [60_000, '60 s'],
    [600_000, '10 min'],
  ],
  pinned: [
    [true, 'yes'],
    [false, 'no'],
  ],
  serveBoth: [
    [true, 'yes'],
    [false, 'no'],
  ],
  regionBound: [
    [true, 'yes'],
    [false, 'no'],
  ],
};

interface Outcome {
  model: ModelKind;
  meets: boolean | null;
  costs: number;
}

const outcomeOf = (answers: Answers): Outcome => {
  const model = choose(answers);
  const meets = answers.rtoMs === undefined ? null : recoveryOf(model, answers) <= answers.rtoMs;
  return { model, meets, costs: costsOf(model, answers).length };
};

const changesBy = (answer: keyof Answers, answers: Answers): string => {
  const now = outcomeOf(answers);
  const changes = TRIALS[answer].flatMap(([value, words]): readonly string[] => {
    const then = outcomeOf({ ...answers, [answer]: value });
    if (then.model !== now.model) return [`${words}: ${then.model}${then.meets === false ? ', which would not meet it' : ''}`];
    if (then.meets === false && now.meets !== false) return [`${words}: ${then.model} would not meet it`];
    if (then.meets === true && now.meets === false) return [`${words}: ${then.model} would meet it`];
    return then.costs === now.costs ? [] : [`${words}: the same, at a higher price`];
  });
  return changes.length === 0 ? 'by itself it would change nothing' : changes.join('; ');
};

const ANSWERS = Object.keys(TRIALS) as readonly (keyof Answers)[];

/** A recommendation for any answers, also for none. */
export const adviseOn = (answers: Answers): Advice => {
  const { model, meets } = outcomeOf(answers);
  return {
    model,
    recoveryMs: recoveryOf(model, answers),
    meets,
    reasons: reasonsFor(model, answers),
    costs: costsOf(model, answers),
    fits: MODEL_KINDS.map((kind) => ({
      model: kind,
      recoveryMs: recoveryOf(kind, answers),
      against:
        kind === 'active-hot' && model === 'active-cold' && meets !== false
          ? ['a cold start is soon enough, and costs one fleet less']
          : objectionsTo(kind, answers).map(({ because }) => because),
    })),
    missing: ANSWERS.filter((answer) => answers[answer] === undefined).map((answer) => ({ answer, changes: changesBy(answer, answers) })),
  };
};

// Is a recorded history of concurrent operations one that a single register could have shown? A search after Wing and Gong with Lowe's just-in-time
// linearisation: events in order of time; at each return every possible past (the state, which of the pending operations have taken effect) is carried
// on, each past once; when none is left, the events so far are the shortest prefix that cannot be explained. What has not returned, or was answered
// with "unknown", may take effect at any later time or never.
// Instants of one clock; an operation that begins in the millisecond in which another ends is concurrent with it. Too hard is an error, never a pass.

export interface Operation {
  /** Keys are independent registers; absent: there is one. */
  key?: string;
  process: string;
  invokedAtMs: number;
  /** Null: its outcome is unknown. */
  returnedAtMs: number | null;
  kind: 'read' | 'write' | 'cas' | 'put' | 'delete';
  args?: unknown;
  /** Of no account when the outcome is unknown. */
  result?: unknown;
}

export type Verdict =
  | { ok: true; operations: number }
  | {
      ok: false;
      key: string;
      /** One sentence: the operation whose answer no past explains, and what it could have met. */
      because: string;
      /** The shortest prefix without an explanation: all that had begun when that operation returned, what had not returned by then open, itself last. */
      prefix: readonly Operation[];
    };

/** What an object does: the state after `op` with the answer it gave, or undefined when it cannot have given it. States are JSON values. */
interface Model<State> {
  initial: State;
  /** `known` false: whatever the answer would have been. */
  step(state: State, op: Operation, known: boolean): State | undefined;
  /** Operations of unknown outcome with the same text do the same: one of them is as good as another. */
  alike(op: Operation): string;
}

const textOf = (value: unknown): string => JSON.stringify(value) ?? 'null';
const same = (a: unknown, b: unknown): boolean => textOf(a) === textOf(b);

/** Stands for every value that no operation asks for: which of them is there makes no difference to anybody. */
const OTHER = '(a value that is never asked for)';

/** `read` -> value; `write` args: value; `cas` args: { from, to } -> whether it was done. Values are compared as JSON; recorders make them unique. */
const registerModel = (history: readonly Operation[], initial: unknown): Model<unknown> => {
  const asked = new Set(
    history.flatMap(({ kind, args, result, returnedAtMs }) =>
      kind === 'cas' ? [textOf((args as { from: unknown }).from)] : kind === 'read' && returnedAtMs !== null ? [textOf(result)] : [],
    ),
  );
  const become = (value: unknown): unknown => (asked.has(textOf(value)) ? value : OTHER);
  return {
    initial: become(initial),
    step(state, { kind, args, result }, known) {
      if (kind === 'read') return !known || same(state, result) ? state : undefined;
      if (kind === 'write') return become(args);
      const { from, to } = args as { from: unknown; to: unknown };
      const won = same(state, from);
      if (known && won !== result) return undefined;
      return won ? become(to) : state;
    },
    alike({ kind, args }) {
      if (kind !== 'cas') return textOf([kind, become(args)]);
      const { from, to } = args as { from: unknown; to: unknown };
      return textOf([kind, from, become(to)]);
    },
  };
};

export interface DocumentState {
  version: number;
  /** Id to anything that tells two orders with this id apart. */
  items: Readonly<Record<string, unknown>>;
}

/**
 * The override document. `read` -> DocumentState; `put` args: { id, mark, ifVersion? }, `delete` args: { id, ifVersion? } -> { version } (that of the
 * change, or a later one: an answer may have been found by reading back), 'stale' or 'missing'.
 */
const documentModel = (initial: DocumentState = { version: 0, items: {} }): Model<DocumentState> => ({
  initial,
  step(state, { kind, args, result }, known) {
    if (kind === 'read') return !known || same(sorted(state), sorted(result as DocumentState)) ? state : undefined;
    const { id, mark, ifVersion } = args as { id: string; mark?: unknown; ifVersion?: number };
    const refusal =
      // What is not there is missing whatever version was named (RFC 9110 13.2.1: conditions count where the answer would else be a success).
      kind === 'delete' && !(id in state.items) ? 'missing' : ifVersion !== undefined && ifVersion !== state.version ? 'stale' : null;
    if (known && typeof result === 'string')
      return result === refusal || (result === 'stale' && ifVersion === undefined) ? state : undefined;
    if (refusal !== null) return known ? undefined : state;
    const version = state.version + 1;
    if (known && (result as { version: number }).version < version) return undefined;
    const { [id]: _, ...rest } = state.items;
    return { version, items: kind === 'delete' ? rest : { ...rest, [id]: mark } };
  },
  alike: ({ kind, args }) => textOf([kind, args]),
});

const sorted = ({ version, items }: DocumentState): unknown => [version, Object.entries(items).sort(([a], [b]) => (a < b ? -1 : 1))];

/** Each key by itself: a history is linearizable iff each of its objects' is. Throws when it is malformed or too hard. */
export const checkRegister = (history: readonly Operation[], initial: unknown = null): Verdict => {
  for (const [key, ops] of Map.groupBy(history, (op) => op.key ?? '')) {
    const verdict = check(ops, registerModel(ops, initial), key);
    if (!verdict.ok) return verdict;
  }
  return { ok: true, operations: history.length };
};

/** All operations are on one document; keys are of no account. */
export const checkDocument = (history: readonly Operation[], initial?: DocumentState): Verdict =>
  check(history, documentModel(initial), 'document');

// ---- the search ----

/** One possible past. `done`: bits of pending operations that have taken effect. `used`: operations of unknown outcome that did, ascending. */
interface Past {
  state: number;
  done: number;
  used: readonly number[];
}

/** Pasts looked at over one history: some seconds' worth. */
const WORK_MAX = 20_000_000;
const SLOTS_MAX = 31;

interface Search {
  /** The state after operation `op` in state `state`; -1: impossible. */
  step(state: number, op: number): number;
  stateText(state: number): string;
}

/** States as small numbers, each transition worked out once. */
const searchOf = <State>(ops: readonly Operation[], model: Model<State>): Search => {
  const states: State[] = [];
  const numbers = new Map<string, number>();
  const numberOf = (state: State): number => {
    const text = textOf(state);
    const known = numbers.get(text);
    if (known !== undefined) return known;
    numbers.set(text, states.length);
    states.push(state);
    return states.length - 1;
  };
  numberOf(model.initial);
  const steps: Int32Array[] = [];
  return {
    step(state, at) {
      const op = ops[at]!;
      let row = steps[state];
      if (row === undefined) {
        row = new Int32Array(ops.length).fill(-2);
        steps[state] = row;
      }
      const known = row[at]!;
      if (known !== -2) return known;
      const next = model.step(states[state]!, op, op.returnedAtMs !== null);
      const number = next === undefined ? -1 : numberOf(next);
      row[at] = number;
      return number;
    },
    stateText: (state) => textOf(states[state]),
  };
};

interface Event {
  atMs: number;
  op: number;
  returns: boolean;
}

const eventsOf = (ops: readonly Operation[]): readonly Event[] =>
  ops
    .flatMap((op, at): Event[] => {
      if (op.returnedAtMs !== null && op.returnedAtMs < op.invokedAtMs)
        throw new Error(`operation ${at} of ${op.process} returned before it was invoked`);
      const calls: Event = { atMs: op.invokedAtMs, op: at, returns: false };
      return op.returnedAtMs === null ? [calls] : [calls, { atMs: op.returnedAtMs, op: at, returns: true }];
    })
    .sort((a, b) => a.atMs - b.atMs || Number(a.returns) - Number(b.returns) || a.op - b.op);

/** Pasts without those that another one covers: the same, with fewer operations of unknown outcome spent. */
class Pasts {
  readonly #groups = new Map<number, Map<number, Past[]>>();
  size = 0;
  /** False: it is covered already. */
  add(past: Past): boolean {
    const group = this.#groups.get(past.state) ?? new Map<number, Past[]>();
    this.#groups.set(past.state, group);
    const known = group.get(past.done);
    if (known === undefined) group.set(past.done, [past]);
    else {
      if (known.some(({ used }) => isWithin(used, past.used))) return false;
      const left = known.filter(({ used }) => !isWithin(past.used, used));
      this.size -= known.length - left.length;
      group.set(past.done, [...left, past]);
    }
    this.size += 1;
    return true;
  }
  *all(): Iterable<Past> {
    for (const group of this.#groups.values()) for (const list of group.values()) yield* list;
  }
}

const isWithin = (a: readonly number[], b: readonly number[]): boolean => {
  let at = 0;
  for (const item of a) {
    while (at < b.length && b[at]! < item) at += 1;
    if (b[at] !== item) return false;
  }
  return true;
};

const check = <State>(history: readonly Operation[], model: Model<State>, key: string): Verdict => {
  // A read of unknown outcome says nothing.
  const ops = history.filter((op) => op.returnedAtMs !== null || op.kind !== 'read').toSorted((a, b) => a.invokedAtMs - b.invokedAtMs);
  const search = searchOf(ops, model);
  /** Operation by its bit; undefined: free. */
  const slots: (number | undefined)[] = [];
  const slotOf = new Map<number, number>();
  const unknowns: number[] = [];
  const alike = ops.map((op) => (op.returnedAtMs === null ? model.alike(op) : ''));
  let pasts = new Pasts();
  pasts.add({ state: 0, done: 0, used: [] });
  let work = 0;

  /** All pasts in which `target` has taken effect, each with nothing after it that need not be before it. */
  const upTo = (target: number): Pasts => {
    const bit = 1 << slotOf.get(target)!;
    const reached = new Pasts();
    const seen = new Pasts();
    // `before`: the state under an operation of unknown outcome that was just spent; it must make a difference to what comes next.
    const open: { past: Past; before: number }[] = [];
    for (const past of pasts.all()) {
      if ((past.done & bit) !== 0) reached.add({ ...past, done: past.done & ~bit });
      else open.push({ past, before: -1 });
    }
    for (let item = open.pop(); item !== undefined; item = open.pop()) {
      const { past, before } = item;
      const isIdle = (op: number, state: number): boolean => before !== -1 && search.step(before, op) === state;
      for (const [slot, op] of slots.entries()) {
        if (op === undefined || (past.done & (1 << slot)) !== 0) continue;
        work += 1;
        const state = search.step(past.state, op);
        if (state === -1 || isIdle(op, state)) continue;
        if (op === target) reached.add({ state, done: past.done, used: past.used });
        else {
          const next: Past = { state, done: past.done | (1 << slot), used: past.used };
          if (seen.add(next)) open.push({ past: next, before: -1 });
        }
      }
      const tried = new Set<string>();
      for (const op of unknowns) {
        if (past.used.includes(op) || tried.has(alike[op]!)) continue;
        tried.add(alike[op]!);
        work += 1;
        const state = search.step(past.state, op);
        if (state === -1 || state === past.state || isIdle(op, state)) continue;
        const next: Past = { state, done: past.done, used: [...past.used, op].sort((a, b) => a - b) };
        if (seen.add(next)) open.push({ past: next, before: past.state });
      }
      if (work > WORK_MAX)
        throw new Error(`the history of "${key}" is too hard to check: ${ops.length} operations, ${unknowns.length} of unknown outcome`);
    }
    return reached;
  };

  for (const event of eventsOf(ops)) {
    const op = ops[event.op]!;
    if (!event.returns && op.returnedAtMs === null) unknowns.push(event.op);
    else if (!event.returns) {
      const free = slots.indexOf(undefined);
      const slot = free === -1 ? slots.length : free;
      if (slot >= SLOTS_MAX) throw new Error(`more than ${SLOTS_MAX} operations on "${key}" at once: give fewer processes`);
      slots[slot] = event.op;
      slotOf.set(event.op, slot);
    } else {
      const after = upTo(event.op);
      if (after.size === 0) {
        const could = [...new Set([...pasts.all()].map(({ state }) => search.stateText(state)))];
        return refused(key, ops, event, could);
      }
      slots[slotOf.get(event.op)!] = undefined;
      pasts = after;
    }
  }
  return { ok: true, operations: history.length };
};

const described = ({ process, kind, args, result, invokedAtMs, returnedAtMs }: Operation): string =>
  `${kind}${args === undefined ? '' : ` ${textOf(args)}`} by ${process} from ${invokedAtMs} to ${returnedAtMs ?? '?'} ms${
    returnedAtMs === null ? '' : ` answered ${textOf(result)}`
  }`;

const refused = (key: string, ops: readonly Operation[], event: Event, could: readonly string[]): Verdict => {
  const op = ops[event.op]!;
  const begun = ops.filter((other) => other !== op && other.invokedAtMs <= event.atMs);
  const beside = begun.filter(({ returnedAtMs }) => returnedAtMs === null || returnedAtMs >= op.invokedAtMs);
  const shown = could.length > 5 ? [...could.slice(0, 5), `and ${could.length - 5} more`] : could;
  return {
    ok: false,
    key,
    because: `${key === '' ? '' : `${key}: `}${described(op)}, but before it the state can only have been ${shown.join(' or ')}; concurrent: ${
      beside.length === 0 ? 'nothing' : beside.slice(-5).map(described).join('; ')
    }`,
    prefix: [...begun.map((other) => ((other.returnedAtMs ?? 0) > event.atMs ? { ...other, returnedAtMs: null } : other)), op],
  };
};

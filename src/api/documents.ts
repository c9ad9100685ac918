// The documents of what is known now, made for all who ask. A cluster of thousands of targets makes them large, and the loop that makes them also probes: so
// each is made a few times a second at most, however many look.
import { type Ports, sleep } from '../ports.ts';
import { type Encoded, encoding } from './encoded.ts';
import { type OverviewDocument, overviewDocument, type ServiceDocument, serviceDocument } from './overview.ts';
import { madeInSlices, type Steps } from './slices.ts';
import {
  makingStatus,
  type ServiceFacts,
  type StatusDocument,
  type StatusInput,
  type StatusInShort,
  servicesIn,
  statusInShort,
} from './status.ts';

export interface Documents {
  /** The whole as text, at most 100 ms old and as long as it took to make, in slices. null: no cluster configuration is known yet. */
  status(): Promise<Encoded | null>;
  /** What checks of this replica's health ask about it, at most 100 ms old. null: as `status`. */
  short(): StatusInShort | null;
  /** The whole for eyes, at most a second old: everybody's page asks for it by itself. null: as `status`. */
  glance(): Promise<StatusDocument | null>;
  /** Never older than the question: who asks too soon after the last one waits for the next, for half a second at most. null: as `status`. */
  overview(): Promise<OverviewDocument | null>;
  /** At most 100 ms old. Empty: as `status`. */
  services(): readonly ServiceFacts[];
  /** At most 100 ms old, and one for all who ask meanwhile. null: as `status`, or no service of this name is configured. */
  service(name: string): ServiceDocument | null;
}

const LATELY_MS = 100;
const GLANCE_MS = 1_000;
const SHARED_MS = 500;

/** What `make` made, at most 100 ms ago: two hundred askers a second cost as much as ten. What takes long to make counts from when it is there. */
export const lately = <T>(clock: Ports['clock'], make: () => T): (() => T) => {
  let made: { atMs: number; value: T } | null = null;
  return () => {
    if (made !== null && clock.monoMs() - made.atMs < LATELY_MS) return made.value;
    const value = make();
    made = { atMs: clock.monoMs(), value };
    return value;
  };
};

/**
 * What `make` makes, at most twice a second, for all who ask meanwhile. It is made after each of them asked: who comes because of an event must see what
 * the event told of, and may hear of nothing more.
 */
export const shared = <T>({ clock, timers }: Pick<Ports, 'clock' | 'timers'>, make: () => T): (() => Promise<T>) => {
  let madeAtMs = Number.NEGATIVE_INFINITY;
  let next: Promise<T> | null = null;
  const makeNext = async (): Promise<T> => {
    const waitMs = madeAtMs + SHARED_MS - clock.monoMs();
    // Also without a wait it goes on later: by then it is what the next to ask waits for.
    await (waitMs > 0 ? sleep(timers, waitMs) : undefined);
    next = null;
    try {
      return make();
    } finally {
      madeAtMs = clock.monoMs();
    }
  };
  return () => {
    next ??= makeNext();
    return next;
  };
};

/** Of one service one document, as long as what it is made of is the same. */
const onceByName = <T extends object>(make: (given: StatusInput, name: string) => T | null) => {
  const made = new WeakMap<StatusInput, Map<string, T>>();
  return (given: StatusInput, name: string): T | null => {
    const known = made.get(given) ?? new Map<string, T>();
    made.set(given, known);
    const document = known.get(name) ?? make(given, name);
    if (document !== null) known.set(name, document);
    return document;
  };
};

/** `input`: what is known now; null before a cluster is. */
export const createDocuments = (ports: Pick<Ports, 'clock' | 'timers'>, input: () => StatusInput | null): Documents => {
  const known = lately(ports.clock, input);
  const serviceOf = onceByName(serviceDocument);
  const from = <T>(make: (given: StatusInput) => T, given: StatusInput | null): T | null => (given === null ? null : make(given));
  function* whole(): Steps<StatusDocument | null> {
    const given = input();
    return given === null ? null : yield* makingStatus(given);
  }
  /** Bytes: about as many as last time. */
  let expected = 0;
  function* text(): Steps<Encoded | null> {
    const document = yield* whole();
    if (document === null) return null;
    const encoded = yield* encoding(document, expected);
    expected = Math.ceil(1.1 * encoded.plain.length);
    return encoded;
  }
  return {
    status: madeInSlices(ports, text, LATELY_MS),
    short: lately(ports.clock, () => from(statusInShort, known())),
    glance: madeInSlices(ports, whole, GLANCE_MS),
    overview: shared(ports, () => from(overviewDocument, input())),
    services: lately(ports.clock, () => from(servicesIn, known()) ?? []),
    service: (name) => from((given) => serviceOf(given, name), known()),
  };
};

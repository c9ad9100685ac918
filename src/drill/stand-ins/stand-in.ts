// A stand-in: a hand-written server that answers as a vendor's API does, for the demo and for tests where the vendor has nothing of its own to run. It knows
// the vendor's rules that a route can run into (compare-and-swap, atomic batches, legal values), keeps its state in memory, and is named a stand-in wherever
// it is used. What it cannot prove is said in test/README.md.

/** One name or load balancer as users are served it now: relative weights by address, or by the vendor's object. All zero or empty: nothing is served. */
export interface StandInServed {
  name: string;
  weights: Readonly<Record<string, number>>;
}

export interface StandInOptions {
  /** From a request to its reply. */
  latencyMs?: number;
  /** From the reply of a change to its effect on users. */
  visibleAfterMs?: number;
  /** Each change of what users are served, when it takes effect. */
  onServed?: (served: StandInServed) => void;
}

/** One request as it came, for tests of least privilege and quota. Bodies are parsed where they are JSON, text otherwise. */
export interface StandInCall {
  method: string;
  path: string;
  body: unknown;
  status: number;
}

export interface StandIn {
  /** `http://127.0.0.1:port`, or whatever the vendor's client wants as its base. */
  url: string;
  calls(): readonly StandInCall[];
  close(): Promise<void>;
}

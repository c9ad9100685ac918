// Kinds of steps on real systems, called as an executor calls them, each test with systems of its own: what one process knew, the next does not.
import { createHttp } from '../../../src/http.ts';
import { registerSecret } from '../../../src/log.ts';
import { realPorts } from '../../../src/ports.ts';
import type { Call, Effect, Facts, Reading, StepContext, StepKind, System } from '../../../src/runbook/kind.ts';
import { kinds } from '../../../src/runbook/kinds.ts';
import type { StepKindName, StepSpecs } from '../../../src/runbook/model.ts';
import { openSystems } from '../../../src/runbook/open.ts';
import type { SystemConfig } from '../../../src/runbook/systems.ts';
import { recordingLog } from '../../recording-log.ts';
import { tiersOf } from '../../runbook/tiers.ts';
import { until } from '../until.ts';

const NEVER = new AbortController().signal;
const noRoutes = () => Promise.reject(new Error('no routes here'));

export interface Stepper extends AsyncDisposable {
  system<S extends System>(name: string, kind: S['kind']): Promise<S>;
  read<K extends StepKindName>(kind: K, spec: StepSpecs[K], signal?: AbortSignal): Promise<Reading>;
  apply<K extends StepKindName>(kind: K, spec: StepSpecs[K], signal?: AbortSignal): Promise<Effect>;
  /** Acts, and reads until it is reached. */
  reach<K extends StepKindName>(kind: K, spec: StepSpecs[K]): Promise<Reading>;
  /** All that was told so far: sentences, facts, log. */
  said(): string;
}

/** `files`: secrets and others by path, which a test may change. */
export const stepperOf = (systems: Readonly<Record<string, SystemConfig>>, files: Readonly<Record<string, string>>): Stepper => {
  const [ports, log] = [realPorts(), recordingLog()];
  const told: unknown[] = [];
  const file = (path: string): string => {
    const text = files[path];
    if (text === undefined) throw new Error(`no file ${path} in this test`);
    return text;
  };
  const resolve = async (name: string) => ({ addresses: name === 'localhost' ? ['127.0.0.1'] : [], stale: null, ageMs: 0 });
  const opened = openSystems(systems, {
    ports,
    log,
    secret: (path) => {
      registerSecret(file(path));
      return file(path);
    },
    text: file,
    resolve,
    httpTrusting: (trust) => createHttp({ ports, resolve, ...trust }),
  });
  const context: StepContext = {
    ports,
    log,
    system: opened.system,
    routing: { drain: noRoutes, open: noRoutes, orders: noRoutes, look: noRoutes },
    tiers: tiersOf(),
    nowMs: ports.clock.wallMs,
  };
  const callOf = (kind: StepKindName, facts: Facts, signal: AbortSignal): Call => ({
    key: `r7.${kind}@eu-west`,
    run: { id: 'r7', platform: 'orders', from: 'us-east', to: 'eu-west', mode: 'graceful' },
    facts,
    signal,
    context,
  });
  const kept = <T>(said: T): T => {
    told.push(said);
    return said;
  };
  const load = async <K extends StepKindName>(kind: K): Promise<StepKind<K>> => kinds[kind]();
  const stepper: Stepper = {
    system: opened.system,
    read: async (kind, spec, signal = NEVER) => kept(await (await load(kind)).read(spec, callOf(kind, {}, signal))),
    async apply(kind, spec, signal = NEVER) {
      const loaded = await load(kind);
      if (loaded.apply === undefined) throw new Error(`${kind} has no effect`);
      return kept(await loaded.apply(spec, callOf(kind, {}, signal)));
    },
    async reach(kind, spec) {
      const effect = await stepper.apply(kind, spec);
      if (effect.took !== 'accepted') throw new Error(`${kind}: ${effect.took}: ${effect.because}`);
      return await until(`${kind} is reached`, async () => {
        const found = await stepper.read(kind, spec);
        return found.is === 'reached' ? found : null;
      });
    },
    said: () => JSON.stringify([told, log.lines]),
    [Symbol.asyncDispose]: () => opened.close(),
  };
  return stepper;
};

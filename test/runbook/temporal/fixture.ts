// What steps and systems of Temporal are given in tests: real sockets on loopback, secrets from a table, and nothing of routing.
import { Fault } from '../../../src/errors.ts';
import { createHttp } from '../../../src/http.ts';
import { type Ports, realPorts } from '../../../src/ports.ts';
import type { Call, Facts, StepContext, System, SystemContext } from '../../../src/runbook/kind.ts';
import { recordingLog } from '../../recording-log.ts';
import { tiersOf } from '../tiers.ts';

export const TOKEN_FILE = '/run/secrets/temporal';

export const systemContext = (secrets: Map<string, string>, ports: Ports = realPorts()): SystemContext => {
  const resolve: SystemContext['resolve'] = async () => ({ addresses: ['127.0.0.1'], stale: null, ageMs: 0 });
  const text = (path: string): string => {
    const found = secrets.get(path);
    if (found === undefined) throw new Fault('ERR_SECRET', `${path}: there is no such file`);
    return found;
  };
  return {
    ports,
    log: recordingLog(),
    secret: text,
    text,
    resolve,
    httpTrusting: (trust = {}) => createHttp({ ports, resolve, ...trust }),
  };
};

/** Steps of Temporal touch no route. */
const noRouting = {} as StepContext['routing'];

export const stepContext = (systems: Readonly<Record<string, System>>, ports: Ports = realPorts()): StepContext => ({
  ports,
  log: recordingLog(),
  routing: noRouting,
  tiers: tiersOf(),
  nowMs: () => ports.clock.wallMs(),
  async system<S extends System>(name: string, kind: S['kind']): Promise<S> {
    const found = systems[name];
    if (found === undefined || found.kind !== kind) throw new Fault('ERR_SYSTEM', `there is no system ${name} of kind ${kind}`);
    return found as S;
  },
});

export const callOf = (context: StepContext, facts: Facts = {}, options: { key?: string; signal?: AbortSignal } = {}): Call => ({
  key: options.key ?? 'run-1.failover',
  run: { id: 'run-1', platform: 'shop', from: 'us', to: 'eu', mode: 'ungraceful' },
  facts,
  signal: options.signal ?? new AbortController().signal,
  context,
});

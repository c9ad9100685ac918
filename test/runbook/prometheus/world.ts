// The world of gate.promql: a fake of Prometheus' instant queries, with one number.
import type { StepWorld } from '../../contract/step.contract.ts';
import { type Asked, type Said, startFront } from '../front.ts';

const TOKEN = 'tok-prom-0a1b2c3d4e5f';
const FILE = '/secrets/prometheus';

export const startGateWorld = async (): Promise<StepWorld<'gate.promql'>> => {
  let value = '95';
  const answer = ({ path, headers }: Asked): Said => {
    if (headers.authorization !== `Bearer ${TOKEN}`) return { status: 401, text: 'Unauthorized' };
    const query = new URL(path, 'http://fake').searchParams.get('query') ?? '';
    const nowS = Date.now() / 1000;
    const sampled = query.includes('timestamp(replication_lag_seconds)') ? String(nowS - 2) : value;
    return { status: 200, json: { status: 'success', data: { resultType: 'vector', result: [{ metric: {}, value: [nowS, sampled] }] } } };
  };
  const front = await startFront(answer);
  return {
    spec: { system: 'metrics', query: 'replication_lag_seconds', max: 30, maxAgeMs: 60_000 },
    systems: { metrics: { kind: 'prometheus', url: front.url, tokenFile: FILE } },
    files: { [FILE]: TOKEN },
    secrets: [TOKEN],
    settle: () => {
      value = '30';
    },
    effects: () => 0,
    meets: front.meets,
    asked: front.asked,
    [Symbol.asyncDispose]: () => front[Symbol.asyncDispose](),
  };
};

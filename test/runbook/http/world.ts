// The world of http.check: an address that is not ready, and then is.
import type { Fault, StepWorld } from '../../contract/step.contract.ts';
import { startFront } from '../front.ts';

const TOKEN = 'tok-http-0a1b2c3d4e5f';
const FILE = '/secrets/http';

/** Only the status counts: a body may be anything. */
export const HTTP_FAULTS: readonly Fault[] = ['silence', 'echo'];

export const startHttpWorld = async (): Promise<StepWorld<'http.check'>> => {
  let status = 503;
  const front = await startFront(({ headers, path }) => {
    if (headers.authorization !== `Bearer ${TOKEN}` || path !== '/readyz?full=1') return { status: 403, text: 'Forbidden' };
    return { status, text: 'ready or not', ...(status === 307 ? { headers: { location: '/elsewhere' } } : {}) };
  });
  return {
    spec: { system: 'proxy-eu' },
    systems: { 'proxy-eu': { kind: 'http', url: `${front.url}/readyz?full=1`, status: [[200, 204]], tokenFile: FILE } },
    files: { [FILE]: TOKEN },
    secrets: [TOKEN],
    settle: () => {
      status = 204;
    },
    effects: () => 0,
    meets: front.meets,
    asked: front.asked,
    [Symbol.asyncDispose]: () => front[Symbol.asyncDispose](),
  };
};

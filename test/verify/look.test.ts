// What is looked at and does not answer has failed; what this replica cannot look at is unknown.
import { expect, test } from 'vitest';
import { Fault } from '../../src/errors.ts';
import type { Reading, System } from '../../src/runbook/kind.ts';
import { lookAtDeployment } from '../../src/verify/look.ts';
import type { VerifyPlan } from '../../src/verify/plan.ts';
import { shop } from '../objectives/fixture.ts';
import { EAST, WEST } from '../runbook/platforms.ts';

const NOTHING: VerifyPlan = { jobs: [], deployments: [], checks: [], probes: [], namespaces: [], sections: [], unasked: [] };
const spec = { kind: 'tcp', url: 'tcp://192.0.2.1:1' } as const;

const looked = (
  plan: Partial<VerifyPlan>,
  answers: { ask?: () => Promise<number>; check?: Reading; probe?: 'ok' | 'fault' | 'nothing'; measured?: string } = {},
) =>
  lookAtDeployment(
    {
      platform: { ...shop, namespaces: [] },
      plan: { ...NOTHING, ...plan },
      region: WEST,
      async system<S extends System>(name: string): Promise<S> {
        if (name !== 'ui') throw new Fault('ERR_SYSTEM', `no system "${name}" is named`);
        return { kind: 'http', host: 'ui.test', good: [[200, 204]], ask: answers.ask } as unknown as S;
      },
      probe: async () =>
        answers.probe === 'fault'
          ? { saw: 'fault', reason: 'refused', tookMs: 1, detail: 'nobody listens' }
          : answers.probe === 'nothing'
            ? { saw: 'nothing', detail: 'no address is known' }
            : { saw: 'ok', tookMs: 3 },
      check: async (kind, name) => answers.check ?? { is: 'unknown', because: `${kind} ${name} was not expected` },
      measured: async () => answers.measured ?? [],
      active: async () => WEST,
    },
    new AbortController().signal,
  );

const no = (error: Error) => (): Promise<number> => Promise.reject(error);

test.each([
  ['a good status', (): Promise<number> => Promise.resolve(204), 'ok', 'ui.test answered 204'],
  ['another status', (): Promise<number> => Promise.resolve(205), 'failed', 'ui.test answered 205'],
  ['no answer', no(new Error('connection refused')), 'failed', 'ui.test: connection refused'],
  ['a secret that cannot be read', no(new Fault('ERR_SECRET', 'token: no such file')), 'unknown', 'token: no such file'],
])('%s', async (_name: string, ask: () => Promise<number>, is: string, because: string) => {
  expect(await looked({ checks: [{ region: WEST, system: 'ui', kind: 'http' }] }, { ask })).toMatchObject([
    { step: 'health', is, because },
  ]);
});

test.each([
  ['reached', 'ok'],
  ['pending', 'failed'],
  ['never', 'failed'],
  ['unknown', 'unknown'],
] as const)('a codec server that is %s is %s', async (reading, is) => {
  const check = { is: reading, because: 'canary through codec' } as const;
  expect(await looked({ checks: [{ region: WEST, system: 'codec', kind: 'codec' }] }, { check })).toMatchObject([
    { step: 'health', of: 'codec', is, because: 'canary through codec' },
  ]);
});

test('a system that the file does not name is unknown', async () => {
  expect(await looked({ checks: [{ region: WEST, system: 'elsewhere', kind: 'http' }] })).toMatchObject([{ is: 'unknown' }]);
});

test('a target is looked at from where its configuration says, and from nowhere else', async () => {
  const points = (['all', 'local', [WEST], [EAST]] as const).flatMap((from) =>
    [WEST, EAST].map((region) => ({ region, of: `${from} ${region}`, spec, from })),
  );
  const lines = await looked({ probes: points });
  const unseen = lines.filter(({ is }) => is === 'unknown').map(({ of }) => of);
  expect(new Set(unseen)).toEqual(new Set([`${EAST} ${WEST}`, `${EAST} ${EAST}`, `local ${EAST}`]));
  expect(await looked({ probes: points.slice(0, 1) }, { probe: 'fault' })).toMatchObject([
    { is: 'failed', because: 'refused: nobody listens' },
  ]);
  expect(await looked({ probes: points.slice(0, 1) }, { probe: 'nothing' })).toMatchObject([{ is: 'unknown' }]);
});

test('what is not asked is unknown, and says why', async () => {
  const line = { step: 'health', of: 'codec', region: WEST, because: 'this file names no codec', fix: 'name it' } as const;
  expect(await looked({ unasked: [line] })).toEqual([{ ...line, is: 'unknown' }]);
});

test('what was measured and is not known is unknown', async () => {
  const namespaces = [{ region: WEST, entry: 'tenants' }];
  expect(await looked({ namespaces }, { measured: 'no endpoint answers' })).toMatchObject([
    { is: 'unknown', because: 'no endpoint answers' },
  ]);
  expect(await looked({ namespaces })).toMatchObject([{ is: 'unknown' }]);
});

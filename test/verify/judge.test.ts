// What is so after a deployment, judged; and which pods a selector means.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Deployment, deploymentShape, type Job, jobShape, type Selector, selects } from '../../src/runbook/kubernetes/objects.ts';
import { guardFound, jobFound, reachedFound, rolloutFound, scalerFound, sectionFound } from '../../src/verify/judge.ts';

const jobOf = (status: object): Job => jobShape.parse({ kind: 'Job', metadata: { name: 'migrate', namespace: 'app' }, status });

test.each([
  ['done', { succeeded: 1 }, 'ok', 'Job app/migrate has succeeded'],
  ['done after a failure', { succeeded: 1, failed: 1 }, 'ok', 'Job app/migrate has succeeded, after 1 failed pod'],
  ['under way', { active: 1, failed: 2 }, 'waiting', 'Job app/migrate has not succeeded yet: 1 of its pods at work, after 2 failed pods'],
  ['not begun', {}, 'waiting', 'Job app/migrate has not succeeded yet: none of its pods at work'],
  [
    'over, and failed, whatever has succeeded before',
    { succeeded: 1, failed: 4, conditions: [{ type: 'Failed', status: 'True', message: 'BackoffLimitExceeded' }] },
    'failed',
    'Job app/migrate has failed: BackoffLimitExceeded',
  ],
] as const)('a migration that is %s', (_name, status, is, because) => {
  expect(jobFound(jobOf(status))).toMatchObject({ is, because });
});

const deploymentOf = (replicas: number, status: object, labels: object = { app: 'worker', tier: 'a' }): Deployment =>
  deploymentShape.parse({
    kind: 'Deployment',
    metadata: { name: 'worker', namespace: 'app', uid: 'u', resourceVersion: '1', generation: 3 },
    spec: {
      replicas,
      selector: { matchLabels: { app: 'worker' } },
      template: { metadata: { labels }, spec: { containers: [{ name: 'app' }] } },
    },
    status,
  });

test.each([
  ['out', 3, { observedGeneration: 3, replicas: 3, updatedReplicas: 3, availableReplicas: 3 }, 'ok'],
  ['none wanted, none there', 0, { observedGeneration: 3 }, 'ok'],
  ['not seen yet', 3, { observedGeneration: 2, replicas: 3, updatedReplicas: 3, availableReplicas: 3 }, 'waiting'],
  ['never seen', 3, {}, 'waiting'],
  ['half new', 3, { observedGeneration: 3, replicas: 3, updatedReplicas: 2, availableReplicas: 3 }, 'waiting'],
  ['all new, and an old one still there', 3, { observedGeneration: 3, replicas: 4, updatedReplicas: 3, availableReplicas: 4 }, 'waiting'],
  ['not all available', 3, { observedGeneration: 3, replicas: 3, updatedReplicas: 3, availableReplicas: 2 }, 'waiting'],
] as const)('a Deployment: %s', (_name, replicas, status, is) => {
  expect(rolloutFound(deploymentOf(replicas, status), true).is).toBe(is);
});

test.each([
  ['may be none', true, 'ok', 'is out'],
  ['may not', false, 'failed', 'none of app/worker is wanted: replicas is 0'],
  ['may be, if the region is not active, and nobody knows', null, 'unknown', 'which region is active is not known'],
] as const)('of a Deployment none is wanted, where there %s', (_name, none, is, because) => {
  expect(rolloutFound(deploymentOf(0, { observedGeneration: 3 }), none)).toMatchObject({ is, because: expect.stringContaining(because) });
});

describe('what stands around it', () => {
  const worker = deploymentOf(1, {});
  test('selects its pods, or there is no such thing', () => {
    expect(guardFound('PodDisruptionBudget', worker, [{ name: 'pdb', selector: { matchLabels: { app: 'worker' } } }])).toMatchObject({
      is: 'ok',
      because: 'PodDisruptionBudget pdb selects its pods',
    });
    const other = { name: 'pdb', selector: { matchLabels: { app: 'ui' } } };
    expect(guardFound('PodDisruptionBudget', worker, [other])).toMatchObject({
      is: 'failed',
      because: 'no PodDisruptionBudget for app/worker: there are pdb, none selects its pods',
    });
    expect(guardFound('NetworkPolicy', worker, [{ name: 'all', selector: {} }]).is).toBe('ok');
    expect(guardFound('PodDisruptionBudget', worker, [{ name: 'none', selector: null }]).is).toBe('failed');
    expect(guardFound('NetworkPolicy', worker, []).fix).toContain('network-policy.yaml');
  });

  test('an autoscaler targets it', () => {
    expect(scalerFound(worker, { name: 'hpa', min: 2, max: 9 }).is).toBe('ok');
    expect(scalerFound(worker, null).is).toBe('failed');
  });

  test.each<[string, Selector, boolean]>([
    ['an empty one', {}, true],
    ['a label', { matchLabels: { app: 'worker' } }, true],
    ['a label and another', { matchLabels: { app: 'worker', tier: 'b' } }, false],
    ['one that it has not', { matchLabels: { zone: 'x' } }, false],
    ['of a name that every object has', { matchLabels: { constructor: 'x' } }, false],
    ['In', { matchExpressions: [{ key: 'tier', operator: 'In', values: ['a', 'b'] }] }, true],
    ['not In', { matchExpressions: [{ key: 'tier', operator: 'In', values: ['b'] }] }, false],
    ['NotIn', { matchExpressions: [{ key: 'tier', operator: 'NotIn', values: ['a'] }] }, false],
    ['NotIn, of what it has not', { matchExpressions: [{ key: 'zone', operator: 'NotIn', values: ['a'] }] }, true],
    ['Exists', { matchExpressions: [{ key: 'tier', operator: 'Exists' }] }, true],
    ['Exists not', { matchExpressions: [{ key: 'tier', operator: 'DoesNotExist' }] }, false],
    ['Exists, of what every object has', { matchExpressions: [{ key: 'toString', operator: 'Exists' }] }, false],
  ])('a selector: %s', (_name, selector, expected) => {
    expect(selects(selector, { app: 'worker', tier: 'a' })).toBe(expected);
  });

  test('what is asked for more selects no more; NotIn and DoesNotExist say the opposite of In and Exists', () => {
    const key = fc.constantFrom('app', 'tier', 'zone');
    const value = fc.constantFrom('a', 'b', 'c');
    const labels = fc.dictionary(key, value, { maxKeys: 3 });
    const expression = fc.record({
      key,
      operator: fc.constantFrom('In', 'NotIn', 'Exists', 'DoesNotExist'),
      values: fc.array(value, { maxLength: 3 }),
    });
    const opposite = { In: 'NotIn', NotIn: 'In', Exists: 'DoesNotExist', DoesNotExist: 'Exists' } as const;
    fc.assert(
      fc.property(labels, labels, fc.array(expression, { maxLength: 3 }), expression, (has, matchLabels, matchExpressions, more) => {
        const before = selects({ matchLabels, matchExpressions } as Selector, has);
        expect(before || !selects({ matchLabels, matchExpressions: [...matchExpressions, more] } as Selector, has)).toBe(true);
        const one = (operator: string): boolean => selects({ matchExpressions: [{ ...more, operator }] } as Selector, has);
        expect(one(more.operator)).toBe(!one(opposite[more.operator as keyof typeof opposite]));
      }),
    );
  });
});

test.each([
  [{ llm: { active: 'azure' } }, 'llm', 'ok'],
  [{ checks: { llm: [{ state: 'pass' }] } }, 'checks.llm', 'ok'],
  [{ llm: {} }, 'llm', 'failed'],
  [{ llm: 'yes' }, 'llm', 'failed'],
  [{}, 'llm', 'failed'],
  [null, 'llm', 'failed'],
  [{}, 'constructor', 'failed'],
])('%j has %s: %s', (document, section, is) => {
  expect(sectionFound('ui', document, section).is).toBe(is);
});

describe('a region reaches its namespaces', () => {
  const cell = (over: object) => ({ to: 'us-east', ms: 80, samples: 20, because: 'x', ...over });
  test.each([
    ['all of them', [cell({}), cell({ to: 'eu-west', ms: 2 })], 'ok', 'eu-west reaches it: 80 ms to us-east, 2 ms to eu-west'],
    [
      'one not',
      [cell({ ms: null, because: '4 of the last 20 got no answer' }), cell({ to: 'eu-west' })],
      'failed',
      'eu-west does not reach it in us-east: 4 of the last 20 got no answer',
    ],
    ['one nobody has measured', [cell({ samples: 0, ms: null, because: 'nobody has' }), cell({ to: 'eu-west' })], 'unknown', 'nobody has'],
    ['none is measured', [], 'unknown', 'nobody measures it from eu-west'],
  ])('%s', (_name, cells, is, because) => {
    expect(reachedFound('eu-west', cells)).toMatchObject({ is, because });
  });
});

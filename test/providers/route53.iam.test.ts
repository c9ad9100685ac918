// The policies under deploy/iam grant what the provider calls, and nothing that it does not: every recorded call is inside, every grant is used.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { stateHash } from '../../providers/fence.ts';
import type { Provider, ProviderService } from '../../providers/provider.ts';
import type { StandInCall } from '../../src/drill/stand-ins/stand-in.ts';
import { checkId, type Mode, startWorld, web, withShares, ZONE_ID } from './route53.fixture.ts';

interface Statement {
  Sid: string;
  Action: string;
  Resource: string | string[];
  Condition?: Record<string, Record<string, string | string[]>>;
}

interface Called {
  action: string;
  resource: string;
  keys: Readonly<Record<string, readonly string[]>>;
}

const PREFIX = 'route53:ChangeResourceRecordSets';

const called = ({ method, path, body }: StandInCall): Called => {
  const [, , what, id = '', part] = path.split(/[/?]/);
  if (path.startsWith('/arc/')) {
    const target = path.split('#').at(-1);
    const [entry] = (body as { UpdateRoutingControlStateEntries?: { RoutingControlArn: string }[] }).UpdateRoutingControlStateEntries ?? [];
    // No safety rule is ever overridden.
    const keys = { 'route53-recovery-cluster:AllowSafetyRulesOverrides': [String('SafetyRulesToOverride' in (body as object))] };
    return { action: `route53-recovery-cluster:${target}`, resource: entry?.RoutingControlArn ?? '*', keys };
  }
  if (what === 'change') return { action: 'route53:GetChange', resource: `arn:aws:route53:::change/${id}`, keys: {} };
  if (what === 'healthcheck')
    return method === 'GET'
      ? { action: 'route53:ListHealthChecks', resource: '*', keys: {} }
      : { action: 'route53:UpdateHealthCheck', resource: `arn:aws:route53:::healthcheck/${id}`, keys: {} };
  expect(part).toBe('rrset');
  const resource = `arn:aws:route53:::hostedzone/${id}`;
  if (method === 'GET') return { action: 'route53:ListResourceRecordSets', resource, keys: {} };
  const changes = (body as { ChangeBatch: { Changes: { Action: string; ResourceRecordSet: { Name: string; Type: string } }[] } })
    .ChangeBatch.Changes;
  const keys = {
    [`${PREFIX}NormalizedRecordNames`]: changes.map(({ ResourceRecordSet }) => ResourceRecordSet.Name.toLowerCase().replace(/\.$/, '')),
    [`${PREFIX}RecordTypes`]: changes.map(({ ResourceRecordSet }) => ResourceRecordSet.Type),
    [`${PREFIX}Actions`]: changes.map(({ Action }) => Action),
  };
  return { action: 'route53:ChangeResourceRecordSets', resource, keys };
};

const fits = (pattern: string, text: string): boolean =>
  new RegExp(`^${pattern.replace(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('*', '.*')}$`).test(text);

const holds = ({ Condition = {} }: Statement, { keys }: Called): boolean =>
  Object.entries(Condition).every(([operator, wanted]) =>
    Object.entries(wanted).every(([key, values]) => {
      const found = keys[key];
      if (operator === 'Null') return (found === undefined) === (values === 'true');
      if (operator === 'Bool') return found?.every((each) => each === values) ?? false;
      expect(operator).toBe('ForAllValues:StringEquals');
      return (found ?? []).every((each) => [values].flat().includes(each));
    }),
  );

const grants = (statement: Statement, call: Called): boolean =>
  statement.Action === call.action &&
  [statement.Resource].flat().some((resource) => fits(resource, call.resource)) &&
  holds(statement, call);

/** The file with the example's names replaced by those of the test. */
const policy = (file: string): readonly Statement[] => {
  const text = readFileSync(join(import.meta.dirname, '../../deploy/iam', file), 'utf8')
    .replaceAll('Z0123456789EXAMPLE', ZONE_ID)
    .replaceAll('web.example.com', web.service)
    .replaceAll('EU-WEST-CHECK-ID', checkId(web.service, 'eu-west'))
    .replaceAll('US-EAST-CHECK-ID', checkId(web.service, 'us-east'));
  return JSON.parse(text).Statement;
};

/** Everything that the provider ever asks for: first write, changes, drains and returns, and following one. */
const wholeLife = async (provider: Provider): Promise<void> => {
  const route = async (desired: ProviderService, v: number): Promise<void> => {
    const signal = AbortSignal.timeout(20_000);
    const previous = (await provider.read([desired], signal)).get(desired.service)!;
    const fence = { v, epoch: 1, writer: 'eu-west/a', nonce: `n${v}`, hash: stateHash(desired) };
    const applied = await provider.apply([{ desired, fence, previous }], signal);
    expect(applied.outcome).toBe('applied');
    if (applied.outcome === 'applied' && applied.receipt !== undefined) await provider.settle?.(applied.receipt, signal);
  };
  const v4Only = { ...web, pools: web.pools.map((pool) => ({ ...pool, answers: pool.answers.filter((answer) => !answer.includes(':')) })) };
  for (const [n, desired] of [web, withShares(web, 0, 1000), withShares(web, 1000, 0), v4Only].entries()) await route(desired, n + 1);
};

test.each<[Mode, string]>([
  ['weighted', 'route53.json'],
  ['failover', 'route53.json'],
  ['healthChecks', 'route53-health-checks.json'],
  ['routingControls', 'route53-routing-controls.json'],
])('%s stays inside %s', async (mode, file) => {
  await using world = await startWorld(mode);
  await wholeLife(world.writer());
  const statements = policy(file);
  const calls = world.standIn.calls().map(called);
  const outside = calls.filter((call) => !statements.some((statement) => grants(statement, call)));
  expect(outside).toEqual([]);
  expect(statements.filter((statement) => !calls.some((call) => grants(statement, call))).map(({ Sid }) => Sid)).toEqual([]);
});

test('the policies refuse another name, another type of change and another zone', () => {
  const statements = policy('route53.json');
  const change = (over: Partial<Record<'Name' | 'Type', string>>, zone = ZONE_ID): Called =>
    called({
      method: 'POST',
      path: `/2013-04-01/hostedzone/${zone}/rrset`,
      body: { ChangeBatch: { Changes: [{ Action: 'UPSERT', ResourceRecordSet: { Name: `${web.service}.`, Type: 'A', ...over } }] } },
      status: 200,
    });
  const granted = (call: Called): boolean => statements.some((statement) => grants(statement, call));
  expect(granted(change({}))).toBe(true);
  expect(granted(change({ Name: 'mail.tide.test.' }))).toBe(false);
  expect(granted(change({ Type: 'MX' }))).toBe(false);
  expect(granted(change({}, 'ZOTHER'))).toBe(false);
  expect(granted({ ...change({}), keys: {} })).toBe(false);
});

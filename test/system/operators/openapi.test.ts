// Schemathesis, somebody else's reader of OpenAPI documents, asks a running cluster for whatever its document allows, and for what it forbids: single requests and
// sequences in which a later one uses what an earlier one was answered. Nothing may be answered with 5xx, nothing in another shape than the document says;
// and afterwards the cluster is as sound as before. SEED=n asks other questions.
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { entryHash, type JournalEntry, type JournalHead } from '../../../src/audit/journal.ts';
import type { Overrides } from '../../../src/model.ts';
import { type Cluster, startCluster } from '../cluster.ts';
import { REGIONS, WEB } from '../cluster-config.ts';
import { pythonWith } from '../venv.ts';

const REQUIREMENT = 'schemathesis==4.32.5';
/** Requests that were made up, each judged. */
const CASES_MIN = 1_000;
const RUN_MS_MAX = 180_000;
const WRITES_PER_MINUTE = 60_000;

interface Parameter {
  name: string;
  required?: boolean;
  schema: object;
  example?: unknown;
}
interface Document {
  paths: Record<string, Record<string, { parameters?: Parameter[] }>>;
  components: {
    schemas: {
      OverrideOrder: { properties: Record<string, object> };
      Supposed: { properties: { hypotheses: { items: { oneOf: { properties: Record<string, { const?: string }> }[] } } } };
    };
  };
}

/** With the names of this cluster in place of examples': names made up at random would never get past the first look. */
const withNames = (text: string): Document => {
  const document = JSON.parse(text.replaceAll('web.example.com', WEB)) as Document;
  const closed = (properties: Record<string, object>, optional: Record<string, object> = {}): object => ({
    type: 'object',
    additionalProperties: false,
    required: Object.keys(properties),
    properties: { ...properties, ...optional },
  });
  const [region, service] = [{ enum: REGIONS }, { enum: [WEB] }];
  const somewhere = [closed({ region }), closed({ service, pool: region })];
  const {
    kind: _kind,
    scope: _scope,
    weights: _weights,
    reason = {},
    ttlMs: _ttlMs,
    ...others
  } = document.components.schemas.OverrideOrder.properties;
  const soon = { enum: [new Date(Date.now() + 3_600_000).toISOString()] };
  const order = (kind: string, scopes: readonly object[], more: Record<string, object> = {}): object =>
    closed({ kind: { enum: [kind] }, scope: { anyOf: scopes }, reason, ...more }, { ...others, startsAt: soon });
  document.components.schemas.OverrideOrder = {
    anyOf: [
      order('drain', somewhere),
      order('force-in', somewhere),
      order('evacuate', [closed({ region })]),
      order('pin', [closed({ service })], { weights: { enum: [{ 'eu-west': 200, 'us-east': 800 }, { 'us-east': 1000 }] } }),
      ...['freeze', 'stop'].map((kind) => order(kind, [...somewhere, closed({ service }), closed({})])),
    ],
  } as never;
  const supposed = document.components.schemas.Supposed.properties;
  const asDocumented = supposed.hypotheses.items.oneOf.find(({ properties }) => properties.kind?.const === 'override-gone');
  const hypothesis = (kind: string, more: Record<string, object>): object => closed({ kind: { enum: [kind] }, ...more });
  const imagined = closed({
    kind: { enum: ['drain', 'force-in', 'freeze', 'evacuate', 'stop'] },
    scope: { anyOf: [...somewhere, closed({ service }), closed({})] },
  });
  supposed.hypotheses = {
    ...supposed.hypotheses,
    items: {
      oneOf: [
        hypothesis('region-down', { region }),
        hypothesis('vantage-cut', { region }),
        hypothesis('pool-down', { service, pool: region }),
        hypothesis('override', { override: imagined }),
        ...(asDocumented === undefined ? [] : [asDocumented]),
      ],
    },
  } as never;
  return document;
};

/**
 * A dry run makes and ends nothing, which checks of sequences cannot know: it is asked for always, or never. Without it a key is needed, and each is to be a
 * fresh one.
 */
const withDryRun = (document: Document, only: boolean): Document => {
  const parametersOf = (all: readonly Parameter[]): Parameter[] =>
    all.flatMap((each) => {
      if (each.name === 'Idempotency-Key' && !only) return [{ ...each, required: true, example: undefined }];
      if (each.name !== 'dryRun') return [each];
      return only ? [{ ...each, required: true, schema: { enum: ['true'] } }] : [];
    });
  const paths = Object.entries(document.paths).map(([path, offers]) => [
    path,
    Object.fromEntries(
      Object.entries(offers).map(([method, operation]) => [
        method,
        operation.parameters === undefined ? operation : { ...operation, parameters: parametersOf(operation.parameters) },
      ]),
    ),
  ]);
  return { ...document, paths: Object.fromEntries(paths) };
};

/** Number of requests that were made up. Throws with what was found. */
const schemathesis = async (cluster: Cluster, name: string, document: Document, options: readonly string[]): Promise<number> => {
  const file = join(cluster.folder, `${name}.json`);
  writeFileSync(file, JSON.stringify(document));
  const args = [
    ...['run', file, '--url', `http://127.0.0.1:${cluster.doors.api['us-east']}`, '-H', `Authorization: Bearer ${cluster.operatorToken}`],
    // No document can promise that whatever has the right form is also right (a sum, say), nor that an order is still there: its first answer is given to
    // each retry, for a day, and it may have ended since.
    ...['--checks', 'all', '--exclude-checks', 'positive_data_acceptance,ensure_resource_availability'],
    // A stream never ends: there is no answer to judge, and every question would wait until its time is up.
    ...['--exclude-operation-id', 'getEvents'],
    // What is signed cannot be made up; without a secret the door is not there, whatever is sent.
    ...['--exclude-operation-id', 'takeCallback'],
    ...['--continue-on-failure', '--no-shrink', '--no-color'],
    ...['--seed', process.env.SEED ?? '1', '--generation-database', 'none', '--request-timeout', '10', ...options],
  ];
  const program = join(dirname(pythonWith('schemathesis', REQUIREMENT)), 'schemathesis');
  const said = await promisify(execFile)(program, args, { cwd: cluster.folder, timeout: RUN_MS_MAX, maxBuffer: 64 * 1024 * 1024 }).then(
    ({ stdout }) => stdout,
    (error: { stdout?: string; message: string }) => {
      throw new Error(`schemathesis, ${name}:\n${(error.stdout || error.message).slice(-8000)}`);
    },
  );
  return Number(/(\d+) generated/.exec(said)?.[1]);
};

const overrides = async (cluster: Cluster): Promise<Overrides> =>
  (await cluster.store.get({ keys: ['override'] })).kvs[0]?.value as Overrides;

const expectChained = async (cluster: Cluster): Promise<readonly JournalEntry[]> => {
  const { kvs } = await cluster.store.get({ keys: ['journal'], prefixes: ['journal/'] });
  const head = kvs.find(({ key }) => key === 'journal')?.value as JournalHead;
  const entries = kvs.filter(({ key }) => key !== 'journal').map(({ value }) => value as JournalEntry);
  expect(entries.map(({ n }) => n)).toEqual(entries.map((_, at) => at + 1));
  expect(entries.map(({ prevHash }) => prevHash)).toEqual(['', ...entries.map(entryHash).slice(0, -1)]);
  expect(head).toEqual({ n: entries.length, hash: entryHash(entries.at(-1)!) });
  return entries;
};

test('a thousand requests that others made up are answered as the document says, and leave the cluster sound', {
  timeout: 420_000,
}, async () => {
  pythonWith('schemathesis', REQUIREMENT);
  // Nobody is held back: what is to be seen lies behind the limit.
  await using cluster = await startCluster({ writesPerMinute: WRITES_PER_MINUTE });
  const served = await (await fetch(`http://127.0.0.1:${cluster.doors.api['us-east']}/openapi.json`)).text();
  const document = withNames(served);

  const asked = await schemathesis(cluster, 'orders', withDryRun(document, false), [
    ...['--phases', 'examples,coverage,fuzzing,stateful', '--max-examples', '60'],
  ]);
  expect(asked).toBeGreaterThan(CASES_MIN);

  // Orders were really given, of most kinds, and ended. Each is in the journal, whose chain is whole, and the document can be read.
  const given = (await expectChained(cluster)).filter(({ kind }) => kind.startsWith('override.'));
  const kinds = given.map(({ detail }) => (detail.override as { kind: string }).kind);
  expect(given.length).toBeGreaterThan(20);
  expect(new Set(kinds).size).toBeGreaterThanOrEqual(4);
  expect(new Set(given.map(({ kind }) => kind))).toContain('override.deleted');
  const before = await overrides(cluster);
  const listed = (await (await cluster.replica('us-east').get('/v1/overrides')).json()) as Overrides;
  expect(listed.items.map(({ id }) => id)).toEqual(before.items.map(({ id }) => id));

  // Whoever only asks what would be changes nothing.
  await schemathesis(cluster, 'dry-runs', withDryRun(document, true), [
    ...['--phases', 'examples,fuzzing', '--max-examples', '60', '--mode', 'positive'],
    ...['--include-operation-id', 'createOverride', '--include-operation-id', 'putOverride', '--include-operation-id', 'deleteOverride'],
  ]);
  expect((await expectChained(cluster)).filter(({ kind }) => kind.startsWith('override.'))).toHaveLength(given.length);

  for (const { changes } of await cluster.audits())
    for (const { after } of changes) expect(Object.values(after).reduce((sum, share) => sum + share, 0)).toBe(1000);
  await cluster.expectSound();
});

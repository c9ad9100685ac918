// The OpenAPI document: whole, committed, true to the table of routes; and the types of the client that are made from it.
//   UPDATE=1 npx vitest run test/api/openapi.test.ts    writes src/api/openapi.json and src/client/schema.ts anew
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openApiOf } from '../../src/api/openapi.ts';
import { routesOf } from '../../src/api/routes/index.ts';
import { SCHEMAS } from '../../src/api/schemas.ts';
import { clientTypes } from './client-types.ts';
import { type Opened, openApi } from './fixture.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const DOCUMENT = join(ROOT, 'src/api/openapi.json');
const CLIENT = join(ROOT, 'src/client/schema.ts');
const UPDATE = process.env.UPDATE === '1';

let api: Opened;
beforeAll(() => {
  api = openApi();
});
afterAll(() => api.close());

const routes = () => routesOf({ ...api.options, stopping: () => false, baseUrl: () => 'http://127.0.0.1:8700' });
/** Committed without the program's version, which changes with every release. */
const document = () => JSON.parse(JSON.stringify(openApiOf(routes(), SCHEMAS, 'of the program')));

const formatted = (file: string, text: string): string => {
  const biome = join(ROOT, 'node_modules/.bin/biome');
  const { status, stdout, stderr } = spawnSync(biome, ['format', `--stdin-file-path=${file}`], {
    input: text,
    encoding: 'utf8',
    cwd: ROOT,
  });
  if (status !== 0) throw new Error(`biome cannot format ${file}: ${stderr}`);
  return stdout;
};

const HOW = 'differs from the routes; look at the difference, then UPDATE=1 npx vitest run test/api/openapi.test.ts';

test('the committed document is what the routes say', () => {
  const text = formatted(DOCUMENT, JSON.stringify(document(), null, 2));
  if (UPDATE) writeFileSync(DOCUMENT, text);
  expect(JSON.parse(readFileSync(DOCUMENT, 'utf8')), `src/api/openapi.json ${HOW}`).toEqual(document());
});

test('the committed types of the client are what the document says', () => {
  const text = formatted(CLIENT, clientTypes(document()));
  if (UPDATE) writeFileSync(CLIENT, text);
  expect(readFileSync(CLIENT, 'utf8') === text, `src/client/schema.ts ${HOW}`).toBe(true);
});

interface Operation {
  operationId: string;
  summary?: string;
  tags?: readonly string[];
  parameters?: readonly { name: string; in: string }[];
  requestBody?: { content: Record<string, { schema: object; examples?: Record<string, { value: unknown }> }> };
  responses: Record<string, { content?: Record<string, { schema: object; examples?: Record<string, { value: unknown }> }> }>;
}
const operations = (): readonly { name: string; operation: Operation }[] =>
  Object.entries(document().paths as Record<string, Record<string, Operation>>).flatMap(([path, offers]) =>
    Object.entries(offers).map(([method, operation]) => ({ name: `${method.toUpperCase()} ${path}`, operation })),
  );

describe('every route', () => {
  test('has a row of documentation: operationId, summary, tags and replies', () => {
    const without = routes().filter(
      ({ schema }) =>
        schema?.operationId === undefined || schema.summary === undefined || schema.tags === undefined || schema.response === undefined,
    );
    expect(without.map(({ method, url }) => `${method} ${url}`)).toEqual([]);
  });

  test('has an operationId of its own', () => {
    const ids = operations().map(({ operation }) => operation.operationId);
    expect(new Set(ids).size).toBe(ids.length);
    for (const id of ids) expect(id).toMatch(/^[a-z][A-Za-z]+$/);
  });

  test('has an example for its body and each reply, and each keeps to its schema', () => {
    const ajv = new Ajv2020({ strict: false, allErrors: true });
    addFormats.default(ajv);
    ajv.addSchema({ $id: 'https://tidegate.test/openapi.json', components: document().components });
    const lacking: string[] = [];
    for (const { name, operation } of operations()) {
      const payloads = [operation.requestBody, ...Object.values(operation.responses)];
      for (const media of payloads.flatMap((payload) => Object.values(payload?.content ?? {}))) {
        const examples = Object.values(media.examples ?? {});
        if (examples.length === 0) lacking.push(name);
        const schema = JSON.parse(JSON.stringify(media.schema).replaceAll('"#/', '"https://tidegate.test/openapi.json#/'));
        for (const { value } of examples) expect(ajv.validate(schema, value), `${name}: ${ajv.errorsText()}`).toBe(true);
      }
    }
    expect(lacking).toEqual([]);
  });
});

test('the document names no component that is not there, and none that nobody needs', () => {
  const text = JSON.stringify(document());
  const named = new Set([...text.matchAll(/"#\/components\/schemas\/([^"]+)"/g)].map(([, name]) => name));
  expect([...named].toSorted()).toEqual(Object.keys(SCHEMAS).toSorted());
});

test('GET /openapi.json answers it, with the version of the program', async () => {
  const reply = await api.app.inject('/openapi.json');
  expect(reply.statusCode).toBe(200);
  const { info, ...rest } = reply.json();
  expect(info.version).toBe('0.0.0-test');
  const { info: _, ...expected } = document();
  expect(rest).toEqual(expected);
});

// From the OpenAPI document to the types of a client: one interface per component, one entry per operation. Covers what our document uses and throws at
// anything else, so that a new construct is noticed.
type Json = Readonly<Record<string, unknown>>;

const isRecord = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value);
const keyOf = (name: string): string => (/^[A-Za-z_$][\w$]*$/.test(name) ? name : JSON.stringify(name));
const pascal = (text: string): string =>
  text.replaceAll(/(^|[^A-Za-z0-9]+)([A-Za-z0-9])/g, (_, _gap, letter: string) => letter.toUpperCase());

const doc = (schema: Json, indent: string): string =>
  typeof schema.description === 'string' ? `${indent}/** ${schema.description} */\n` : '';

const members = (schema: Json, indent: string): string => {
  const required = (schema.required as readonly string[] | undefined) ?? [];
  const inner = `${indent}  `;
  const lines = Object.entries((schema.properties as Record<string, Json> | undefined) ?? {}).map(([name, member]) => {
    const optional = required.includes(name) ? '' : '?';
    return `${doc(member, inner)}${inner}readonly ${keyOf(name)}${optional}: ${typeOf(member, inner)};\n`;
  });
  const more = schema.additionalProperties;
  if (lines.length > 0 && more === true) lines.push(`${inner}readonly [more: string]: unknown;\n`);
  return lines.join('');
};

const objectOf = (schema: Json, indent: string): string => {
  const body = members(schema, indent);
  if (body !== '') return `{\n${body}${indent}}`;
  const more = schema.additionalProperties;
  return `Readonly<Record<string, ${isRecord(more) ? typeOf(more, indent) : more === false ? 'never' : 'unknown'}>>`;
};

/** A JSON schema as a type. */
export const typeOf = (schema: Json, indent = ''): string => {
  const { $ref, allOf, anyOf, oneOf, enum: values, type } = schema;
  if (typeof $ref === 'string') return $ref.slice($ref.lastIndexOf('/') + 1);
  if (Array.isArray(values)) return values.map((value) => JSON.stringify(value).replaceAll('"', "'")).join(' | ');
  if ('const' in schema) return JSON.stringify(schema.const).replaceAll('"', "'");
  if (Array.isArray(allOf)) return allOf.map((each: Json) => typeOf(each, indent)).join(' & ');
  const either = anyOf ?? oneOf;
  if (Array.isArray(either)) return either.map((each: Json) => typeOf(each, indent)).join(' | ');
  if (Array.isArray(type)) return type.map((each: string) => typeOf({ ...schema, type: each }, indent)).join(' | ');
  switch (type) {
    case 'string':
    case 'boolean':
    case 'null':
      return type;
    case 'integer':
    case 'number':
      return 'number';
    case 'array':
      return `readonly (${typeOf(schema.items as Json, indent)})[]`;
    case 'object':
      return objectOf(schema, indent);
    case undefined:
      return 'unknown';
    default:
      throw new Error(`a schema of type ${JSON.stringify(type)} has no client type yet: ${JSON.stringify(schema).slice(0, 200)}`);
  }
};

const contentOf = (payload: Json | undefined, indent: string): string | null => {
  const [first] = Object.values((payload?.content as Record<string, { schema: Json }> | undefined) ?? {});
  return first === undefined ? null : typeOf(first.schema, indent);
};

interface Parameter {
  name: string;
  in: string;
  required: boolean;
  description?: string;
  schema: Json;
}

const parametersIn = (all: readonly Parameter[], where: string, indent: string): string => {
  const some = all.filter((parameter) => parameter.in === where);
  if (some.length === 0) return 'Readonly<Record<string, never>>';
  const lines = some.map(
    ({ name, required, description, schema }) =>
      `${doc({ description }, `${indent}  `)}${indent}  readonly ${keyOf(name)}${required ? '' : '?'}: ${typeOf(schema, `${indent}  `)};\n`,
  );
  return `{\n${lines.join('')}${indent}}`;
};

interface Operation {
  operationId: string;
  summary?: string;
  parameters?: readonly Parameter[];
  requestBody?: Json;
  responses: Readonly<Record<string, Json>>;
}

const operationOf = ({ operationId, summary, parameters = [], requestBody, responses }: Operation): string => {
  const successes = Object.entries(responses).filter(([status]) => status.startsWith('2'));
  const replies = successes.map(([status, reply]) => `      readonly ${status}: ${contentOf(reply, '      ') ?? 'undefined'};\n`);
  return [
    doc({ description: summary }, '  '),
    `  readonly ${keyOf(operationId)}: {\n`,
    `    readonly path: ${parametersIn(parameters, 'path', '    ')};\n`,
    `    readonly query: ${parametersIn(parameters, 'query', '    ')};\n`,
    `    readonly headers: ${parametersIn(parameters, 'header', '    ')};\n`,
    `    readonly body: ${contentOf(requestBody, '    ') ?? 'undefined'};\n`,
    `    readonly replies: {\n${replies.join('')}    };\n`,
    '  };\n',
  ].join('');
};

interface Document {
  paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  components: { schemas: Readonly<Record<string, Json>> };
}

const HEAD = `// @generated from src/api/openapi.json by test/api/openapi.test.ts (UPDATE=1): do not edit. What the API takes and answers, as types, and where each operation is.
`;

/** The whole file, before it is formatted. */
export const clientTypes = ({ paths, components }: Document): string => {
  const schemas = Object.entries(components.schemas).map(([name, schema]) => {
    const type = typeOf(schema);
    return schema.type === 'object' && type.startsWith('{')
      ? `${doc(schema, '')}export interface ${pascal(name)} ${type}\n`
      : `${doc(schema, '')}export type ${pascal(name)} = ${type};\n`;
  });
  const operations = Object.entries(paths).flatMap(([path, offers]) =>
    Object.entries(offers).map(([method, operation]) => ({ path, method: method.toUpperCase(), operation })),
  );
  const table = operations.map(
    ({ path, method, operation }) => `  ${keyOf(operation.operationId)}: { method: '${method}', path: '${path}' },\n`,
  );
  return [
    HEAD,
    ...schemas,
    `export interface Operations {\n${operations.map(({ operation }) => operationOf(operation)).join('')}}\n`,
    `export type OperationId = keyof Operations;\n`,
    `/** Where each operation is; \`{name}\` stands for a parameter of the path. */\nexport const OPERATIONS = {\n${table.join('')}} as const satisfies Record<OperationId, { method: string; path: string }>;\n`,
  ].join('\n');
};

// The pieces that schemas of the OpenAPI document are made of. With a type given, a member that the type has and the schema has not is an error of the compiler.
import type { JsonSchema } from './openapi.ts';

export const TEXT = { type: 'string' } as const;
export const COUNT = { type: 'integer', minimum: 0 } as const;
export const NUMBER = { type: 'number' } as const;
export const FLAG = { type: 'boolean' } as const;
export const AT_MS = { type: 'number', description: 'Milliseconds of cluster time since 1970.' } as const;
export const HASH = { type: 'string', pattern: '^([0-9a-f]{64})?$', description: 'SHA-256; empty: there is nothing before.' } as const;

export const orNull = (schema: JsonSchema): JsonSchema => ({ anyOf: [schema, { type: 'null' }] });
export const listOf = (items: JsonSchema): JsonSchema => ({ type: 'array', items });
export const mapOf = (values: JsonSchema): JsonSchema => ({ type: 'object', additionalProperties: values });
export const oneOfTexts = (...texts: readonly string[]): JsonSchema => ({ type: 'string', enum: texts });

/** Members that are always there, and those that may be. */
export interface Members {
  needed: Readonly<Record<string, unknown>>;
  optional: Readonly<Record<string, unknown>>;
}

type Optional<T> = { [K in keyof T]-?: Record<never, never> extends Pick<T, K> ? K : never }[keyof T];

/** The members of T, each with its schema. */
export const membersOf = <T>(
  needed: Readonly<Record<Exclude<keyof T, Optional<T>>, unknown>>,
  optional: Readonly<Record<Optional<T>, unknown>>,
): Members => ({ needed, optional });

/** Every property is there, but for those in `optional`. */
export const shape = (needed: Members['needed'], optional: Members['optional'] = {}): JsonSchema => ({
  type: 'object',
  properties: { ...needed, ...optional },
  required: Object.keys(needed),
  additionalProperties: false,
});

/** As `shape`, with more beside it that is not promised. */
export const openShape = (...given: Parameters<typeof shape>): JsonSchema => ({ ...shape(...given), additionalProperties: true });

/** The shape of T. */
export const shapeOf = <T>(...given: Parameters<typeof membersOf<T>>): JsonSchema => {
  const { needed, optional } = membersOf<T>(...given);
  return shape(needed, optional);
};

/** A record of the store as T has it: one of another version may have more. */
export const recordOf = <T>(...given: Parameters<typeof membersOf<T>>): JsonSchema => ({
  ...shapeOf<T>(...given),
  additionalProperties: true,
});

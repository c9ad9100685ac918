// Holds JSON to the published protos of Temporal's Cloud Ops API, as proto3 maps them: fields by their JSON names and nothing else, enums by their names.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

interface Field {
  type?: string;
  repeated?: true;
  map?: true;
}

interface Document {
  routes: Readonly<Record<string, { request: string; response: string }>>;
  messages: Readonly<Record<string, Readonly<Record<string, Field>>>>;
  enums: Readonly<Record<string, readonly string[]>>;
}

const DOCUMENT: Document = JSON.parse(readFileSync(join(import.meta.dirname, '../../fixtures/temporal/cloud-api.v0.19.1.json'), 'utf8'));

const SCALARS: Readonly<Record<string, (value: unknown) => boolean>> = {
  string: (value) => typeof value === 'string',
  bool: (value) => typeof value === 'boolean',
  int32: (value) => Number.isInteger(value),
  int64: (value) => typeof value === 'string' && /^-?\d+$/.test(value),
  double: (value) => typeof value === 'number',
  bytes: (value) => typeof value === 'string',
  'google.protobuf.Timestamp': (value) => typeof value === 'string' && /^\d{4}-\d\d-\d\dT[\d:.]+Z$/.test(value),
  'google.protobuf.Duration': (value) => typeof value === 'string' && /^\d+(\.\d+)?s$/.test(value),
  'google.protobuf.Struct': (value) => typeof value === 'object' && value !== null,
  'google.protobuf.Any': (value) => typeof value === 'object' && value !== null,
};

const valueErrors = (type: string, value: unknown, at: string): string[] => {
  const scalar = SCALARS[type];
  if (scalar !== undefined) return scalar(value) ? [] : [`${at}: no ${type}`];
  const names = DOCUMENT.enums[type];
  if (names !== undefined) return names.includes(String(value)) ? [] : [`${at}: ${String(value)} is none of ${type}`];
  return messageErrors(type, value, at);
};

const messageErrors = (name: string, value: unknown, at: string): string[] => {
  const message = DOCUMENT.messages[name];
  if (message === undefined) return [`${at}: unknown message ${name}`];
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return [`${at}: no ${name}`];
  return Object.entries(value).flatMap(([key, part]) => {
    const field = message[key];
    if (field === undefined) return [`${at}.${key}: ${name} has no such field`];
    if (field.map === true) return [];
    if (field.repeated !== true) return valueErrors(field.type!, part, `${at}.${key}`);
    if (!Array.isArray(part)) return [`${at}.${key}: not repeated`];
    return part.flatMap((one, n) => valueErrors(field.type!, one, `${at}.${key}[${n}]`));
  });
};

/** Names of parameters in a path, in snake case. */
const parametersOf = (template: string, path: string): Record<string, string> | null => {
  const names = [...template.matchAll(/\{([a-z_]+)\}/g)].map((found) => found[1]!);
  const found = new RegExp(`^${template.replaceAll(/\{[a-z_]+\}/g, '([^/]+)')}$`).exec(path);
  return found === null ? null : Object.fromEntries(names.map((name, n) => [name, decodeURIComponent(found[n + 1]!)]));
};

const camel = (name: string): string => name.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());

/** What is wrong with one exchange; empty: nothing. An answer that is no success has the form of gRPC's status. */
export const exchangeErrors = (
  request: { method: string; url: URL; body: unknown },
  reply: { status: number; body: unknown },
): readonly string[] => {
  for (const [route, { request: asked, response }] of Object.entries(DOCUMENT.routes)) {
    const [method, template] = route.split(' ') as [string, string];
    const parameters = method === request.method ? parametersOf(template, request.url.pathname) : null;
    if (parameters === null) continue;
    const named = Object.fromEntries(Object.entries(parameters).map(([key, value]) => [camel(key), value]));
    const queried = Object.fromEntries(
      [...request.url.searchParams].map(([key, value]) => [key, /^\d+$/.test(value) ? Number(value) : value]),
    );
    return [
      ...messageErrors(asked, { ...(request.body as object | null), ...named, ...queried }, 'request'),
      ...(reply.status === 200 ? messageErrors(response, reply.body, 'reply') : []),
    ];
  }
  return [`${request.method} ${request.url.pathname}: there is no such route`];
};

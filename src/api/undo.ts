// Lines that take an order back, for a shell: each answer carries them, so that nobody has to think at 03:12. Pure.
import type { Override } from '../model.ts';
import { isoTime } from '../ports.ts';
import { TTL_MIN_MS } from './override-input.ts';

export interface Undo {
  cli: string;
  curl: string;
}

/** Text between single quotes of a POSIX shell: nothing in it is special but the quote itself. */
export const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;
const bare = (text: string): string => (/^[\w.:@/-]+$/.test(text) ? text : quoted(text));
const AUTHORIZATION = '-H "Authorization: Bearer $(cat TOKEN_FILE)"';

const END: Readonly<Partial<Record<Override['kind'], string>>> = {
  drain: 'undrain',
  evacuate: 'undrain',
  freeze: 'unfreeze',
  stop: 'resume',
};

/** The command that ends an order. */
export const endCommand = ({ kind, id }: Pick<Override, 'kind' | 'id'>): string => `tidegate ${END[kind] ?? 'override end'} ${id}`;

/** `baseUrl`: where this API is reached. */
export const endLines = (order: Override, baseUrl: string): Undo => ({
  cli: endCommand(order),
  curl: `curl -X DELETE ${AUTHORIZATION} -H 'If-Match: *' ${baseUrl}/v1/overrides/${order.id}`,
});

/** As the command line names what an order is about. */
const whereOf = ({ kind, scope: { region, service, pool }, weights }: Override): string => {
  if (kind === 'pin')
    return [bare(service ?? ''), ...Object.entries(weights ?? {}).map(([name, share]) => bare(`${name}=${share / 10}`))].join(' ');
  if (service !== undefined && pool !== undefined) return bare(`${service}/${pool}`);
  return bare(region ?? service ?? '--all');
};

/** null: what was left of it is too short to be ordered again. */
export const putBackLines = (override: Override, baseUrl: string, nowMs: number): Undo | null => {
  const { id, kind, scope, weights, reason, owner, ticket, startsAtMs, breakGlass, drill } = override;
  const isToCome = startsAtMs !== undefined && startsAtMs > nowMs;
  const ttlMs = Math.round(override.expiresAtMs - (isToCome ? startsAtMs : nowMs));
  if (ttlMs < TTL_MIN_MS) return null;
  const startsAt = isToCome ? isoTime(startsAtMs) : undefined;
  const body = JSON.stringify({ kind, scope, weights, reason, owner, ticket, ttlMs, startsAt, breakGlass, drill });
  const options = [
    `--id ${id}`,
    `--reason ${quoted(reason)}`,
    `--owner ${bare(owner)}`,
    `--ttl ${ttlMs}ms`,
    ...(ticket === undefined ? [] : [`--ticket ${bare(ticket)}`]),
    ...(startsAt === undefined ? [] : [`--start ${startsAt}`]),
    ...(breakGlass === true ? ['--break-glass'] : []),
    ...(drill === true ? ['--drill'] : []),
  ];
  return {
    cli: `tidegate ${kind} ${whereOf(override)} ${options.join(' ')}`,
    curl: `curl -X PUT ${AUTHORIZATION} -H 'Content-Type: application/json' -d ${quoted(body)} ${baseUrl}/v1/overrides/${id}`,
  };
};

/** What takes a run back, as far as it can be. */
export const undoLines = (run: string, baseUrl: string): Undo => ({
  cli: `tidegate undo-run ${run} --reason WHY`,
  curl: `curl -X POST ${AUTHORIZATION} -H 'Content-Type: application/json' -d '{"reason":"WHY, in ten characters"}' ${baseUrl}/v1/runs/${run}/undo`,
});

/** What takes a human's word about a database back. */
export const unsettleLines = (platform: string, database: string, baseUrl: string): Undo => ({
  cli: `tidegate unsettle ${bare(`${platform}/${database}`)} --reason WHY`,
  curl: `curl -X POST ${AUTHORIZATION} -H 'Content-Type: application/json' -H 'If-Match: *' -H "Idempotency-Key: $(uuidgen)" -d '{"reason":"WHY, in ten characters"}' ${baseUrl}/v1/platforms/${encodeURIComponent(platform)}/databases/${encodeURIComponent(database)}/unsettle`,
});

// Lines that take an order back, for a shell: each answer carries them, so that nobody has to think at 03:12. Pure.
import type { Override } from '../model.ts';
import { isoTime } from '../ports.ts';
import { TTL_MIN_MS } from './override-input.ts';

export interface Undo {
  cli: string;
  curl: string;
}

/** Text between single quotes of a POSIX shell: nothing in it is special but the quote itself. */
const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;
const bare = (text: string): string => (/^[\w.:@/-]+$/.test(text) ? text : quoted(text));
const AUTHORIZATION = '-H "Authorization: Bearer $(cat TOKEN_FILE)"';

/** `baseUrl`: where this API is reached. */
export const endLines = ({ id }: Override, baseUrl: string): Undo => ({
  cli: `tidegate override delete ${id}`,
  curl: `curl -X DELETE ${AUTHORIZATION} -H 'If-Match: *' ${baseUrl}/v1/overrides/${id}`,
});

/** null: what was left of it is too short to be ordered again. */
export const putBackLines = (override: Override, baseUrl: string, nowMs: number): Undo | null => {
  const { id, kind, scope, weights, reason, owner, ticket, startsAtMs, breakGlass, drill } = override;
  const isToCome = startsAtMs !== undefined && startsAtMs > nowMs;
  const ttlMs = Math.round(override.expiresAtMs - (isToCome ? startsAtMs : nowMs));
  if (ttlMs < TTL_MIN_MS) return null;
  const startsAt = isToCome ? isoTime(startsAtMs) : undefined;
  const body = JSON.stringify({ kind, scope, weights, reason, owner, ticket, ttlMs, startsAt, breakGlass, drill });
  const options = [
    ...Object.entries(scope).map(([name, value]) => `--${name} ${bare(String(value))}`),
    ...Object.entries(weights ?? {}).map(([pool, share]) => `--weight ${bare(`${pool}=${share}`)}`),
    `--reason ${quoted(reason)}`,
    `--owner ${bare(owner)}`,
    ...(ticket === undefined ? [] : [`--ticket ${bare(ticket)}`]),
    `--ttl ${ttlMs}ms`,
    ...(startsAt === undefined ? [] : [`--starts-at ${startsAt}`]),
    ...(breakGlass === true ? ['--break-glass'] : []),
    ...(drill === true ? ['--drill'] : []),
  ];
  return {
    cli: `tidegate override put ${id} --kind ${kind} ${options.join(' ')}`,
    curl: `curl -X PUT ${AUTHORIZATION} -H 'Content-Type: application/json' -d ${quoted(body)} ${baseUrl}/v1/overrides/${id}`,
  };
};

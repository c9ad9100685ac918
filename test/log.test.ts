import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Fault } from '../src/errors.ts';
import { createLog, type LogLevel, mask, maskText, registerSecret } from '../src/log.ts';

const WALL_MS = Date.UTC(2026, 10, 22, 3, 12);
const clock = { monoMs: () => 0, wallMs: () => WALL_MS };

const open = (level: LogLevel = 'debug') => {
  const lines: string[] = [];
  const log = createLog({ level, clock, destination: { write: (line) => lines.push(line) } });
  return { log, lines, parsed: () => lines.map((line) => JSON.parse(line)) };
};

describe('a line of the log', () => {
  test('is one JSON object with level, time of the given clock, event and fields', () => {
    const { log, lines, parsed } = open();
    log.info('decision', { v: 7, because: 'line one\nline two' });
    expect(lines).toHaveLength(1);
    expect(lines[0]?.indexOf('\n')).toBe(lines[0]!.length - 1);
    expect(parsed()).toEqual([{ level: 'info', time: '2026-11-22T03:12:00.000Z', event: 'decision', v: 7, because: 'line one\nline two' }]);
  });

  test('keeps its own event, level and time when a field has the same name', () => {
    const { log, lines, parsed } = open();
    log.warn('real', { event: 'false', level: 'false', time: 'false' });
    expect(parsed()[0]).toMatchObject({ event: 'real', level: 'warn', event_: 'false' });
    expect(lines[0]?.match(/"time":/g)).toHaveLength(1);
  });

  test('below the level is not written', () => {
    const { log, parsed } = open('warn');
    for (const level of ['debug', 'info', 'warn', 'error'] as const) log[level](level);
    expect(parsed().map(({ event }) => event)).toEqual(['warn', 'error']);
  });

  test('of a child carries the fields of all its parents', () => {
    const { log, parsed } = open();
    log.child({ region: 'eu-west' }).child({ replica: 'a' }).info('x', { v: 1 });
    expect(parsed()[0]).toMatchObject({ region: 'eu-west', replica: 'a', v: 1 });
  });

  test('shows an error with its cause, and a stack only where the error may be ours', () => {
    const { log, parsed } = open();
    log.error('a', { error: new Fault('ERR_DNS', 'no answer', { cause: new Error('deep') }) });
    log.error('b', { error: new TypeError('ours') });
    expect(parsed()[0].error).toMatchObject({ code: 'ERR_DNS', message: 'no answer', cause: { message: 'deep' } });
    expect(parsed()[0].error.stack).toBeUndefined();
    expect(parsed()[1].error.stack).toContain('TypeError: ours');
  });
});

describe('a secret', () => {
  test('is masked under a telling name at any depth, and only there', () => {
    const hidden = [
      'authorization',
      'Authorization',
      'token',
      'apiToken',
      'secret',
      'client_secret',
      'password',
      'passwords',
      'key',
      'api-key',
      'privateKey',
    ];
    const shown = ['tokenFile', 'secretFile', 'dedupKey', 'storeKey', 'monkey', 'keys_total', 'tokens_seen'];
    for (const name of hidden) expect(mask({ a: [{ [name]: 'v' }] }), name).toEqual({ a: [{ [name]: '***' }] });
    for (const name of shown) expect(mask({ a: [{ [name]: 'v' }] }), name).toEqual({ a: [{ [name]: 'v' }] });
  });

  test('that is registered is masked wherever it occurs, in names and errors too, and by a child made before', () => {
    const { log, lines } = open();
    const child = log.child({ boot: 'starts with s3cr3t-registered-1' });
    registerSecret(' s3cr3t-registered-1\n');
    child.error('x', {
      text: 'before s3cr3t-registered-1 after',
      's3cr3t-registered-1': [new Map([['a', 's3cr3t-registered-1']]), new Set(['s3cr3t-registered-1'])],
      error: new Error('s3cr3t-registered-1', { cause: 's3cr3t-registered-1' }),
      url: new URL('https://host/s3cr3t-registered-1'),
    });
    expect(lines.join('')).not.toContain('s3cr3t-registered-1');
    expect(lines.join('')).toContain('before *** after');
  });

  test('that contains another registered one leaves no tail', () => {
    registerSecret('prefix-secret');
    registerSecret('prefix-secret-and-more');
    expect(maskText('x prefix-secret-and-more y')).toBe('x *** y');
  });

  test('is masked by its shape: bearer tokens, webhook secrets, passwords in URLs', () => {
    expect(maskText('Authorization: Bearer abcdef123456')).toBe('Authorization: Bearer ***');
    expect(maskText('whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw and more')).toBe('*** and more');
    expect(maskText('https://user:pass@host/path')).toBe('https://***@host/path');
    expect(maskText(`no tg_${'0a'.repeat(24)}, nor tgbg.eyJhIjoxfQ.c2ln or eyJhbGciOiJub25lIn0.eyJhIjoxfQ.`)).toBe(
      'no ***, nor *** or ***',
    );
  });

  test('stays masked whatever is around it', () => {
    registerSecret('needle-0123456789');
    fc.assert(
      fc.property(fc.object({ maxDepth: 4, withNullPrototype: true }), fc.string(), fc.string(), (value, before, after) => {
        const text = JSON.stringify(mask({ value, found: `${before}needle-0123456789${after}` }));
        expect(text).not.toContain('needle-0123456789');
      }),
      { numRuns: 200 },
    );
  });
});

describe('what cannot be printed', () => {
  test('is named instead: cycles, depth, size, functions, bytes, hostile getters', () => {
    const cycle: Record<string, unknown> = {};
    cycle.self = cycle;
    expect(JSON.stringify(mask(cycle))).toContain('[deeper]');
    expect(mask({ fn: () => 1, bytes: new Uint8Array(3), nan: Number.NaN, big: 10n })).toEqual({
      fn: '[function]',
      bytes: '[3 bytes]',
      nan: 'NaN',
      big: '10',
    });
    const long = mask(Array.from({ length: 100_000 }, (_, i) => i)) as unknown[];
    expect(long.length).toBeLessThan(3_000);
    expect((mask('x'.repeat(1_000_000)) as string).length).toBeLessThan(10_000);
    const hostile = {
      get trap(): never {
        throw new Error('boom');
      },
    };
    expect(mask(hostile)).toBe('[unreadable: boom]');
  });

  test('never stops a line from being valid JSON', () => {
    const { log, lines } = open();
    fc.assert(
      fc.property(
        fc.anything({ withBigInt: true, withMap: true, withSet: true, withDate: true, withNullPrototype: true, withSparseArray: true }),
        (value) => {
          lines.length = 0;
          log.info('any', { value });
          expect(JSON.parse(lines[0]!).event).toBe('any');
        },
      ),
      { numRuns: 300 },
    );
  });
});

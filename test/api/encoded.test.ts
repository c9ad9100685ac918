// Who takes what encoding, and that what is zipped is the same document.
import { gunzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { takesGzip } from '../../src/api/encoded.ts';
import { type Opened, openApi } from './fixture.ts';

let api: Opened;
beforeEach(() => {
  api = openApi();
});
afterEach(() => api.close());

test.each([
  ['gzip', true],
  ['br, GZIP ; q=0.5', true],
  ['*', true],
  ['gzip;q=0, *', false],
  ['identity', false],
  ['gzip;q=x', false],
  ['', false],
  [undefined, false],
])('accept-encoding %s', (accepts, takes) => {
  expect(takesGzip(accepts)).toBe(takes);
});

describe.each(['/v1/status', '/api/health/detail'])('%s', (url) => {
  test('zipped for those who take it, the same document as plain', async () => {
    const plain = await api.app.inject({ url });
    const zipped = await api.app.inject({ url, headers: { 'accept-encoding': 'gzip' } });
    expect([plain.headers['content-encoding'], zipped.headers['content-encoding']]).toEqual([undefined, 'gzip']);
    expect([plain.headers.vary, zipped.headers.vary]).toEqual(['accept-encoding', 'accept-encoding']);
    expect(zipped.statusCode).toBe(plain.statusCode);
    expect(JSON.parse(gunzipSync(zipped.rawPayload).toString())).toEqual(plain.json());
    expect(zipped.rawPayload.length).toBeLessThan(plain.rawPayload.length);
  });
});

import { afterEach, expect, test, vi } from 'vitest';
import { ensureEtcd } from '../../src/drill/install.ts';

afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});

test('without etcd and without root, one sentence says what to install', async () => {
  vi.stubEnv('PATH', '/nowhere:/nowhere/else');
  vi.spyOn(process, 'getuid').mockReturnValue(1000);
  const told: string[] = [];
  const asked = ensureEtcd((text) => told.push(text));
  await expect(asked).rejects.toMatchObject({ code: 'ERR_DEMO' });
  await expect(asked).rejects.toThrow(/^etcd is not installed.*apt-get install etcd-server.*without --cluster$/);
  expect(told).toEqual([]);
});

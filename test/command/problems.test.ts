// A file that is not accepted: every command says every problem at its place, and ends with 78; with --json as one object on stdout.
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { promote } from '../../src/command/promote.ts';
import { report } from '../../src/command/report.ts';
import { realPorts } from '../../src/ports.ts';

const config = join(import.meta.dirname, '../fixtures/config/bad-unknown-key.yaml');

const said = async (
  run: (context: { ports: ReturnType<typeof realPorts>; out(t: string): void; err(t: string): void }) => Promise<number>,
) => {
  const [out, err]: [string[], string[]] = [[], []];
  const code = await run({ ports: realPorts(), out: (t) => void out.push(t), err: (t) => void err.push(t) });
  return { code, out: out.join(''), err: err.join('') };
};

for (const [name, run] of [
  ['promote', (json: boolean) => said((c) => promote({ config, service: 'web', to: 'auto', since: '14d', json }, { ...c, confirm: null }))],
  ['report', (json: boolean) => said((c) => report({ config, since: '14d', json }, c))],
] as const) {
  test(`${name} says what is wrong with its file, and where`, async () => {
    const { code, out, err } = await run(false);
    expect(code).toBe(78);
    expect(err).toContain('bad-unknown-key.yaml:21:7 cluster.services[0].tll: found the unknown key "tll"');
    expect(out).toBe('');
  });

  test(`${name} says it as one object`, async () => {
    const { code, out, err } = await run(true);
    expect(code).toBe(78);
    expect(JSON.parse(out)).toMatchObject({ outcome: 'not-accepted', because: [expect.stringContaining('"tll"')] });
    expect(err).toBe('');
  });
}

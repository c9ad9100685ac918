// `npm run bench -- detection|publish|probe|decide [--json]`: prints a table beside a reference measured in the same run. Machines differ: read the
// ratios and the medians. Exit 1 when a stated goal is missed.
import { benchDecide } from './decide.ts';
import { benchDetection } from './detection.ts';
import { benchProbe } from './probe.ts';
import { benchPublish } from './publish.ts';

export interface Bench {
  goals: Readonly<Record<string, number>>;
  met: boolean;
  rows: readonly object[];
}

const BENCHES: Readonly<Record<string, { says: string; run: () => Promise<Bench> }>> = {
  detection: {
    says: 'From the fault to the committed decision at default settings, three vantages; reference: one vantage, three strikes every 5 s',
    run: benchDetection,
  },
  publish: {
    says: 'From the acknowledged commit to the first byte at the provider; reference: connecting and writing one byte, nothing else',
    run: benchPublish,
  },
  probe: {
    says: 'The probe engine at 1,000 probes/s; reference: bare sockets',
    run: async () => ({ ...(await benchProbe()) }) as unknown as Bench,
  },
  decide: { says: 'One decision over many targets and five vantages; reference: JSON.parse of the same votes', run: benchDecide },
};

const cell = (value: unknown): string =>
  typeof value === 'number' ? (Number.isInteger(value) ? String(value) : value.toFixed(value < 10 ? 2 : 1)) : String(value);

const table = (rows: readonly object[]): string => {
  const names = Object.keys(rows[0] ?? {});
  const lines = [names, ...rows.map((row) => names.map((name) => cell((row as Record<string, unknown>)[name] ?? '')))];
  const widths = names.map((_, i) => Math.max(...lines.map((line) => (line[i] ?? '').length)));
  return lines
    .map((line) => line.map((text, i) => (i === 0 ? text.padEnd(widths[i] ?? 0) : text.padStart(widths[i] ?? 0))).join('  '))
    .join('\n');
};

const main = async (): Promise<void> => {
  const args = process.argv.slice(2);
  const json = args.includes('--json');
  const names = args.filter((arg) => !arg.startsWith('--'));
  const unknown = names.filter((name) => BENCHES[name] === undefined);
  if (unknown.length > 0) {
    process.stderr.write(`no bench named ${unknown.join(', ')}; there are ${Object.keys(BENCHES).join(', ')}\n`);
    process.exit(2);
  }
  const results: Record<string, Bench> = {};
  for (const name of names.length > 0 ? names : Object.keys(BENCHES)) {
    const bench = BENCHES[name];
    if (bench === undefined) continue;
    process.stderr.write(`${name}: ${bench.says}\n`);
    const result = await bench.run();
    results[name] = result;
    if (!json)
      process.stdout.write(
        `\n${name} (${bench.says})\n${table(result.rows)}\ngoals ${JSON.stringify(result.goals)} ${result.met ? 'met' : 'MISSED'}\n`,
      );
  }
  if (json) process.stdout.write(`${JSON.stringify(results)}\n`);
  process.exitCode = Object.values(results).every((r) => r.met) ? 0 : 1;
};

await main();

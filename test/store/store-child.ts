// A process of its own around a store file, for the tests that stop or kill it. Speaks JSON lines on stdout.
//   hold FILE      opens the file and keeps it
//   stream FILE    opens it and counts one record up for ever; prints each acknowledged count
import { setInterval } from 'node:timers';
import { errorText, Fault } from '../../src/errors.ts';
import { realPorts } from '../../src/ports.ts';
import { openEmbedded } from '../../src/store/embedded.ts';

const [mode, file = ''] = process.argv.slice(2);
const say = (line: unknown): void => void process.stdout.write(`${JSON.stringify(line)}\n`);

try {
  const store = openEmbedded({ file, ports: realPorts() });
  say({ opened: true });
  if (mode === 'hold') setInterval(() => {}, 1000);
  for (let n = Number((await store.get({ keys: ['counter'] })).kvs[0]?.value ?? 0) + 1; mode === 'stream'; n++) {
    // A second key of changing size in the same transaction: half a transaction would show.
    await store.txn({
      if: [],
      then: ['counter', 'twin'].map((key) => ({ put: key, value: key === 'twin' ? { n, pad: 'x'.repeat((n * 97) % 9000) } : n })),
    });
    say({ acked: n });
  }
} catch (error) {
  say({ code: error instanceof Fault ? error.code : 'none', message: errorText(error) });
}

// Takes one guard away while its module is loaded: `SIM_MUTATION=leader node --import ./test/sim/mutate.ts …`. Loaded before anything else.
import { readFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { MUTATIONS } from './mutations.ts';

const ROOT = join(import.meta.dirname, '../..');

/** The file's text without the guard. Throws when its text is not there exactly once. */
export const mutated = (name: string): { url: string; source: string } => {
  const mutation = MUTATIONS[name];
  if (mutation === undefined) throw new Error(`no mutation named ${name}; there are ${Object.keys(MUTATIONS).join(', ')}`);
  const path = join(ROOT, mutation.file);
  const text = readFileSync(path, 'utf8');
  const parts = text.split(mutation.find);
  if (parts.length !== 2) throw new Error(`mutation ${name}: its text is there ${parts.length - 1} times in ${mutation.file}, expected once`);
  return { url: pathToFileURL(path).href, source: parts.join(mutation.replace) };
};

const wanted = process.env.SIM_MUTATION;
if (wanted !== undefined) {
  const { url, source } = mutated(wanted);
  registerHooks({
    load(asked, context, next) {
      return asked === url ? { format: 'module-typescript', source, shortCircuit: true } : next(asked, context);
    },
  });
}

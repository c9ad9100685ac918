// Takes one guard away while its modules are loaded: `SIM_MUTATION=leader node --import ./test/sim/mutate.ts ...`. Loaded before anything else.
import { readFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { MUTATIONS } from './mutations.ts';

const ROOT = join(import.meta.dirname, '../..');

/** The texts without the guard, by URL. Throws when a text is not there exactly once. */
export const mutated = (name: string): ReadonlyMap<string, string> => {
  const mutation = MUTATIONS[name];
  if (mutation === undefined) throw new Error(`no mutation named ${name}; there are ${Object.keys(MUTATIONS).join(', ')}`);
  const sources = new Map<string, string>();
  for (const [file, find, replace] of mutation.edits) {
    const path = join(ROOT, file);
    const url = pathToFileURL(path).href;
    const parts = (sources.get(url) ?? readFileSync(path, 'utf8')).split(find);
    if (parts.length !== 2) throw new Error(`mutation ${name}: its text is there ${parts.length - 1} times in ${file}, expected once`);
    sources.set(url, parts.join(replace));
  }
  return sources;
};

const wanted = process.env.SIM_MUTATION;
if (wanted !== undefined) {
  const sources = mutated(wanted);
  registerHooks({
    load(url, context, next) {
      const source = sources.get(url);
      return source === undefined ? next(url, context) : { format: 'module-typescript', source, shortCircuit: true };
    },
  });
}

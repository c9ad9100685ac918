// http.check: an address answers with a status that is good.
import type { StepKind } from '../kind.ts';
import { readOr } from '../outcome.ts';
import type { HttpCheckSystem } from './system.ts';

export const httpCheck: StepKind<'http.check'> = {
  kind: 'http.check',
  signal: 'gate',
  read: ({ system: name }, { context, signal }) =>
    readOr(`GET of ${name}`, async () => {
      const system = await context.system<HttpCheckSystem>(name, 'http');
      const status = await system.ask(signal);
      const isGood = system.good.some(([low, high]) => status >= low && status <= high);
      const because = `${name} at ${system.host} answered ${status}, expected ${system.good.map(rangeText).join(' or ')}`;
      return { is: isGood ? 'reached' : 'pending', because };
    }),
};

const rangeText = ([low, high]: readonly [number, number]): string => (low === high ? String(low) : `${low}-${high}`);

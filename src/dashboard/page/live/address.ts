// What the address asks for, behind the `#`: `incident=…&service=…`. So a link leads a colleague to the same place.
import { signal } from '@preact/signals';
import { fragment, onFragment, setFragment } from '../browser.ts';

const read = (): Readonly<Record<string, string>> => Object.fromEntries(new URLSearchParams(fragment()));

export const asked = signal(read());
onFragment(() => {
  asked.value = read();
});

/** null takes it out. */
export const want = (name: string, value: string | null): void => {
  const next = new URLSearchParams(asked.value);
  if (value === null) next.delete(name);
  else next.set(name, value);
  setFragment(next.toString());
  asked.value = Object.fromEntries(next);
};

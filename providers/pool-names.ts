// What an import calls the pools it finds: the vendor's own names, as the configuration spells them. Pure.

/** No longer, so that a number has room behind it. */
const CHARS_MAX = 50;

/** `EU (west) 1` becomes `eu-west-1`; of equal ones the second `eu-west-1-2`. Out: as many as came in, each once. */
export const poolNames = (texts: readonly string[]): readonly string[] => {
  const taken = new Set<string>();
  return texts.map((text) => {
    const plain = trimmed(trimmed(text.toLowerCase().replace(/[^a-z0-9._-]+/g, '-')).slice(0, CHARS_MAX));
    const base = /[a-z]/.test(plain) ? plain : trimmed(`pool-${plain}`);
    let name = base;
    for (let n = 2; taken.has(name); n++) name = `${base}-${n}`;
    taken.add(name);
    return name;
  });
};

/** A name begins and ends with a letter or digit. */
const trimmed = (text: string): string => text.replace(/^[._-]+|[._-]+$/g, '');

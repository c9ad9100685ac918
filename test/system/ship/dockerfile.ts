// A Dockerfile as a list of stages, each a list of instructions: comments gone, continued lines joined, ARG defaults put in. As much of the language as ours
// uses; what is not understood is thrown out, so that a line nobody plays cannot pass unseen.
export interface Copy {
  kind: 'COPY';
  from: string | null;
  owner: string | null;
  sources: readonly string[];
  target: string;
}

export type Step =
  | { kind: 'WORKDIR' | 'USER' | 'STOPSIGNAL' | 'EXPOSE'; value: string }
  | { kind: 'RUN'; command: string }
  | Copy
  | { kind: 'ENV' | 'LABEL'; values: Readonly<Record<string, string>> }
  | { kind: 'VOLUME' | 'ENTRYPOINT' | 'CMD'; words: readonly string[] }
  | { kind: 'HEALTHCHECK'; options: Readonly<Record<string, string>>; words: readonly string[] };

export interface Stage {
  image: string;
  name: string | null;
  steps: readonly Step[];
}

/** Instructions as written, each on one line. */
const instructions = (text: string): readonly { kind: string; rest: string }[] =>
  text
    .split('\n')
    .filter((line) => !/^\s*#/.test(line))
    .join('\n')
    .replace(/\\\n\s*/g, ' ')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .map((line) => ({ kind: /^\S+/.exec(line)?.[0] ?? '', rest: line.replace(/^\S+\s*/, '') }));

/** Only the exec form: there is no shell in the image that could read the other one. */
const execForm = (kind: string, text: string): readonly string[] => {
  const words: unknown = text.startsWith('[') ? JSON.parse(text) : null;
  if (!Array.isArray(words) || !words.every((word) => typeof word === 'string')) throw new Error(`${kind} ${text}: not in exec form`);
  return words;
};

const pairs = (text: string): Readonly<Record<string, string>> =>
  Object.fromEntries(
    [...text.matchAll(/([\w.]+)=(?:"([^"]*)"|(\S+))/g)].map(([, name = '', quoted, bare]) => [name, quoted ?? bare ?? '']),
  );

const flagged = (text: string): { flags: Readonly<Record<string, string>>; rest: string } => {
  const flags = [...text.matchAll(/--([\w-]+)=(\S+)\s+/g)].map(([, name = '', value = '']) => [name, value] as const);
  return { flags: Object.fromEntries(flags), rest: text.replace(/--[\w-]+=\S+\s+/g, '') };
};

const copy = (text: string): Copy => {
  const { flags, rest } = flagged(text);
  const { from = null, chown = null, ...others } = flags;
  if (Object.keys(others).length > 0) throw new Error(`COPY ${text}: not understood`);
  const words = rest.split(/\s+/);
  return { kind: 'COPY', from, owner: chown, sources: words.slice(0, -1), target: words.at(-1) ?? '' };
};

const step = (kind: string, rest: string): Step => {
  switch (kind) {
    case 'WORKDIR':
    case 'USER':
    case 'STOPSIGNAL':
    case 'EXPOSE':
      return { kind, value: rest };
    case 'RUN':
      return { kind, command: rest };
    case 'COPY':
      return copy(rest);
    case 'ENV':
    case 'LABEL':
      return { kind, values: pairs(rest) };
    case 'VOLUME':
    case 'ENTRYPOINT':
    case 'CMD':
      return { kind, words: execForm(kind, rest) };
    case 'HEALTHCHECK': {
      const { flags, rest: command } = flagged(rest);
      return { kind, options: flags, words: execForm(kind, command.replace(/^CMD\s*/, '')) };
    }
    default:
      throw new Error(`${kind} ${rest}: not understood`);
  }
};

export const parseDockerfile = (text: string): readonly Stage[] => {
  const args = new Map<string, string>();
  const stages: { image: string; name: string | null; steps: Step[] }[] = [];
  for (const { kind, rest } of instructions(text)) {
    if (kind === 'ARG' && stages.length === 0) {
      const [name = '', value = ''] = rest.split('=');
      args.set(name, value);
    } else if (kind === 'FROM') {
      const [image = '', as, name] = rest.replace(/\$\{(\w+)\}/g, (_, arg: string) => args.get(arg) ?? '').split(/\s+/);
      stages.push({ image, name: as === 'AS' ? (name ?? null) : null, steps: [] });
    } else {
      const stage = stages.at(-1);
      if (stage === undefined) throw new Error(`${kind} ${rest}: before FROM`);
      stage.steps.push(step(kind, rest));
    }
  }
  return stages;
};

/** What a build is sent: a list of what stays out, with exceptions, as in `.dockerignore`. `paths`: of files, relative. */
export const sentToBuild = (ignore: string, paths: readonly string[]): readonly string[] => {
  const rules = ignore
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => ({ keeps: line.startsWith('!'), pattern: matcher(line.replace(/^!/, '')) }));
  return paths.filter((path) => rules.findLast(({ pattern }) => pattern.test(path))?.keeps ?? true);
};

/** A pattern covers what it names and all below it. */
const matcher = (pattern: string): RegExp => {
  const escaped = pattern
    .split('**/')
    .map((part) => part.replace(/[.+^${}()|[\]\\]/g, '\\$&').replaceAll('*', '[^/]*'))
    .join('(?:.*/)?');
  return new RegExp(`^${escaped}(?:/.*)?$`);
};

// Completion scripts, written from the tree of commands itself, so that none is ever missing. The scripts ask nobody: no network, no files.
import type { Command } from 'commander';

interface Node {
  /** `override list`; empty for the program. */
  path: string;
  says: string;
  words: readonly { word: string; says: string }[];
  options: readonly { flags: readonly string[]; says: string; takes: boolean }[];
}

/** Every command that is not hidden, parents first. */
const nodesOf = (program: Command): readonly Node[] => {
  const walk = (command: Command, path: readonly string[]): readonly Node[] => {
    const help = command.createHelp();
    const commands = help.visibleCommands(command);
    const node: Node = {
      path: path.join(' '),
      says: command.description(),
      words: [
        ...commands.map((each) => ({ word: each.name(), says: each.description() })),
        ...command.registeredArguments.flatMap(({ argChoices = [] }) => argChoices.map((word) => ({ word, says: '' }))),
      ],
      options: help.visibleOptions(command).map((option) => ({
        flags: [option.short, option.long].filter((flag) => flag !== undefined && flag !== null),
        says: option.description,
        takes: option.required || option.optional,
      })),
    };
    return [node, ...command.commands.filter((each) => commands.includes(each)).flatMap((each) => walk(each, [...path, each.name()]))];
  };
  return walk(program, []);
};

/** Within single quotes of a shell. */
const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;
const wordsOf = ({ words, options }: Node): string =>
  [...words.map(({ word }) => word), ...options.flatMap(({ flags }) => flags)].join(' ');
const takers = (node: Node): string =>
  node.options
    .filter(({ takes }) => takes)
    .flatMap(({ flags }) => flags)
    .join(' ');

/** One word further in the tree, in the shells that have `case`. */
const pathCase = (nodes: readonly Node[]): string => `    case "$path $word" in
${nodes
  .filter(({ path }) => path !== '')
  .map(({ path }) => `      ${quoted(path.includes(' ') ? path : ` ${path}`)}) path=${quoted(path)} ;;`)
  .join('\n')}
    esac`;

const bash = (nodes: readonly Node[]): string => `# bash completion of tidegate
_tidegate() {
  local cur path='' word i
  cur="\${COMP_WORDS[COMP_CWORD]}"
  for ((i = 1; i < COMP_CWORD; i++)); do
    word="\${COMP_WORDS[i]}"
${pathCase(nodes)}
  done
  local words='' takes=''
  case "$path" in
${nodes.map((node) => `    ${quoted(node.path)}) words=${quoted(wordsOf(node))}; takes=${quoted(` ${takers(node)} `)} ;;`).join('\n')}
  esac
  if [[ "$takes" == *" \${COMP_WORDS[COMP_CWORD-1]} "* ]]; then
    COMPREPLY=($(compgen -f -- "$cur"))
    return
  fi
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -o default -F _tidegate tidegate
`;

const described = (text: string): string => text.replaceAll(/[[\]:\\]/g, ' ').replaceAll("'", '’');

const zsh = (nodes: readonly Node[]): string => `#compdef tidegate
_tidegate() {
  local path='' word i
  for ((i = 2; i < CURRENT; i++)); do
    word="\${words[i]}"
${pathCase(nodes)}
  done
  local -a offered
  case "$path" in
${nodes
  .map((node) => {
    const words = node.words.map(({ word, says }) => quoted(`${word}:${described(says)}`));
    const options = node.options.flatMap(({ flags, says }) => flags.map((flag) => quoted(`${flag}:${described(says)}`)));
    return `    ${quoted(node.path)}) offered=(${[...words, ...options].join(' ')}) ;;`;
  })
  .join('\n')}
  esac
  _describe 'tidegate' offered || _files
}
compdef _tidegate tidegate
`;

const fish = (nodes: readonly Node[]): string => {
  const lines = nodes.flatMap(({ path, words, options }) => {
    const parts = path === '' ? [] : path.split(' ');
    const seen = parts.map((part) => `__fish_seen_subcommand_from ${part}`);
    const none = words.length === 0 ? [] : [`not __fish_seen_subcommand_from ${words.map(({ word }) => word).join(' ')}`];
    const when = (conditions: readonly string[]): string => (conditions.length === 0 ? '' : ` -n ${quoted(conditions.join('; and '))}`);
    return [
      ...words.map(({ word, says }) => `complete -c tidegate -f${when([...seen, ...none])} -a ${quoted(word)} -d ${quoted(says)}`),
      ...options.map(({ flags, says, takes }) => {
        const names = flags.map((flag) => (flag.startsWith('--') ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`));
        return `complete -c tidegate${when(seen)} ${names.join(' ')}${takes ? ' -r' : ''} -d ${quoted(says)}`;
      }),
    ];
  });
  return `# fish completion of tidegate\n${lines.join('\n')}\n`;
};

const SHELLS = { bash, zsh, fish } as const;

export const completion = (program: Command, shell: keyof typeof SHELLS): string => SHELLS[shell](nodesOf(program));

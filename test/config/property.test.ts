// Whatever is done to a valid file, the answer is a verdict with places, and a slip of the finger is answered with the right name.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { isMap, isScalar, parseDocument, visit } from 'yaml';
import { type Loaded, loadConfig, parseConfig } from '../../src/config/load.ts';
import { renderProblem } from '../../src/config/problem.ts';
import { fixture, problemsOf } from './files.ts';

const folder = mkdtempSync(join(tmpdir(), 'tidegate-config-'));
afterAll(() => rmSync(folder, { recursive: true }));

// Thousands of files on a machine that others use too.
const SLOW = { timeout: 120_000 };

const FULL = fixture('full.yaml');
const ETCD = `kind: etcd
  endpoints: ['https://etcd-1.example:2379', 'https://etcd-2.example:2379', 'https://etcd-3.example:2379']
  prefix: /tidegate/full/
  tls: { caFile: ca.pem, certFile: client.pem, keyFile: client.key }
  user: { name: eu-west, passwordFile: secrets/etcd }
  timeout: 2s
`;
// A file has one store; its other kinds have keys of their own.
const withStore = (store: string): string => FULL.replace(/kind: embedded\n.*\n.*\n/, store);
const TEXTS = [FULL, withStore('kind: remote\n  url: http://127.0.0.1:7710\n  tokenFile: t\n'), withStore(ETCD)];

interface Piece {
  start: number;
  end: number;
  key: boolean;
}

/** Every key and scalar of a text, with its place. */
const piecesOf = (text: string): readonly Piece[] => {
  const pieces: Piece[] = [];
  visit(parseDocument(text), {
    Pair: (_, { key }) => {
      if (isScalar(key) && key.range) pieces.push({ start: key.range[0], end: key.range[1], key: true });
    },
    Scalar: (key, { range }) => {
      if (key !== 'key' && range) pieces.push({ start: range[0], end: range[1], key: false });
    },
  });
  return pieces;
};

const splice = (text: string, { start, end }: Piece, by: string): string => text.slice(0, start) + by + text.slice(end);

const LETTER = fc.constantFrom(...'abcdefghijklmnopqrstuvwxyz');

/** One slip of the finger: a letter lost, doubled, wrong, added or swapped with its neighbour. */
const slip = (word: string): fc.Arbitrary<string> =>
  fc.tuple(fc.nat(word.length - 1), LETTER, fc.constantFrom('drop', 'replace', 'insert', 'swap')).map(([i, letter, kind]) => {
    if (kind === 'drop') return word.slice(0, i) + word.slice(i + 1);
    if (kind === 'replace') return word.slice(0, i) + letter + word.slice(i + 1);
    if (kind === 'insert') return word.slice(0, i) + letter + word.slice(i);
    return word.slice(0, i) + word.slice(i + 1, i + 2) + word.slice(i, i + 1) + word.slice(i + 2);
  });

const expectVerdict = (loaded: Loaded, text: string): void => {
  if (loaded.ok) return;
  const lines = text.split('\n').length;
  expect(loaded.problems.length).toBeGreaterThan(0);
  for (const problem of loaded.problems) {
    expect(problem.line).toBeGreaterThanOrEqual(1);
    expect(problem.line).toBeLessThanOrEqual(lines);
    expect(problem.column).toBeGreaterThanOrEqual(1);
    expect(problem.message).toMatch(/^found .*(expected|second time)/s);
  }
  const places = loaded.problems.map(({ line, column }) => line * 1e6 + column);
  expect(places).toEqual(places.toSorted((a, b) => a - b));
};

describe('mutations of a valid file', SLOW, () => {
  const replacement = fc.oneof(
    fc.constantFrom(
      '',
      '[]',
      '{}',
      'null',
      '-1',
      '0',
      '1e999',
      '.nan',
      'true',
      '""',
      '*a',
      '&a',
      '!!x y',
      '\t',
      '"',
      '[',
      '}',
      '#',
      ': ',
      '\n',
      '- x',
    ),
    fc.string({ maxLength: 8 }),
    LETTER,
  );
  const mutation = fc.constantFrom(...TEXTS).chain((text) =>
    fc.array(fc.tuple(fc.constantFrom(...piecesOf(text)), replacement), { minLength: 1, maxLength: 4 }).map((changes) =>
      // From the back, so that earlier places stay where they are; one change per place.
      [...new Map(changes.map((change) => [change[0].start, change])).values()]
        .sort(([a], [b]) => b.start - a.start)
        .reduce((mutated, [piece, by]) => splice(mutated, piece, by), text),
    ),
  );

  test('none throws, and every problem has its place in the file, in order', () => {
    fc.assert(
      fc.property(mutation, (text) => expectVerdict(parseConfig(text, 'f'), text)),
      { numRuns: 400 },
    );
  });

  test('a line lost anywhere neither', () => {
    const lines = FULL.split('\n');
    for (const i of lines.keys()) {
      const text = lines.toSpliced(i, 1).join('\n');
      expectVerdict(parseConfig(text, 'f'), text);
    }
  });
});

describe('misspelt keys', SLOW, () => {
  /** What the report offers where an unknown key stands instead of this one. */
  const knownAt = (text: string, piece: Piece): readonly string[] => {
    const problems = problemsOf(parseConfig(splice(text, piece, 'q'.repeat(20)), 'f'));
    const offers = problems.map(({ message }) => /"q{20}", expected (?:one of )?(.*);/.exec(message)?.[1]);
    return offers.find((offer) => offer !== undefined)?.split(', ') ?? (text.slice(piece.start, piece.end) === 'kind' ? ['kind'] : []);
  };

  const keys = TEXTS.flatMap((text) =>
    piecesOf(text)
      .filter(({ key }) => key)
      .map((piece) => ({ text, piece, word: text.slice(piece.start, piece.end), known: knownAt(text, piece) }))
      // Names that the user gives are keys too, and unknown to the schema.
      .filter(({ word, known }) => known.includes(word)),
  );

  test('every key of the complete file but the names of providers is a known one, and the file has every known key', () => {
    const words = new Set(keys.map(({ word }) => word));
    expect(words.size).toBeGreaterThan(60);
    expect([...new Set(keys.flatMap(({ known }) => known))].filter((word) => !words.has(word))).toEqual([]);
  });

  test('one slip in any known key is answered with that key, at its place', () => {
    const typo = fc.constantFrom(...keys).chain((key) => slip(key.word).map((typed) => ({ ...key, typed })));
    fc.assert(
      fc.property(typo, ({ text, piece, word, known, typed }) => {
        fc.pre(typed !== word && typed !== '' && !known.includes(typed));
        const line = text.slice(0, piece.start).split('\n').length;
        const column = piece.start - text.lastIndexOf('\n', piece.start - 1);
        const answers = problemsOf(parseConfig(splice(text, piece, typed), 'f')).filter(
          (problem) => problem.line === line && problem.column === column,
        );
        expect(answers.map(({ message }) => message).join()).toContain(`"${word}"`);
      }),
      { numRuns: 600 },
    );
  });
});

describe('secrets in the wrong place', SLOW, () => {
  const SECRET = 'S3cr3tValue';

  test.each(['token', 'secret', 'password', 'apiKey', 'credentials', 'tokens'])(
    '%s is refused in every map, and its value is repeated nowhere',
    (name) => {
      const maps: number[] = [];
      visit(parseDocument(FULL), {
        Map: (_, node) => {
          const [pair] = node.items;
          if (pair && isScalar(pair.key) && pair.key.range && isMap(node)) maps.push(pair.key.range[0]);
        },
      });
      for (const place of maps) {
        const flow = FULL.slice(0, place).trimEnd().endsWith('{');
        const indent = ' '.repeat(place - FULL.lastIndexOf('\n', place - 1) - 1);
        const text = FULL.slice(0, place) + (flow ? `${name}: ${SECRET}, ` : `${name}: ${SECRET}\n${indent}`) + FULL.slice(place);
        const problems = problemsOf(parseConfig(text, 'f')).map(renderProblem).join('\n');
        expect(problems).not.toBe('');
        expect(problems).not.toContain(SECRET);
      }
    },
  );

  test.each([
    ['a key as text', /key: \{.*\}/, `key: ${SECRET}`],
    ['a password in a probe', 'https://192.0.2.10/readyz', `https://a:${SECRET}@192.0.2.10/readyz`],
    ['a token in a broken probe', 'https://192.0.2.10/readyz', `htps://192.0.2.10/readyz?token=${SECRET}`],
    ["a webhook's address", 'https://hooks.example/tidegate?team=web', `hooks.example/${SECRET}`],
  ])('%s is refused without being repeated', (_, from, to) => {
    const problems = problemsOf(parseConfig(FULL.replace(from, to), 'f'))
      .map(renderProblem)
      .join('\n');
    expect(problems).not.toBe('');
    expect(problems).not.toContain(SECRET);
  });
});

describe('no text at all like a configuration', SLOW, () => {
  test('random bytes never throw', () => {
    const path = join(folder, 'random.yaml');
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        writeFileSync(path, bytes);
        expectVerdict(loadConfig(path), '\n'.repeat(400));
      }),
      { numRuns: 300 },
    );
  });

  test('random YAML never throws', () => {
    const token = fc.constantFrom(
      'region',
      'cluster',
      ':',
      ' ',
      '\n',
      '  ',
      '- ',
      '[',
      ']',
      '{',
      '}',
      ',',
      '"',
      "'",
      '&a',
      '*a',
      '!t',
      '|',
      '>',
      '?',
      '#',
      '---',
      '%',
      '\t',
      '1',
      '~',
      'é',
      '\u0000',
      '\r',
      '\uFEFF',
    );
    fc.assert(
      fc.property(fc.array(token, { maxLength: 60 }), (tokens) => {
        const text = tokens.join('');
        expectVerdict(parseConfig(text, 'f'), `${text}\n\n`);
      }),
      { numRuns: 1500 },
    );
  });
});

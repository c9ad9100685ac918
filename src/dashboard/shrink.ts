// Makes the page's modules small: types, comments and long names off, which is a third of their weight, zipped. A reader has the source map for what is lost.
// That holds a core for a second, and probes share the thread of whoever asks: it is done in a thread of its own, one module after the other, which begins
// with the first that is wanted and ends when nothing is left to do.
import { stripTypeScriptTypes } from 'node:module';
import { parentPort, Worker, workerData } from 'node:worker_threads';

export interface Small {
  code: string;
  /** A source map: what stood where, with the source as it is. null: it is not small. */
  map: string | null;
}

interface Task {
  id: number;
  name: string;
  source: string;
}
type Answer = { id: number } & ({ small: Small } | { because: string });

const HEAP_MIB_MAX = 256;
/** What is cheap to do: all that terser can do would take twice as long, for 150 bytes. */
const COMPRESS = { defaults: false, arrows: true, conditionals: true, if_return: true, join_vars: true };
/** Tells this thread from any other in which this module is loaded. */
const ROLE = 'shrinks the page';

/** Node calls this function experimental and says so on stderr; what it does to our files is held by tests. Lines and columns stay what they are. */
export const stripped = (source: string): string => {
  const { emitWarning } = process;
  process.emitWarning = () => undefined;
  try {
    return stripTypeScriptTypes(source);
  } finally {
    process.emitWarning = emitWarning;
  }
};

const small = async ({ name, source }: Task): Promise<Small> => {
  const { minify } = await import('terser');
  // Lines stay what they are, for the map. A text in backticks must not need its indentation: markup does not.
  const plain = (name.endsWith('.ts') ? stripped(source) : source).replace(/^[ \t]+/gm, '');
  const { code = '', map } = await minify(
    { [name]: plain },
    { module: true, ecma: 2020, compress: COMPRESS, format: { semicolons: false }, sourceMap: true },
  );
  return { code, map: JSON.stringify({ ...JSON.parse(String(map)), sourcesContent: [source] }) };
};

/** Makes small what it is given. Rejects where that cannot be done, and then for each that still waits. */
export const shrinker = (): ((name: string, source: string) => Promise<Small>) => {
  const waiting = new Map<number, PromiseWithResolvers<Small>>();
  let thread: Worker | null = null;
  let made = 0;
  const give = (answer: Answer): void => {
    const done = waiting.get(answer.id);
    waiting.delete(answer.id);
    if ('small' in answer) done?.resolve(answer.small);
    else done?.reject(new Error(answer.because));
    if (waiting.size > 0) return;
    void thread?.terminate();
    thread = null;
  };
  const begin = (): Worker => {
    const own = new Worker(import.meta.filename, {
      workerData: ROLE,
      execArgv: [],
      resourceLimits: { maxOldGenerationSizeMb: HEAP_MIB_MAX },
    });
    own.on('message', give);
    own.on('error', ({ message }) => {
      for (const id of [...waiting.keys()]) give({ id, because: message });
    });
    return own;
  };
  return (name, source) => {
    const task: Task = { id: ++made, name, source };
    const done = Promise.withResolvers<Small>();
    waiting.set(task.id, done);
    thread ??= begin();
    thread.postMessage(task);
    return done.promise;
  };
};

if (workerData === ROLE)
  parentPort?.on('message', (task: Task) => {
    const answer = (more: object): void => parentPort?.postMessage({ id: task.id, ...more });
    small(task).then(
      (found) => answer({ small: found }),
      (error: Error) => answer({ because: error.message }),
    );
  });

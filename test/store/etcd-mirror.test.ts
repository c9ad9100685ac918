// What a connection has read before, laid under what has changed since: against a store in memory that answers ranges as etcd does.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Asked, createMirror } from '../../src/store/etcd/mirror.ts';
import type { RangeReply } from '../../src/store/etcd/protocol.ts';

const PREFIX = '/t/';

/** The records of an etcd at its present revision. */
const fakeEtcd = () => {
  const records = new Map<string, { json: string; mod: number }>();
  let rev = 1;
  return {
    rev: () => rev,
    put(key: string, json: string): void {
      records.set(key, { json, mod: ++rev });
    },
    del(key: string): void {
      if (records.delete(key)) rev++;
    },
    /** As etcd: only what is new enough, and the number of all. */
    answer: ({ parts }: Asked): RangeReply[] =>
      parts.map(({ kind, name, fromRev }) => {
        const all = [...records]
          .filter(([key]) => (kind === 'key' ? key === name : key.startsWith(name)))
          .sort(([a], [b]) => (a < b ? -1 : 1));
        const kvs = all
          .filter(([, { mod }]) => mod >= fromRev)
          .map(([key, { json, mod }]) => ({ key: Buffer.from(PREFIX + key), value: Buffer.from(json), mod_revision: String(mod) }));
        return { kvs, count: String(all.length) };
      }),
    all: (wanted: readonly { kind: 'key' | 'prefix'; name: string }[]) =>
      [...records]
        .filter(([key]) => wanted.some(({ kind, name }) => (kind === 'key' ? key === name : key.startsWith(name))))
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([key, { json, mod }]) => ({ key, value: JSON.parse(json) as unknown, mod })),
  };
};

const WANTED = [
  { kind: 'prefix', name: 'vote/' },
  { kind: 'prefix', name: 'beat/' },
  { kind: 'key', name: 'members' },
  { kind: 'key', name: 'vote/a' },
] as const;

const KEYS = ['vote/a', 'vote/b', 'vote/c', 'beat/a', 'beat/b', 'members'];

const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ does: fc.constant('put' as const), key: fc.constantFrom(...KEYS) }) },
  { weight: 2, arbitrary: fc.record({ does: fc.constant('del' as const), key: fc.constantFrom(...KEYS) }) },
  { weight: 3, arbitrary: fc.record({ does: fc.constant('send' as const), wanted: fc.subarray([...WANTED], { minLength: 1 }) }) },
  { weight: 3, arbitrary: fc.record({ does: fc.constant('arrive' as const), which: fc.nat(3) }) },
);

test('whatever was written, deleted and made anew in between, and in whatever order replies come, a read shows what a read of all would have shown', () => {
  let [laidOn, anew] = [0, 0];
  fc.assert(
    fc.property(fc.array(step, { minLength: 40, maxLength: 80 }), (steps) => {
      const etcd = fakeEtcd();
      const mirror = createMirror();
      let n = 0;
      let flying: { asked: Asked; replies: RangeReply[]; rev: number; truth: readonly object[] }[] = [];
      for (const one of steps) {
        if (one.does === 'put') etcd.put(one.key, JSON.stringify({ n: ++n }));
        else if (one.does === 'del') etcd.del(one.key);
        else if (one.does === 'send') {
          const asked = mirror.ask(one.wanted);
          flying.push({ asked, replies: etcd.answer(asked), rev: etcd.rev(), truth: etcd.all(one.wanted) });
        } else {
          const read = flying[one.which % Math.max(1, flying.length)];
          if (read === undefined) continue;
          flying = flying.filter((other) => other !== read);
          const answer = read.asked.read(PREFIX, read.replies, read.rev);
          if (answer === null) {
            anew++;
            continue;
          }
          if (read.asked.parts.some(({ fromRev }) => fromRev > 0)) laidOn++;
          expect(answer.kvs).toEqual(read.truth);
          answer.keep();
        }
      }
    }),
    { numRuns: 500, seed: 12 },
  );
  // Both kinds were seen, or this test would show nothing.
  expect(laidOn).toBeGreaterThan(100);
  expect(anew).toBeGreaterThan(10);
});

test('a read that finds nothing changed asks for nothing but what is newer, and hands out the records it had', () => {
  const etcd = fakeEtcd();
  const mirror = createMirror();
  etcd.put('vote/a', '{"n":1}');
  const read = () => {
    const asked = mirror.ask(WANTED);
    const answer = asked.read(PREFIX, etcd.answer(asked), etcd.rev());
    answer?.keep();
    return { asked, kvs: answer?.kvs ?? [] };
  };
  const [first, second] = [read(), read()];
  expect(first.asked.parts.map(({ fromRev }) => fromRev)).toEqual([0, 0, 0, 0]);
  expect(second.asked.parts.map(({ fromRev }) => fromRev)).toEqual([3, 3, 3, 3]);
  expect(second.kvs[0]).toBe(first.kvs[0]);
});

test('what was deleted is gone, and one deletion that a new record makes up for in number is not overlooked', () => {
  const etcd = fakeEtcd();
  const mirror = createMirror();
  const begin = () => {
    const asked = mirror.ask([{ kind: 'prefix', name: 'vote/' }]);
    return asked.read(PREFIX, etcd.answer(asked), etcd.rev());
  };
  etcd.put('vote/a', '1');
  etcd.put('vote/b', '1');
  begin()?.keep();
  etcd.del('vote/a');
  etcd.put('vote/c', '1');
  expect(begin()).toBeNull();
  // All that is there now is new: nothing has to be asked again.
  etcd.del('vote/b');
  expect(begin()?.kvs.map(({ key }) => key)).toEqual(['vote/c']);
});

test('a record that is no JSON counts in number, is shown to nobody, and is told each time', () => {
  const etcd = fakeEtcd();
  const mirror = createMirror();
  etcd.put('vote/a', 'garbage{');
  etcd.put('vote/b', '1');
  const asked = mirror.ask([{ kind: 'prefix', name: 'vote/' }]);
  const answer = asked.read(PREFIX, etcd.answer(asked), etcd.rev());
  answer?.keep();
  const again = mirror.ask([{ kind: 'prefix', name: 'vote/' }]);
  const second = again.read(PREFIX, etcd.answer(again), etcd.rev());
  for (const read of [answer, second]) {
    expect(read?.kvs.map(({ key }) => key)).toEqual(['vote/b']);
    expect(read?.strange.map(({ key }) => key)).toEqual(['vote/a']);
  }
});

test('one reader who changes what it was handed changes it for nobody else', () => {
  const etcd = fakeEtcd();
  etcd.put('members', '{"list":[{"n":1}]}');
  const asked = createMirror().ask([{ kind: 'key', name: 'members' }]);
  const value = asked.read(PREFIX, etcd.answer(asked), etcd.rev())?.kvs[0]?.value as { list: { n: number }[] };
  expect(() => value.list.push({ n: 2 })).toThrow(TypeError);
  expect(() => Object.assign(value.list[0] ?? {}, { n: 3 })).toThrow(TypeError);
});

// How one read is asked of several members: the second when the first keeps us waiting or fails, each answer once, and nobody for ever.
import { expect, test } from 'vitest';
import { DeadlineError, realPorts } from '../../src/ports.ts';
import { firstAnswer } from '../../src/store/etcd/hedge.ts';
import type { Member, Roster } from '../../src/store/etcd/roster.ts';

const { timers } = realPorts();

interface FakeMember extends Member {
  blames: string[];
}

const fakeRoster = (count: number) => {
  const members = Array.from({ length: count }, (_, order): FakeMember => {
    const blames: string[] = [];
    return { name: `m${order}`, order, link: () => null, praise: () => undefined, blame: (why) => void blames.push(why), blames };
  });
  const waiting = new Set<() => void>();
  const out = new Set<Member>();
  const roster: Pick<Roster, 'anyGood'> = {
    anyGood: (signal, except) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const found = members.find((m) => !out.has(m) && !except?.has(m));
          if (found !== undefined) resolve(found);
        };
        signal.addEventListener('abort', () => reject(signal.reason), { once: true });
        waiting.add(look);
        look();
      }),
  };
  const comeBack = (member: Member): void => {
    out.delete(member);
    for (const look of waiting) look();
  };
  return { members, out, comeBack, roster: roster as Roster };
};

const never = <T>(signal: AbortSignal): Promise<T> =>
  new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }));
const ask = <T>(
  roster: Roster,
  reply: (member: Member, signal: AbortSignal) => Promise<T>,
  patienceMs = 10,
  signal = new AbortController().signal,
) => firstAnswer({ timers, roster, patienceMs, ask: reply, isFinal: (error) => error instanceof RangeError, signal });

test('the first good member answers alone', async () => {
  const { roster } = fakeRoster(3);
  const asked: string[] = [];
  const answer = await ask(
    roster,
    async ({ name }) => {
      asked.push(name);
      return name;
    },
    10_000,
  );
  expect([answer, asked]).toEqual(['m0', ['m0']]);
});

test('who keeps us waiting is overtaken, blamed and called off', async () => {
  const { roster, members } = fakeRoster(3);
  let calledOff = false;
  const answer = await ask(roster, ({ name }, signal) => {
    signal.addEventListener('abort', () => {
      calledOff = true;
    });
    return name === 'm0' ? never(signal) : Promise.resolve(name);
  });
  expect(answer).toBe('m1');
  expect(calledOff).toBe(true);
  expect(members.map(({ blames }) => blames.length)).toEqual([1, 0, 0]);
});

test('a failure is followed by another member at once, and three in all are asked at most', async () => {
  const { roster } = fakeRoster(5);
  const asked: string[] = [];
  const failing = ask(
    roster,
    async ({ name }) => {
      asked.push(name);
      throw new Error(`no from ${name}`);
    },
    10_000,
  );
  await expect(failing).rejects.toThrow('no from m0');
  expect(asked).toHaveLength(3);
});

test('what another member would say too is final', async () => {
  const { roster } = fakeRoster(3);
  let asked = 0;
  const refused = ask(roster, async () => {
    asked += 1;
    throw new RangeError('refused');
  });
  await expect(refused).rejects.toThrow('refused');
  expect(asked).toBe(1);
});

test('the only member, slow and then failing, is asked again when it is back', async () => {
  const { roster, members, out, comeBack } = fakeRoster(1);
  let asked = 0;
  const answer = ask(
    roster,
    async () => {
      asked += 1;
      if (asked === 2) return 'back';
      // Longer than its patience, so that another is looked for in vain meanwhile.
      await new Promise((resolve) => setTimeout(resolve, 50));
      out.add(members[0]!);
      throw new Error('the connection was lost');
    },
    10,
  );
  while (asked < 1 || out.size === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  await new Promise((resolve) => setTimeout(resolve, 20));
  comeBack(members[0]!);
  expect(await answer).toBe('back');
});

test('at the deadline whoever was silent is blamed', async () => {
  const { roster, members } = fakeRoster(1);
  const deadline = new AbortController();
  const silent = ask(roster, (_, signal) => never(signal), 10_000, deadline.signal);
  setTimeout(() => deadline.abort(new DeadlineError('the store', 5)), 5);
  await expect(silent).rejects.toBeInstanceOf(DeadlineError);
  expect(members[0]?.blames).toHaveLength(1);
});

test('called off by the asker, nobody is blamed', async () => {
  const { roster, members } = fakeRoster(1);
  const stop = new AbortController();
  const stopped = ask(roster, (_, signal) => never(signal), 10_000, stop.signal);
  setTimeout(() => stop.abort(new Error('stopping')), 5);
  await expect(stopped).rejects.toThrow('stopping');
  expect(members[0]?.blames).toEqual([]);
});

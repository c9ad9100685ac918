import { describe, expect, test } from 'vitest';
import { askAll, serverOf } from '../../src/converge/ask.ts';
import type { QueryOptions } from '../../src/dns/exchange.ts';
import { realPorts } from '../../src/ports.ts';
import { addressOf, NO_EU, NS1, NS2, poolOf, REGIONS, replyOf, serviceOf } from './fixture.ts';

const [EU, US, AP] = REGIONS.map(addressOf) as [string, string, string];

type Answer = (options: QueryOptions, at: number) => ReturnType<typeof replyOf>;

/** Asks one server that answers by `answer`; how often it was asked comes along. */
const asking = async (answer: Answer, { service = serviceOf(), samples = 20, recursive = false } = {}) => {
  let asked = 0;
  const dnsQuery = async (options: QueryOptions) => {
    asked += 1;
    return answer(options, asked);
  };
  const context = { ports: realPorts(), dnsQuery, signal: new AbortController().signal };
  const [said] = await askAll(context, [NS1], { service, route: NO_EU, samples, recursive });
  return { said, asked };
};

const good: Answer = ({ name }, at) => replyOf(name, [at % 2 === 0 ? US : AP]);

describe('a server', () => {
  test('that passes the first question is asked nineteen more', async () => {
    const { said, asked } = await asking(good);
    expect(asked).toBe(20);
    expect(said).toMatchObject({ server: NS1, finding: { landed: true } });
    expect([...(said?.addresses ?? [])].sort()).toEqual([US, AP].sort());
  });

  test('that gives a drained address at once is asked no more', async () => {
    expect(await asking(({ name }) => replyOf(name, [EU]))).toMatchObject({
      asked: 1,
      said: { finding: { wrong: 'drained' }, addresses: [EU] },
    });
  });

  test('that loses a datagram now and then is asked again for those', async () => {
    const losing: Answer = (options, at) => {
      if (at === 5 || at === 11) throw new Error('no answer within 1000 ms');
      return good(options, at);
    };
    expect((await asking(losing)).said?.finding.landed).toBe(true);
  });

  test('that does not answer is silent, in its own words', async () => {
    const { said, asked } = await asking(() => {
      throw new Error('DNS server 198.51.100.1:53: no answer within 1000 ms');
    });
    expect(asked).toBe(1);
    expect(said?.finding).toEqual({ landed: false, wrong: 'silent', because: 'DNS server 198.51.100.1:53: no answer within 1000 ms' });
  });

  test('that answers with an error or without authority is not believed, and not asked again for it', async () => {
    const refusing: Answer = (options, at) => (at === 1 ? good(options, at) : replyOf(options.name, [], { rcode: 'SERVFAIL' }));
    expect(await asking(refusing)).toMatchObject({ asked: 20, said: { finding: { wrong: 'silent', because: `${NS1} answers SERVFAIL` } } });
    const lame: Answer = ({ name }) => replyOf(name, [US], { authoritative: false });
    expect((await asking(lame)).said?.finding).toMatchObject({ wrong: 'silent', because: `${NS1} answers without authority` });
    expect((await asking(lame, { recursive: true, samples: 1 })).said?.finding.landed).toBe(true);
  });

  test('is asked for each family that some pool has, and must be right in both', async () => {
    const service = serviceOf({
      pools: [poolOf('eu-west', { answers: [EU, '2001:db8::1'] }), poolOf('us-east', { answers: [US, '2001:db8::2'] })],
    });
    const types: string[] = [];
    const both =
      (six: string): Answer =>
      ({ name, type }) => {
        types.push(type);
        return replyOf(name, [type === 'A' ? US : six]);
      };
    expect((await asking(both('2001:db8::2'), { service, samples: 1 })).said?.finding.landed).toBe(true);
    expect(types).toEqual(['A', 'AAAA']);
    expect((await asking(both('2001:db8::1'), { service, samples: 1 })).said?.finding).toMatchObject({ wrong: 'drained' });
  });

  test('is asked with recursion only when it is a resolver', async () => {
    const flags: boolean[] = [];
    const noting: Answer = ({ name, recursionDesired }) => {
      flags.push(recursionDesired);
      return replyOf(name, [US]);
    };
    await asking(noting, { samples: 1 });
    await asking(noting, { samples: 1, recursive: true });
    expect(flags).toEqual([false, true]);
  });
});

test('servers answer in their order, however many', async () => {
  const servers = Array.from({ length: 11 }, (_, at) => `198.51.100.${at}:53`);
  const context = {
    ports: realPorts(),
    dnsQuery: async ({ name, server }: QueryOptions) => replyOf(name, [server.host.endsWith('.7') ? EU : US]),
    signal: new AbortController().signal,
  };
  const said = await askAll(context, servers, { service: serviceOf(), route: NO_EU, samples: 1, recursive: false });
  expect(said.map(({ server }) => server)).toEqual(servers);
  expect(said.filter(({ finding }) => !finding.landed).map(({ server }) => server)).toEqual(['198.51.100.7:53']);
});

test('addresses of servers are read as the configuration spells them', () => {
  expect(serverOf(NS2)).toEqual({ host: '198.51.100.2', port: 53 });
  expect(serverOf('[2001:db8::53]:5353')).toEqual({ host: '2001:db8::53', port: 5353 });
});

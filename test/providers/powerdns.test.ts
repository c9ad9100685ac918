// The arithmetic and the reading of the powerdns provider, and what its API may say. That PowerDNS runs what is written is proved on a real one.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatFence } from '../../providers/fence.ts';
import { LUA_TYPE, quantise, type RecordSet, readBackOf, refusal, updatesOf } from '../../providers/powerdns/convert.ts';
import { powerdns } from '../../providers/powerdns/index.ts';
import type { Change, Fence, ProviderService, ReadBack } from '../../providers/provider.ts';
import { addressText } from '../../src/dns/address.ts';
import type { Update } from '../../src/dns/update.ts';
import { TYPE } from '../../src/dns/wire.ts';
import { realPorts } from '../../src/ports.ts';

const fence: Fence = { v: 7, epoch: 2, writer: 'eu-west/a', nonce: 'n1', hash: 'abc' };
const nothing: ReadBack = { fence: null, shares: null, foreign: [], token: null };

const plans: fc.Arbitrary<ProviderService> = fc
  .array(fc.record({ share: fc.nat(1000), four: fc.nat(9), six: fc.nat(3) }), { minLength: 1, maxLength: 8 })
  .filter((pools) => pools.some(({ share, four, six }) => share > 0 && four + six > 0))
  .map((pools) => ({
    service: 'web.tide.test',
    ttlS: 30,
    pools: pools.map(({ share, four, six }, p) => ({
      pool: `p${p}`,
      region: `p${p}`,
      share,
      configuredShare: share,
      answers: [
        ...Array.from({ length: four }, (_, n) => `192.0.${p}.${n}`),
        ...Array.from({ length: six }, (_, n) => addressText(Buffer.from([0x20, 1, 0xd, 0xb8, ...Array(10).fill(0), p, n + 1]))),
      ],
    })),
  }));

/** What the API would tell after these updates: PowerDNS keeps each DNS string in quotes of its own. */
const told = (updates: readonly Update[]): { fence: RecordSet[]; own: RecordSet[] } => {
  const contents = (type: number): string[] =>
    updates.flatMap((update) => {
      if (update.act !== 'add' || update.type !== type) return [];
      const strings: string[] = [];
      for (let at = type === LUA_TYPE ? 2 : 0; at < update.data.length; at += 1 + update.data[at]!)
        strings.push(`"${update.data.toString('latin1', at + 1, at + 1 + update.data[at]!)}"`);
      const kind = type !== LUA_TYPE ? [] : [update.data.readUInt16BE(0) === TYPE.A ? 'A' : 'AAAA'];
      return [[...kind, ...strings].join(' ')];
    });
  const set = (type: string, records: string[]): RecordSet => ({
    name: 'any',
    type,
    records: records.map((content) => ({ content, disabled: false })),
  });
  return { fence: [set('TXT', contents(TYPE.TXT))], own: [set('LUA', contents(LUA_TYPE))] };
};

const changeOf = (desired: ProviderService): Change => ({ desired, fence, previous: nothing });

describe('what is written, promised and read', () => {
  test('are the same, to the thousandth, whatever the shares and however many addresses of either family', () => {
    fc.assert(
      fc.property(plans, (service) => {
        const back = readBackOf(service, told(updatesOf(changeOf(service))));
        expect(back).toEqual({ fence, shares: quantise(service), foreign: [], token: null });
        expect(Object.values(quantise(service)).reduce((sum, share) => sum + share, 0)).toBe(1000);
        expect(updatesOf({ ...changeOf(service), previous: back })).toEqual([]);
      }),
    );
  });

  test('no string of the code ends within a number or an address, and each fits', () => {
    fc.assert(
      fc.property(plans, (service) => {
        for (const { records } of told(updatesOf(changeOf(service))).own)
          for (const { content } of records)
            for (const [, text] of content.matchAll(/"([^"]*)"/g)) {
              expect(text!.length).toBeLessThanOrEqual(255);
              expect(text).toMatch(/^(pickwrandom\(\{)?(\{\d+,'[0-9a-f.:]+'\},?)+(\}\))?$/);
            }
      }),
    );
  });

  test('the weights of one family stand in the proportion of the shares', () => {
    const service: ProviderService = {
      service: 'web.tide.test',
      ttlS: 30,
      pools: [
        { pool: 'a', region: 'a', share: 250, configuredShare: 250, answers: ['192.0.2.1', '192.0.2.2', '192.0.2.3'] },
        { pool: 'b', region: 'b', share: 750, configuredShare: 750, answers: ['192.0.2.4'] },
      ],
    };
    expect(told(updatesOf(changeOf(service))).own[0]?.records[0]?.content).toBe(
      `A "pickwrandom({{833333,'192.0.2.1'},{833333,'192.0.2.2'},{833333,'192.0.2.3'},{7500000,'192.0.2.4'}})"`,
    );
  });
});

describe('what is read', () => {
  const [web] = fc.sample(plans, { numRuns: 1, seed: 5 }) as [ProviderService];
  const good = told(updatesOf(changeOf(web)));
  const withRecords = (...records: [type: string, content: string, disabled?: boolean][]) => ({
    ...good,
    own: [...good.own, ...records.map(([type, content, disabled = false]) => ({ name: 'any', type, records: [{ content, disabled }] }))],
  });

  test.each<[string, Parameters<typeof withRecords>, string[]]>([
    ['a plain address', [['A', '192.0.2.99']], ['192.0.2.99']],
    ['one that is disabled is not served', [['A', '192.0.2.99', true]], []],
    ['code of another kind', [['LUA', 'A "ifportup(443, {\'192.0.2.99\'})"']], ["LUA A ifportup(443, {'192.0.2.99'})"]],
    ['a record of another type', [['LUA', 'TXT "os.date()"']], ['LUA TXT os.date()']],
    ['an alias', [['CNAME', 'other.tide.test.']], ['CNAME other.tide.test']],
  ])('%s', (_what, records, foreign) => {
    expect(readBackOf(web, withRecords(...records))).toMatchObject({ fence, shares: quantise(web), foreign });
  });

  test('a second TXT beside the fence is no fence', () => {
    const text = `"${formatFence(fence)}"`;
    const sets = {
      ...good,
      fence: [{ name: 'any', type: 'TXT', records: [text, '"hands off"'].map((content) => ({ content, disabled: false })) }],
    };
    expect(readBackOf(web, sets)).toMatchObject({ fence: null, foreign: [`TXT ${JSON.stringify(formatFence(fence))}`, 'TXT "hands off"'] });
  });
});

test('LUA records of other types, which a write would take along, make it refused', () => {
  const [service] = fc.sample(plans, { numRuns: 1, seed: 5 }) as [ProviderService];
  const over = (...foreign: string[]): Change => ({ ...changeOf(service), previous: { ...nothing, foreign } });
  expect(refusal(over('LUA TXT os.date()'))).toMatchObject({ outcome: 'fatal', because: expect.stringContaining('would be lost') });
  expect(refusal(over("LUA A ifportup(443, {'192.0.2.99'})", '192.0.2.99'))).toBeNull();
});

const opened = (secret: (path: string) => string, fetch: () => Promise<Response>) =>
  powerdns.open(
    {
      kind: 'powerdns',
      zone: 'tide.test',
      server: { host: '127.0.0.1', port: 9 },
      key: { name: 'tidegate', algorithm: 'hmac-sha256', secretFile: 'dns.key' },
      api: { url: 'http://127.0.0.1:9', keyFile: 'api.key' },
    },
    { ports: realPorts(), secret, fetch: fetch as never },
  );
const KEY = Buffer.alloc(32, 7).toString('base64');

test.each([
  ['no JSON', '<html>', /not PowerDNS/],
  ['another shape', '[{"kind":1}]', /not PowerDNS.*kind/s],
])('an API that answers %s is an error that names it and not the key', async (_what, body, because) => {
  const provider = opened(
    () => KEY,
    async () => new Response(body),
  );
  const [service] = fc.sample(plans, { numRuns: 1, seed: 5 }) as [ProviderService];
  const failure = await provider.read([service], AbortSignal.timeout(10_000)).then(() => 'nothing', String);
  expect(failure).toMatch(because);
  expect(failure).not.toContain(KEY);
});

test.each(['the-api-key\nand more', 'the-api-key ł', ''])(
  'a key that no header can carry is refused when it is opened, and not told',
  (key) => {
    const secret = (path: string): string => (path === 'api.key' ? key : KEY);
    expect(() => opened(secret, () => Promise.reject(new Error('asked')))).toThrow(/^(?!.*the-api-key).*api\.key: expected the key/);
  },
);

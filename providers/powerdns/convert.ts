// Between a decided route and PowerDNS' LUA records: `pickwrandom` answers each question with one address, drawn by weight. The A and the AAAA record of a
// service have the same weights, so shares are exact as long as each pool has addresses of both families or none has of the second.
// Reading back and promising use the same arithmetic, so drift is a plain comparison. Ignores TTLs of what is served. Pure.
import assert from 'node:assert/strict';
import { isDeepStrictEqual } from 'node:util';
import type { Update } from '../../src/dns/update.ts';
import { TYPE, u16Bytes } from '../../src/dns/wire.ts';
import { addressesOf, typeOf } from '../addresses.ts';
import { ALIAS, fenceUpdates } from '../dynamic-update.ts';
import { parseFence } from '../fence.ts';
import type { Applied, Change, ProviderService, ReadBack } from '../provider.ts';
import { wholeUnits } from '../rounding.ts';

/** PowerDNS' own record type, of the range for private use. */
export const LUA_TYPE = 65_402;

/** Weight of a thousandth, shared evenly by the addresses of its pool: fine enough that any number of them sums up to the thousandth it was. */
const WEIGHT_OF_A_THOUSANDTH = 10_000;

const FAMILIES = ['A', 'AAAA'] as const;
type Family = (typeof FAMILIES)[number];

/** One set as the API tells it. */
export interface RecordSet {
  name: string;
  type: string;
  records: readonly { content: string; disabled: boolean }[];
}

// ---- promising ----

/** Thousandths per pool, all pools named. In: a route that is not empty. */
export const quantise = ({ service, pools }: ProviderService): Record<string, number> => {
  const carrying = pools.filter(({ share, answers }) => share > 0 && answers.length > 0);
  assert(carrying.length > 0, `${service}: an empty route; no pool has both a share and an address`);
  const units = wholeUnits(carrying, 1000);
  return Object.fromEntries(pools.map(({ pool }) => [pool, units.get(pool) ?? 0]));
};

/** What the record of one family says for these shares; null: no pool with a share has an address of it. */
const codeOf = (family: Family, service: ProviderService, shares: Readonly<Record<string, number>>): string | null => {
  const weighted = service.pools.flatMap((pool) => {
    const addresses = addressesIn(family, pool.answers);
    const weight = Math.round(((shares[pool.pool] ?? 0) * WEIGHT_OF_A_THOUSANDTH) / addresses.length);
    return weight > 0 ? addresses.map((address) => `{${weight},'${address}'}`) : [];
  });
  return weighted.length === 0 ? null : `pickwrandom({${weighted.join(',')}})`;
};

const addressesIn = (family: Family, answers: readonly string[]): readonly string[] =>
  addressesOf(answers).filter((address) => typeOf(address) === family);

// ---- writing ----

/** Replaces fence, LUA records and plain addresses of one service; nothing when all of it is there already, as the server would count up the serial. */
export const updatesOf = (change: Change): readonly Update[] => {
  const { desired, fence, previous } = change;
  const { service, ttlS } = desired;
  const shares = quantise(desired);
  if (isDeepStrictEqual(previous, { fence, shares, foreign: [], token: previous.token })) return [];
  return [
    ...fenceUpdates(change),
    { act: 'delete', name: service, type: TYPE.A },
    { act: 'delete', name: service, type: TYPE.AAAA },
    { act: 'delete', name: service, type: LUA_TYPE },
    ...FAMILIES.flatMap((family): Update[] => {
      const code = codeOf(family, desired, shares);
      return code === null ? [] : [{ act: 'add', name: service, type: LUA_TYPE, ttlS, data: luaBytes(family, code) }];
    }),
  ];
};

const STRING_BYTES_MAX = 255;

/**
 * The type that it answers for, then the code in strings as in a TXT. In: ASCII. PowerDNS puts a space between the strings before it runs them (4.7.3), so they
 * end between two entries and never within a number or an address: a name whose code does not run serves nobody.
 */
const luaBytes = (family: Family, code: string): Buffer => {
  const strings: string[] = [''];
  for (const piece of code.split(/(?<=,)(?=\{)/)) {
    if (strings.at(-1)!.length + piece.length > STRING_BYTES_MAX) strings.push('');
    strings[strings.length - 1] += piece;
  }
  return Buffer.concat([u16Bytes(TYPE[family]), ...strings.flatMap((text) => [Buffer.of(text.length), Buffer.from(text, 'latin1')])]);
};

/** A set of LUA records is replaced as a whole, so those of other types would go with ours. null: there are none. */
export const refusal = ({ desired: { service }, previous }: Change): Applied | null => {
  const other = previous.foreign.find((value) => OTHER_LUA.test(value));
  return other === undefined
    ? null
    : { outcome: 'fatal', because: `${service}: the name holds the record "${other}", which would be lost; move it to another name` };
};

const OTHER_LUA = /^LUA (?!A |AAAA )/;

// ---- reading ----

/** In: the sets at the service's name and at its fence's, of any type. */
export const readBackOf = (service: ProviderService, sets: { fence: readonly RecordSet[]; own: readonly RecordSet[] }): ReadBack => {
  const texts = contentsOf(sets.fence, 'TXT').map(unquoted);
  // More than one record, or one that is not ours to the letter, is no fence: a write that requires absence will be refused, which is right.
  const fence = texts.length === 1 ? parseFence(texts[0]!) : null;
  const lua = contentsOf(sets.own, 'LUA');
  const shares = sharesOf(service, lua);
  const ours = shares === null ? [] : FAMILIES.flatMap((family) => recordText(family, codeOf(family, service, shares)));
  const strange = lua.filter((content) => !ours.includes(unwrapped(content)));
  // Of two families only one is answered.
  const missing = strange.length > 0 ? [] : ours.filter((text) => !lua.some((content) => unwrapped(content) === text));
  return {
    fence,
    shares,
    foreign: [
      ...FAMILIES.flatMap((family) => contentsOf(sets.own, family)),
      ...strange.map((content) => `LUA ${unwrapped(content)}`),
      ...missing.map((text) => `no LUA ${text}`),
      ...contentsOf(sets.own, 'CNAME').map((alias) => `${ALIAS}${alias.replace(/\.$/, '')}`),
      ...(fence === null ? texts.map((text) => `TXT ${JSON.stringify(text)}`) : []),
    ],
    token: null,
  };
};

const recordText = (family: Family, code: string | null): readonly string[] => (code === null ? [] : [`${family} ${code}`]);

const contentsOf = (sets: readonly RecordSet[], type: string): string[] =>
  sets
    .filter((set) => set.type === type)
    .flatMap(({ records }) => records.filter(({ disabled }) => !disabled).map(({ content }) => content));

/** Thousandths per pool, all pools named, by the weights of the first family that says anything of it; null: no pool is answered with. */
const sharesOf = (service: ProviderService, contents: readonly string[]): Record<string, number> | null => {
  const found = new Map(contents.flatMap(weightsOf));
  const shares = Object.fromEntries(
    service.pools.map(({ pool, answers }) => {
      const sums = FAMILIES.map((family) => addressesIn(family, answers).reduce((sum, address) => sum + (found.get(address) ?? 0), 0));
      return [pool, Math.round((sums.find((sum) => sum > 0) ?? 0) / WEIGHT_OF_A_THOUSANDTH)];
    }),
  );
  return Object.values(shares).some((share) => share > 0) ? shares : null;
};

const CODE = /^(A|AAAA) pickwrandom\(\{((?:\{\d{1,9},'[0-9a-f.:]+'\},?)+)\}\)$/;

/** Of a record that is made as ours are; empty for any other. */
const weightsOf = (content: string): [address: string, weight: number][] =>
  [...(CODE.exec(unwrapped(content))?.[2] ?? '').matchAll(/\{(\d+),'([^']+)'\}/g)].map((match) => [match[2]!, Number(match[1])]);

/** `A "code" "more code"` as `A code more code`; anything else as it is. */
const unwrapped = (content: string): string => {
  const match = /^(\S+) (".*")$/s.exec(content);
  return match === null ? content : `${match[1]} ${unquoted(match[2]!)}`;
};

/** Quoted strings of a record, in the way of zone files, as one text. */
const unquoted = (content: string): string =>
  [...content.matchAll(/"((?:[^"\\]|\\.)*)"/gs)]
    .map((match) =>
      match[1]!.replace(/\\(\d{3}|.)/gs, (_all, escaped: string) =>
        escaped.length === 3 ? String.fromCharCode(Number(escaped)) : escaped,
      ),
    )
    .join('');

// Master files as people write them, as property tests write them, and broken in every way that has a name.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseZoneFile, type ZoneRecord } from '../../src/dns/zone-file.ts';

const short = ({ name, ttlS, type, data }: ZoneRecord): string => `${name} ${ttlS} ${type} ${JSON.stringify(data)}`;
const read = (...lines: readonly string[]) => parseZoneFile(lines.join('\n'), 'example.com');
const records = (...lines: readonly string[]): string[] => {
  const { records, problems } = read(...lines);
  expect(problems).toEqual([]);
  return records.map(short);
};
const problems = (...lines: readonly string[]): string[] =>
  read(...lines).problems.map(({ line, column, message }) => `${line}:${column} ${message}`);

describe('what a file says', () => {
  test('everything that RFC 1035 section 5 has', () => {
    expect(
      records(
        '$TTL 1h ; an hour',
        '@ IN SOA ns1 host\\.master ( ; the start',
        '    2026112601 ; a serial (in parentheses)',
        '    2h 15m 1w1d',
        '    300 )',
        '      NS ns1 ; at the apex still',
        '      IN NS ns2.other.example.',
        'WEB   A 192.0.2.1',
        '      300 IN AAAA 2001:DB8:0::1',
        '      IN 60 A 192.0.2.2',
        'alias CNAME web',
        'txt   TXT plain "in quotes; and ( so on )" "a \\"quote\\" \\065"',
        '*.any A 192.0.2.9',
        '$ORIGIN sub',
        'deep  A 192.0.2.3',
        '@     A 192.0.2.4',
        '$ORIGIN other.example.',
        'mail 5 MX 10 mail',
        '',
        '   ; only a comment',
      ),
    ).toEqual([
      'example.com 3600 SOA {"mname":"ns1.example.com","rname":"host\\\\.master.example.com","serial":2026112601,"refreshS":7200,"retryS":900,"expireS":691200,"minimumS":300}',
      'example.com 3600 NS "ns1.example.com"',
      'example.com 3600 NS "ns2.other.example"',
      'web.example.com 3600 A "192.0.2.1"',
      'web.example.com 300 AAAA "2001:db8::1"',
      'web.example.com 60 A "192.0.2.2"',
      'alias.example.com 3600 CNAME "web.example.com"',
      'txt.example.com 3600 TXT ["plain","in quotes; and ( so on )","a \\"quote\\" A"]',
      '*.any.example.com 3600 A "192.0.2.9"',
      'deep.sub.example.com 3600 A "192.0.2.3"',
      'sub.example.com 3600 A "192.0.2.4"',
      'mail.other.example 5 other ["10","mail"]',
    ]);
  });

  test('without $TTL a record has that of the one before, and the first that of the SOA', () => {
    expect(
      records('@ SOA ns1 host 1 2 3 4 77', 'a A 192.0.2.1', 'b 5 A 192.0.2.1', 'c A 192.0.2.1').map((line) => line.split(' ')[1]),
    ).toEqual(['77', '77', '5', '5']);
  });

  test('lines of all systems, tabs, and an origin of the root', () => {
    expect(parseZoneFile('$TTL 5\r\nweb\tA\t192.0.2.1\rapi A 192.0.2.2', '.').records.map(short)).toEqual([
      'web 5 A "192.0.2.1"',
      'api 5 A "192.0.2.2"',
    ]);
  });
});

describe('what is wrong, where, and what to do', () => {
  const TTL = '$TTL 60';
  test.each([
    [['web A 192.0.2.1'], ['1:5 a record without a TTL, and neither $TTL nor a record before it says one; add $TTL to the top']],
    [[TTL, '  A 192.0.2.1'], ['2:3 a record without a name, and none before it to take the name from; write its name']],
    [[TTL, 'web A 192.0.2.999'], ['2:7 "192.0.2.999" is no IPv4 address; write one like 192.0.2.1']],
    [[TTL, 'web AAAA 192.0.2.9'], ['2:10 "192.0.2.9" is no IPv6 address; write one like 2001:db8::1']],
    [[TTL, 'web A'], ['2:5 A takes one address; add it']],
    [[TTL, 'web A 192.0.2.1 192.0.2.2'], ['2:17 "192.0.2.2" after the end of the record; A takes one address']],
    [[TTL, 'web 192.0.2.1'], ['2:5 "192.0.2.1" where the record\'s type belongs; write A, AAAA, CNAME, TXT, ...']],
    [[TTL, 'web 60 IN'], ['2:1 a record without a type; write A, AAAA, CNAME, TXT, ...']],
    [[TTL, 'web CH TXT x'], ['2:5 class CH, expected IN; leave other classes out']],
    [['$TTL soon'], ['1:6 "soon" is no time; write seconds, or a number with its unit: 1h']],
    [['$TTL 99999999999'], ['1:6 "99999999999" is no time; write seconds, or a number with its unit: 1h']],
    [['$ORIGIN'], ['1:1 $ORIGIN takes one value; write one']],
    [['$ORIGIN a b'], ['1:11 $ORIGIN takes one value; write one']],
    [['$ORGIN a'], ['1:1 "$ORGIN" is no directive; there are $ORIGIN, $TTL, $INCLUDE and $GENERATE']],
    [[TTL, 'web TXT "open', 'api A 192.0.2.1'], ['2:9 a text in quotes that does not end in this line; close it']],
    [[TTL, 'web TXT "open \\"'], ['2:9 a text in quotes that does not end in this line; close it']],
    [[TTL, 'web TXT'], ['2:5 TXT takes one text or more; add it']],
    [[TTL, `web TXT ${'x'.repeat(256)}`], ['2:9 a text of 256 bytes, at most 255; write it as several']],
    [[TTL, 'web A ( 192.0.2.1'], ['2:7 a "(" that is never closed; add the ")"']],
    [[TTL, 'web A ( ( 192.0.2.1 )'], ['2:9 a "(" within the one of line 2; close that first']],
    [[TTL, 'web A 192.0.2.1 )'], ['2:17 a ")" without "("; remove it']],
    [[TTL, '@ SOA ns1 host 1 2 3 4'], ['2:3 SOA takes two names and five numbers; add it']],
    [[TTL, '@ SOA ns1 host x 2 3 4 5'], ['2:16 "x" is no serial number; write a number']],
    [[TTL, 'a..b A 192.0.2.1'], ['2:1 "a..b" is no name: labels have 1 to 63 characters, the whole at most 253']],
    [[TTL, `${'a'.repeat(64)} A 192.0.2.1`], [`2:1 "${'a'.repeat(64)}" is no name: labels have 1 to 63 characters, the whole at most 253`]],
    [
      [TTL, 'a A x', 'b A 192.0.2.1', 'c A y'],
      ['2:5 "x" is no IPv4 address; write one like 192.0.2.1', '4:5 "y" is no IPv4 address; write one like 192.0.2.1'],
    ],
  ])('%j', (lines, expected) => {
    expect(problems(...lines)).toEqual(expected);
  });
});

// ---- properties ----

const label = fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?$/);
const owner = fc.array(label, { minLength: 0, maxLength: 3 });
const v4 = fc.array(fc.nat(255), { minLength: 4, maxLength: 4 }).map((bytes) => bytes.join('.'));
const textField = fc.string({ unit: fc.integer({ min: 32, max: 126 }).map((code) => String.fromCharCode(code)), maxLength: 40 });

type Planned = { labels: string[]; ttlS: number | null; type: 'A' | 'TXT' | 'CNAME'; data: string | string[] };
const planned: fc.Arbitrary<Planned> = fc
  .record({
    labels: owner,
    ttlS: fc.option(fc.nat(100_000)),
    content: fc.oneof(
      v4.map((data) => ({ type: 'A' as const, data })),
      fc.array(textField, { minLength: 1, maxLength: 3 }).map((data) => ({ type: 'TXT' as const, data })),
      owner.map((labels) => ({ type: 'CNAME' as const, data: [...labels, 'example.com'].join('.') })),
    ),
  })
  .map(({ labels, ttlS, content }) => ({ labels, ttlS, ...content }));

/** How one record is written: every freedom the format gives. */
const style = fc.record({
  isRelative: fc.boolean(),
  isUpper: fc.boolean(),
  isJoined: fc.boolean(),
  isClassFirst: fc.boolean(),
  hasClass: fc.boolean(),
  isOwnerOmitted: fc.boolean(),
  comment: fc.constantFrom('', ' ; a comment ( " with everything )', ';'),
  blank: fc.constantFrom(' ', '\t', '   '),
});
type Style = typeof style extends fc.Arbitrary<infer S> ? S : never;

const written = (plan: Planned, before: Planned | undefined, how: Style): string => {
  const whole = [...plan.labels, 'example.com'].join('.');
  const relative = plan.labels.length === 0 ? '@' : plan.labels.join('.');
  const name = how.isRelative ? relative : `${whole}.`;
  const isSame = before !== undefined && before.labels.join('.') === plan.labels.join('.');
  const lead = how.isOwnerOmitted && isSame ? '' : how.isUpper ? name.toUpperCase() : name;
  const ttl = plan.ttlS === null ? [] : [String(plan.ttlS)];
  const className = how.hasClass ? ['IN'] : [];
  const fields =
    plan.type === 'TXT'
      ? (plan.data as string[]).map((text) => `"${text.replace(/["\\]/g, (char) => `\\${char}`)}"`)
      : [plan.type === 'CNAME' ? `${plan.data}.` : (plan.data as string)];
  const parts = [
    ...(how.isClassFirst ? [...className, ...ttl] : [...ttl, ...className]),
    how.isUpper ? plan.type : plan.type.toLowerCase(),
  ];
  const data = how.isJoined ? `(${how.comment}\n${how.blank}${fields.join('\n')}${how.comment}\n)` : fields.join(how.blank);
  return [lead, ...parts, data].join(how.blank) + how.comment;
};

describe('properties', () => {
  test('whatever way records are written, they are read as the same records', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(planned, style), { minLength: 1, maxLength: 12 }), (lines) => {
        const text = ['$TTL 77', ...lines.map(([plan, how], at) => written(plan, lines[at - 1]?.[0], how))].join('\n');
        const { records, problems } = parseZoneFile(text, 'Example.COM.');
        expect(problems, text).toEqual([]);
        expect(records.map(({ name, ttlS, type, data }) => ({ name, ttlS, type, data }))).toEqual(
          lines.map(([plan]) => ({
            name: [...plan.labels, 'example.com'].join('.'),
            ttlS: plan.ttlS ?? 77,
            type: plan.type,
            data: plan.data,
          })),
        );
      }),
      { numRuns: 500 },
    );
  });

  test('any text is read to its end without a crash, and each problem lies within it', () => {
    const piece = fc.constantFrom(
      'web',
      ' ',
      '\n',
      '(',
      ')',
      '"',
      '\\',
      ';',
      'A',
      '192.0.2.1',
      '$TTL 5',
      '$ORIGIN',
      '@',
      'SOA',
      '\t',
      'é',
      '.',
      '\r',
    );
    fc.assert(
      fc.property(
        fc.array(fc.oneof(piece, fc.string({ maxLength: 3 })), { maxLength: 60 }).map((parts) => parts.join('')),
        (text) => {
          const lines = text.split(/\r\n|\n|\r/);
          for (const { line, column } of parseZoneFile(text, 'example.com').problems) {
            expect(line).toBeGreaterThanOrEqual(1);
            expect(line).toBeLessThanOrEqual(lines.length);
            expect(column).toBeGreaterThanOrEqual(1);
            expect(column).toBeLessThanOrEqual(Math.max(1, lines[line - 1]!.length));
          }
        },
      ),
      { numRuns: 2000 },
    );
  });

  test('is repeated in part and as plain text, however long it is and whatever a terminal would make of it', () => {
    const [long, strange] = [`${'a'.repeat(100_000)} A 192.0.2.1`, 'web 60 A 192.0.2.\x1b[2J'];
    const [first, second] = problems(long, strange);
    expect(first).toBe(`1:1 "${'a'.repeat(64)}…" is no name: labels have 1 to 63 characters, the whole at most 253`);
    expect(second).toBe('2:10 "192.0.2.?[2J" is no IPv4 address; write one like 192.0.2.1');
  });
});

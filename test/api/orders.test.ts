// Orders beyond the drain: their kinds, who may give them, what safety rules say of them, second persons, dry runs, and that an order, its entry in the
// journal and the use of a one-time credential are one.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { DOCUMENT_BYTES_MAX } from '../../src/api/overrides.ts';
import type { Foresee } from '../../src/api/ruling.ts';
import { appendOps, entryHash, type JournalEntry, readHead } from '../../src/audit/journal.ts';
import { KEYS } from '../../src/coordinate/keys.ts';
import { registerSecret } from '../../src/log.ts';
import type { Refusal } from '../../src/model.ts';
import { StoreAmbiguousError } from '../../src/store/store.ts';
import type { Hypothesis } from '../../src/whatif/hypothesis.ts';
import { accessOf, DRAIN, foresight, NOW_MS, type Opened, openApi, principal, putRecord, refusal } from './fixture.ts';

const ONCE = principal('break-glass:7f', {
  role: 'approver',
  how: 'break-glass',
  once: { id: '7f', expiresAtMs: NOW_MS + 60_000, reason: 'the issuer is lost' },
});
const PEOPLE = accessOf(
  principal('ana'),
  principal('vera', { role: 'viewer' }),
  principal('max', { role: 'approver' }),
  principal('ANA', { role: 'approver', how: 'oidc' }),
  principal('webber', { services: ['web.example.test'] }),
  principal('web-approver', { services: ['web.example.test'], role: 'approver' }),
  principal('both', { services: ['web.example.test', 'api.example.test'] }),
  principal('nobody', { services: [] }),
  ONCE,
);
const SECRET = 'a-secret-of-this-process';
registerSecret(SECRET);
const WEB = 'web.example.test';
const PIN = {
  kind: 'pin',
  scope: { service: WEB },
  weights: { 'eu-west': 200, 'us-east': 800 },
  reason: 'eu-west runs on half of its machines',
};
const FREEZE = { kind: 'freeze', scope: {}, reason: 'a release is going on' };

let refusals: readonly Refusal[];
let anyway: readonly Refusal[];
let state: boolean;
let asked: (readonly Hypothesis[])[];
const forecast: Foresee = (hypotheses) => {
  asked.push(hypotheses);
  return state ? foresight({ refusals: hypotheses.length === 0 ? anyway : refusals }) : null;
};
let api: Opened;
beforeEach(() => {
  refusals = [];
  anyway = [];
  asked = [];
  state = true;
  api = openApi({ access: PEOPLE, forecast });
});
afterEach(() => api.close());

interface Ask {
  as?: string;
  headers?: Record<string, string>;
  body?: unknown;
}
const ask = (method: 'GET' | 'PUT' | 'POST' | 'DELETE', url: string, { as = 'ana', headers = {}, body }: Ask = {}) =>
  api.app.inject({
    method,
    url,
    headers: { authorization: `Bearer ${as}`, ...headers },
    ...(body === undefined ? {} : { payload: body as object }),
  });
const put = (id: string, body: unknown, given: Omit<Ask, 'body'> = {}) => ask('PUT', `/v1/overrides/${id}`, { ...given, body });
const ANY = { 'if-match': '*' };
const items = async () => (await api.submit.listOverrides()).items;
const journal = async (): Promise<readonly JournalEntry[]> =>
  (await api.store.get({ prefixes: ['journal/'] })).kvs.map(({ value }) => value as JournalEntry);
const problems = (reply: { json(): { errors: { pointer: string; detail: string }[] } }) =>
  reply.json().errors.map(({ pointer, detail }) => `${pointer} ${detail}`);

describe('kinds', () => {
  test.each([
    ['force-in of a region', { kind: 'force-in', scope: { region: 'eu-west' } }],
    ['force-in of a pool', { kind: 'force-in', scope: { service: WEB, pool: 'eu-west' } }],
    ['evacuate', { kind: 'evacuate', scope: { region: 'eu-west' } }],
    ['pin', PIN],
    ['stop', { kind: 'stop', scope: {} }],
    ['a drill', { kind: 'drain', scope: { region: 'eu-west' }, drill: true }],
    ['a ticket', { kind: 'freeze', scope: {}, ticket: 'OPS-311' }],
  ])('%s is kept as it was said', async (_, body) => {
    const reply = await put('a', { ...FREEZE, ...body });
    expect(reply.statusCode, reply.body).toBe(201);
    expect((await items())[0]).toMatchObject({ ...body, by: 'ana', owner: 'ana' });
  });

  test.each([
    ['an evacuation of nothing', { kind: 'evacuate', scope: {} }, '/scope an evacuation needs a region'],
    ['an evacuation of a service', { kind: 'evacuate', scope: { region: 'eu-west', service: WEB } }, '/scope an evacuation needs a region'],
    ['a force-in of everything', { kind: 'force-in', scope: {} }, '/scope a force-in needs'],
    ['a pin of a region', { ...PIN, scope: { region: 'eu-west' } }, '/scope a pin needs a service'],
    ['a pin without weights', { kind: 'pin', scope: { service: WEB } }, '/weights a pin needs them'],
    ['weights without a pin', { weights: { 'eu-west': 1000 } }, '/weights a freeze takes no weights'],
    ['weights that are not whole', { ...PIN, weights: { 'eu-west': 999.5, 'us-east': 0.5 } }, '/weights/eu-west must be whole thousandths'],
    ['negative weights', { ...PIN, weights: { 'eu-west': -1, 'us-east': 1001 } }, '/weights/eu-west must be from 0 to 1000'],
    [
      'a sum that is off',
      { ...PIN, weights: { 'eu-west': 500, 'us-east': 400 } },
      '/weights must sum to 1000 thousandths, these sum to 900',
    ],
    [
      'a pool that is not there',
      { ...PIN, weights: { 'eu-wst': 1000 } },
      '/weights/eu-wst no pool of the service is called "eu-wst"; did you mean "eu-west"?',
    ],
    ['a name that every object has', { ...PIN, weights: { constructor: 1000 } }, '/weights/constructor no pool'],
    ['a short reason', { reason: 'too short' }, '/reason must have at least 10 characters'],
    ['a long ticket', { ticket: 'x'.repeat(101) }, '/ticket must have at most 100 characters'],
    ['a token for a reason', { reason: `tg_${'0a'.repeat(24)} does not work` }, '/reason holds what looks like a credential'],
    ['a password in a ticket', { ticket: 'https://ana:hunter22@tickets.example.test/1' }, '/ticket holds what looks like a credential'],
    ['the secret of this process for an owner', { owner: `ask ${SECRET}` }, '/owner holds what looks like a credential'],
    ['a start in the past', { startsAt: '2026-11-22T03:12:00Z' }, '/startsAt lies in the past'],
    ['a start too far ahead', { startsAt: '2026-12-22T03:12:01Z' }, '/startsAt must be within 30 days'],
    ['a start that is no instant', { startsAt: 'tomorrow' }, '/startsAt expected an instant as in RFC 3339'],
    ['an unknown property', { reasn: 'x' }, '/reasn is not a property that is understood here; did you mean "reason"?'],
  ])('%s is refused, and nothing is written', async (_, body, expected) => {
    const reply = await put('a', { ...FREEZE, ...body });
    expect(reply.statusCode).toBe(400);
    expect(problems(reply).join('\n')).toContain(expected);
    expect(await items()).toEqual([]);
  });

  test('every problem is told at once, weights beside a wrong reason', async () => {
    const reply = await put('a', { ...PIN, weights: { x: 1, 'us-east': 800 }, reason: 'short', startsAt: 'never', ticket: '' });
    expect(
      reply
        .json()
        .errors.map(({ pointer }: { pointer: string }) => pointer)
        .toSorted(),
    ).toEqual(['/reason', '/startsAt', '/ticket', '/weights', '/weights/x']);
  });

  test('the owner may be somebody else; who gave the order is what the credentials say', async () => {
    await put('a', { ...FREEZE, owner: 'the night shift' });
    expect((await items())[0]).toMatchObject({ by: 'ana', owner: 'the night shift' });
    expect((await put('b', { ...FREEZE, by: 'max' })).statusCode).toBe(400);
  });

  test('a later start counts the time to live from there', async () => {
    const reply = await put('a', { ...FREEZE, startsAt: '2026-11-22T05:12:00+01:00', ttl: '30m' });
    expect(reply.json()).toMatchObject({
      override: { startsAtMs: NOW_MS + 3_600_000, expiresAtMs: NOW_MS + 5_400_000, createdAtMs: NOW_MS },
      expiresAt: '2026-11-22T04:42:00.000Z',
      notes: ['foretold as if it began now'],
    });
    const [hypotheses] = asked;
    expect(hypotheses).toMatchObject([{ kind: 'override', override: { id: 'a', expiresAtMs: NOW_MS + 1_800_000 } }]);
    expect(JSON.stringify(hypotheses)).not.toContain('startsAtMs');
    const one = await ask('GET', '/v1/overrides/a');
    expect(one.json()).toMatchObject({ active: false, obeyed: false, because: 'it has not begun yet' });
  });

  test('all orders together stay within what a record may hold', async () => {
    const reason = '漢'.repeat(500);
    const many = Array.from({ length: 199 }, (_, i) => ({
      ...PIN,
      id: `p${i}`,
      reason: reason + reason,
      owner: 'x',
      createdAtMs: 0,
      expiresAtMs: NOW_MS * 2,
    }));
    expect(JSON.stringify(many).length).toBeLessThan(DOCUMENT_BYTES_MAX);
    expect(Buffer.byteLength(JSON.stringify(many))).toBeGreaterThan(DOCUMENT_BYTES_MAX);
    await putRecord(api.store, 'override', { version: 1, nonce: 'n', items: many });
    expect((await put('a', FREEZE)).json()).toMatchObject({ code: 'ERR_LIMIT', status: 409 });
  });
});

describe('preconditions', () => {
  test('what exists is replaced and ended only by who names what he has read', async () => {
    expect((await put('a', FREEZE)).statusCode).toBe(201);
    for (const reply of [await put('a', FREEZE), await ask('DELETE', '/v1/overrides/a')]) {
      expect(reply.statusCode).toBe(428);
      expect(reply.json().code).toBe('ERR_PRECONDITION');
    }
    const { etag } = (await ask('GET', '/v1/overrides/a')).headers;
    const replaced = await put('a', { ...FREEZE, ttl: '1h' }, { headers: { 'if-match': String(etag) } });
    expect(replaced.statusCode).toBe(200);
    expect(replaced.headers.etag).not.toBe(etag);
    expect((await ask('DELETE', '/v1/overrides/a', { headers: { 'if-match': String(etag) } })).statusCode).toBe(412);
    expect((await ask('DELETE', '/v1/overrides/a', { headers: { 'if-match': String(replaced.headers.etag) } })).statusCode).toBe(200);
    expect((await ask('DELETE', '/v1/overrides/a')).statusCode).toBe(404);
  });

  test('If-None-Match: * makes and never replaces', async () => {
    const headers = { 'if-none-match': '*' };
    expect((await put('a', FREEZE, { headers })).statusCode).toBe(201);
    expect((await put('a', FREEZE, { headers })).statusCode).toBe(412);
    expect((await put('b', FREEZE, { headers: { 'if-none-match': '"1"' } })).statusCode).toBe(400);
  });

  test('the tag of one order stays while others come and go, and while it is only told of', async () => {
    await put('a', FREEZE);
    const { etag } = (await ask('GET', '/v1/overrides/a')).headers;
    await put('b', FREEZE);
    const document = await api.submit.listOverrides();
    await putRecord(api.store, 'override', {
      ...document,
      version: 9,
      items: document.items.map((item) => ({ ...item, told: ['started'] })),
    });
    expect((await ask('GET', '/v1/overrides/a')).headers.etag).toBe(etag);
    expect((await ask('DELETE', '/v1/overrides/a', { headers: { 'if-match': String(etag) } })).statusCode).toBe(200);
  });
});

describe('a dry run', () => {
  test('judges like the real one, tells what would follow, and writes nothing', async () => {
    refusals = [refusal()];
    const dry = await ask('POST', '/v1/overrides?dryRun=true', { body: DRAIN });
    expect(dry.statusCode).toBe(200);
    expect(dry.json()).toMatchObject({ dryRun: true, refusals, forecast: { refusals }, approval: 'not-needed' });
    expect(dry.json().undo.cli).toContain(`tidegate undrain ${dry.json().override.id}`);
    expect((await ask('PUT', '/v1/overrides/a?dryRun=true', { body: DRAIN })).statusCode).toBe(200);
    expect((await ask('PUT', '/v1/overrides/a?dryRun=true', { body: { ...DRAIN, reason: '' } })).statusCode).toBe(400);
    expect((await ask('DELETE', '/v1/overrides/a?dryRun=true')).statusCode).toBe(404);
    expect((await api.store.get({ prefixes: [''] })).kvs).toEqual([]);
    refusals = [];
    await put('a', DRAIN);
    const { kvs } = await api.store.get({ prefixes: [''] });
    const ended = await ask('DELETE', '/v1/overrides/a?dryRun=true');
    expect(ended.statusCode).toBe(200);
    expect(ended.json()).toMatchObject({ dryRun: true, version: 1 });
    expect(asked.at(-1)).toEqual([{ kind: 'override-gone', id: 'a' }]);
    expect((await ask('PUT', '/v1/overrides/a?dryRun=true', { body: FREEZE, headers: { 'if-match': '"77"' } })).statusCode).toBe(412);
    expect((await api.store.get({ prefixes: [''] })).kvs).toEqual(kvs);
  });

  test('is asked for by true and nothing else', async () => {
    for (const value of ['TRUE', '1', 'yes', ''])
      expect((await ask('PUT', `/v1/overrides/a?dryRun=${value}`, { body: DRAIN })).statusCode).toBe(400);
    expect(await items()).toEqual([]);
    expect((await ask('PUT', '/v1/overrides/a?dryRun=false', { body: DRAIN })).statusCode).toBe(201);
  });
});

describe('safety rules', () => {
  test('refuse an order, with the rule, its numbers and what would have changed it', async () => {
    refusals = [refusal({ againAtMs: NOW_MS + 60_000 })];
    const reply = await put('a', DRAIN);
    expect(reply.statusCode).toBe(409);
    expect(reply.json()).toMatchObject({ code: 'ERR_REFUSED', refusals });
    expect(reply.json().detail).toContain('the others bear 700 of 800');
    expect(await items()).toEqual([]);
    expect(await journal()).toEqual([]);
  });

  test('of low risk are passed by break-glass at once', async () => {
    refusals = [refusal()];
    const reply = await put('a', { ...DRAIN, breakGlass: true });
    expect(reply.statusCode).toBe(201);
    expect(reply.json()).toMatchObject({ approval: 'not-needed', refusals, override: { breakGlass: true } });
    expect(reply.json().override).not.toHaveProperty('approval');
    expect((await journal())[0]?.detail).toMatchObject({ refusals });
  });

  test.each(['never-empty', 'last-pool'])('%s yields to nobody', async (rule) => {
    refusals = [refusal({ rule })];
    for (const breakGlass of [false, true]) {
      const reply = await put('a', { ...DRAIN, scope: { service: 'web.example.test', pool: 'eu-west' }, breakGlass });
      expect(reply.statusCode).toBe(409);
      expect(reply.json().detail).toContain('nothing passes this rule');
    }
    expect(await items()).toEqual([]);
  });

  test('that refuse something anyway, elsewhere, are not the order’s doing', async () => {
    refusals = [refusal({ pool: 'us-east' })];
    anyway = refusals;
    expect((await put('a', DRAIN)).statusCode).toBe(201);
    expect((await put('b', FREEZE)).statusCode).toBe(201);
    // The pool that the order is about: that automation may not drain it either is no excuse.
    refusals = [refusal()];
    anyway = refusals;
    expect((await put('c', DRAIN)).statusCode).toBe(409);
    expect((await put('d', FREEZE)).statusCode).toBe(201);
  });

  test('keep nobody from taking an order back', async () => {
    await put('a', DRAIN);
    refusals = [refusal()];
    expect((await ask('DELETE', '/v1/overrides/a', { headers: ANY })).statusCode).toBe(200);
  });

  test('without any state the order is taken, and the answer says so; nobody knows what its break-glass passes, so a second person has to agree', async () => {
    state = false;
    const reply = await put('a', { ...DRAIN, breakGlass: true });
    expect(reply.statusCode).toBe(201);
    expect(reply.json()).toMatchObject({ forecast: null, approval: 'needed' });
    expect(reply.json().notes).toEqual([expect.stringContaining('could not be foretold')]);
  });
});

describe('a second person', () => {
  const order = async () => {
    refusals = [refusal({ risk: 'high' })];
    return put('a', { ...DRAIN, breakGlass: true });
  };
  const approve = (as: string, headers: Record<string, string> = ANY) => ask('POST', '/v1/overrides/a/approve', { as, headers });

  test('has to agree to what passes a rule of high risk; until then it is not in force', async () => {
    const reply = await order();
    expect(reply.statusCode).toBe(201);
    expect(reply.json()).toMatchObject({ approval: 'needed', override: { approval: { by: null, atMs: null } } });
    expect((await ask('GET', '/v1/overrides/a')).json()).toMatchObject({ active: false, because: 'a second person has to agree first' });
    const agreed = await approve('max');
    expect(agreed.statusCode).toBe(200);
    expect(agreed.json()).toMatchObject({ approval: 'given', override: { approval: { by: 'max', atMs: NOW_MS } }, version: 2 });
    expect((await ask('GET', '/v1/overrides/a')).json().active).toBe(true);
    expect((await journal()).map(({ kind, by }) => [kind, by])).toEqual([
      ['override.put', 'ana'],
      ['override.approved', 'max'],
    ]);
  });

  test('is another one, of the role approver, who names what he has read', async () => {
    await order();
    expect((await approve('ana')).statusCode).toBe(403);
    expect((await approve('max', {})).statusCode).toBe(428);
    expect((await approve('max', { 'if-match': '"99"' })).statusCode).toBe(412);
    expect((await approve('web-approver')).statusCode).toBe(403);
    await put('a', { ...DRAIN, breakGlass: true }, { as: 'max', headers: ANY });
    const own = await approve('max');
    expect(own.statusCode).toBe(409);
    expect(own.json()).toMatchObject({ code: 'ERR_APPROVAL', detail: expect.stringContaining('somebody else') });
    expect((await items())[0]?.approval).toEqual({ by: null, atMs: null });
  });

  test('is asked before an order that is in force gives way: nothing would stand in its place until then', async () => {
    await put('a', DRAIN);
    refusals = [refusal({ risk: 'high' })];
    const instead = await put('a', { ...DRAIN, kind: 'force-in', breakGlass: true }, { headers: ANY });
    expect(instead.statusCode).toBe(409);
    expect(instead.json()).toMatchObject({ code: 'ERR_APPROVAL', detail: expect.stringContaining('under another id') });
    expect((await items()).map(({ kind, approval }) => [kind, approval])).toEqual([['drain', undefined]]);
    expect((await put('b', { ...DRAIN, kind: 'force-in', breakGlass: true })).json().approval).toBe('needed');
    // What waits itself leaves no gap.
    expect((await put('b', { ...DRAIN, breakGlass: true }, { headers: ANY })).json().approval).toBe('needed');
  });

  test('is another one also where an issuer spells the same name differently', async () => {
    await order();
    expect((await approve('ANA')).json().detail).toContain('somebody else has to agree');
  });

  test('agrees to nothing that is over', async () => {
    await order();
    const [waiting] = await items();
    await putRecord(api.store, KEYS.override, { version: 1, nonce: 'n', items: [{ ...waiting, expiresAtMs: NOW_MS }] });
    const late = await approve('max');
    expect(late.statusCode).toBe(409);
    expect(late.json()).toMatchObject({ code: 'ERR_APPROVAL', detail: expect.stringContaining('has expired; order it again') });
    expect((await items())[0]?.approval).toEqual({ by: null, atMs: null });
  });

  test('agrees once, to something that waits for it', async () => {
    await order();
    await approve('max');
    expect((await approve('max')).json().code).toBe('ERR_APPROVAL');
    refusals = [];
    await put('b', DRAIN);
    expect((await ask('POST', '/v1/overrides/b/approve', { as: 'max', headers: ANY })).json().code).toBe('ERR_APPROVAL');
    expect((await ask('POST', '/v1/overrides/none/approve', { as: 'max', headers: ANY })).statusCode).toBe(404);
  });

  test('does not agree to what has become impossible since, nor to another order than was read', async () => {
    await order();
    const { etag } = (await ask('GET', '/v1/overrides/a')).headers;
    await put('a', { ...DRAIN, breakGlass: true, ttl: '168h' }, { headers: ANY });
    expect((await approve('max', { 'if-match': String(etag) })).statusCode).toBe(412);
    refusals = ['web.example.test', 'api.example.test'].map((service) => refusal({ service, rule: 'never-empty', risk: 'high' }));
    expect((await approve('max')).json().code).toBe('ERR_REFUSED');
  });

  test('is needed anew when the order is replaced', async () => {
    refusals = [refusal({ risk: 'high' })];
    const later = { ...DRAIN, breakGlass: true, startsAt: '2026-11-22T05:00:00Z' };
    await put('a', later);
    await approve('max');
    const again = await put('a', { ...later, ttl: '8h' }, { headers: ANY });
    expect(again.json()).toMatchObject({ approval: 'needed', override: { approval: { by: null } } });
  });

  test('may be who holds a break-glass credential; that is then used up', async () => {
    await order();
    expect((await approve(ONCE.name)).statusCode).toBe(200);
    expect((await put('b', FREEZE, { as: ONCE.name })).statusCode).toBe(403);
  });
});

describe('scopes', () => {
  test.each([
    ['a pool of its own service', 'webber', { ...DRAIN, scope: { service: WEB, pool: 'eu-west' } }, 201],
    ['a pin of its own service', 'webber', PIN, 201],
    ['a region, where another service has a pool too', 'webber', DRAIN, 403],
    ['everything', 'webber', FREEZE, 403],
    ['a region of its services alone', 'both', DRAIN, 201],
    ['an evacuation, which touches who coordinates the cluster', 'both', { ...DRAIN, kind: 'evacuate', scope: { region: 'eu-west' } }, 403],
    ['a region whose services are all its own', 'both', DRAIN, 201],
    ['anything, for who has none', 'nobody', PIN, 403],
  ])('%s: %s', async (_, as, body, status) => {
    const reply = await put('a', body, { as });
    expect(reply.statusCode, reply.body).toBe(status);
    if (status === 403 && as === 'webber') expect(reply.json().detail).toContain('also touches api.example.test');
  });

  test('hold for what is replaced, ended or tried, too', async () => {
    await put('a', FREEZE);
    expect((await put('a', PIN, { as: 'webber', headers: ANY })).statusCode).toBe(403);
    expect((await ask('DELETE', '/v1/overrides/a', { as: 'webber', headers: ANY })).statusCode).toBe(403);
    expect((await ask('PUT', '/v1/overrides/b?dryRun=true', { as: 'webber', body: FREEZE })).statusCode).toBe(403);
    expect((await put('b', PIN, { as: 'vera' })).statusCode).toBe(403);
    expect((await items()).map(({ kind }) => kind)).toEqual(['freeze']);
  });
});

describe('one transaction', () => {
  test('holds the order and its entry, and the entries are a chain', async () => {
    await put('a', { ...DRAIN, ticket: 'OPS-1' });
    await put('a', FREEZE, { headers: ANY });
    await ask('DELETE', '/v1/overrides/a', { headers: ANY });
    const entries = await journal();
    expect(entries.map(({ kind, by, how, because }) => ({ kind, by, how, because }))).toEqual([
      { kind: 'override.put', by: 'ana', how: 'token', because: 'drain a ordered by ana: maintenance of the database' },
      { kind: 'override.put', by: 'ana', how: 'token', because: 'freeze a ordered by ana: a release is going on' },
      { kind: 'override.deleted', by: 'ana', how: 'token', because: 'freeze a ended by ana' },
    ]);
    expect(entries[0]?.detail).toMatchObject({ override: { id: 'a', ticket: 'OPS-1' } });
    expect(entries.slice(1).map(({ prevHash }) => prevHash)).toEqual(entries.slice(0, -1).map(entryHash));
  });

  test('a race for the journal is judged again: both entries stand, both orders stand', async () => {
    api.troubles.push(async (run) => {
      await put('other', FREEZE);
      return run();
    });
    expect((await put('mine', DRAIN)).statusCode).toBe(201);
    expect((await items()).map(({ id }) => id)).toEqual(['other', 'mine']);
    expect((await journal()).map(({ n }) => n)).toEqual([1, 2]);
  });

  test('an entry that somebody else appends in between is not written over', async () => {
    const { store } = api;
    api.troubles.push(async (run) => {
      const { ops } = appendOps(await readHead(store), {
        kind: 'auth.refused',
        by: 'eu-west/a',
        how: 'service',
        because: 'somebody guesses',
        detail: {},
        atMs: NOW_MS,
        nonce: 'n',
      });
      await store.txn({ if: [], then: ops });
      return run();
    });
    expect((await put('mine', DRAIN)).statusCode).toBe(201);
    expect((await journal()).map(({ kind }) => kind)).toEqual(['auth.refused', 'override.put']);
  });

  test('a one-time credential orders once; the same order in doubt is recognised, another is refused', async () => {
    api.troubles.push(async (run) => {
      await run();
      throw new StoreAmbiguousError('the reply was lost');
    });
    const first = await put('a', DRAIN, { as: ONCE.name });
    expect(first.statusCode, first.body).toBe(201);
    expect((await journal()).map(({ kind, because }) => [kind, because.includes('the issuer is lost')])).toEqual([
      ['override.put', false],
      ['token.used', true],
    ]);
    const again = await put('b', DRAIN, { as: ONCE.name });
    expect(again.statusCode).toBe(403);
    expect(again.json().detail).toContain('good for one act');
    expect((await items()).map(({ id }) => id)).toEqual(['a']);
    expect(
      (await ask('PUT', '/v1/reports/web.example.test', { as: ONCE.name, body: { capacity: { 'eu-west': 1 }, ttl: '1m' } })).statusCode,
    ).toBe(403);
  });

  test('of two acts at once with a one-time credential one is done', async () => {
    const replies = await Promise.all(['a', 'b', 'c'].map((id) => put(id, DRAIN, { as: ONCE.name })));
    expect(replies.map(({ statusCode }) => statusCode).toSorted()).toEqual([201, 403, 403]);
    expect(await items()).toHaveLength(1);
  });

  test('what a dry run does with a one-time credential does not use it up', async () => {
    await ask('PUT', '/v1/overrides/a?dryRun=true', { as: ONCE.name, body: DRAIN });
    expect((await put('a', DRAIN, { as: ONCE.name })).statusCode).toBe(201);
  });
});

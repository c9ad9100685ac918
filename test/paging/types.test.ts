// Every type of page that production code makes: what it does to its alert, whether it says what it needs, and that the published schema of webhooks knows it.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Severity } from '../../src/model.ts';
import { actionOf } from '../../src/paging/incidents.ts';
import { noticeOf } from '../../src/paging/message.ts';
import { STEP_KINDS } from '../../src/runbook/model.ts';
import { pageOf } from './fixture.ts';

const ROOT = join(import.meta.dirname, '../..');
const ORDER = 'tidegate/test/override-works';
const OUTAGE = 'tidegate/test/41-b';

type Row = readonly [type: string, severity: Severity, key: string, action: string];
/** As the code makes them; what asks for somebody says what it needs, unless it is named below. */
const TYPES: readonly Row[] = [
  ['region.drained', 'critical', OUTAGE, 'trigger'],
  ['region.drained', 'info', OUTAGE, 'change'],
  ['region.down', 'critical', OUTAGE, 'trigger'],
  ['region.suspect', 'warning', OUTAGE, 'trigger'],
  ['region.unready_long', 'warning', OUTAGE, 'trigger'],
  ['region.out_in_drill', 'warning', OUTAGE, 'trigger'],
  ['region.returned', 'info', OUTAGE, 'change'],
  ['advice.drained', 'critical', OUTAGE, 'trigger'],
  ['advice.down', 'critical', OUTAGE, 'trigger'],
  ['advice.returned', 'info', OUTAGE, 'change'],
  ['service.hold_all_down', 'critical', OUTAGE, 'trigger'],
  ['service.hold_receiver', 'critical', OUTAGE, 'trigger'],
  ['service.hold_floor', 'critical', OUTAGE, 'trigger'],
  ['service.hold_frozen', 'critical', OUTAGE, 'trigger'],
  ['service.hold_freeze', 'warning', OUTAGE, 'trigger'],
  ['service.hold_latched', 'warning', OUTAGE, 'trigger'],
  ['service.hold_rule_assertion', 'warning', OUTAGE, 'trigger'],
  ['service.hold_rule_tier', 'critical', OUTAGE, 'trigger'],
  ['service.failed_open', 'critical', OUTAGE, 'trigger'],
  ['target.gray', 'warning', 'tidegate/test/gray-b', 'trigger'],
  ['target.gray_less', 'info', 'tidegate/test/gray-b', 'change'],
  ['target.gray_over', 'info', 'tidegate/test/gray-b', 'resolve'],
  ['convergence.missed', 'critical', OUTAGE, 'trigger'],
  ['convergence.reached', 'info', OUTAGE, 'change'],
  ['incident.resolved', 'info', OUTAGE, 'resolve'],
  ['incident.acknowledged', 'critical', OUTAGE, 'acknowledge'],
  ['override.started', 'info', ORDER, 'change'],
  ['override.obeyed', 'info', ORDER, 'change'],
  ['override.kept', 'info', ORDER, 'change'],
  ['override.replaced', 'info', ORDER, 'change'],
  ['override.break_glass', 'warning', ORDER, 'trigger'],
  ['override.refused', 'warning', ORDER, 'trigger'],
  ['override.set_aside', 'critical', ORDER, 'trigger'],
  ['override.expiring', 'warning', ORDER, 'trigger'],
  // What was said of an order ends with it; an outage that it covered does not.
  ['override.expired', 'info', ORDER, 'resolve'],
  ['override.ended', 'info', ORDER, 'resolve'],
  ['override.ended', 'info', OUTAGE, 'change'],
  ['override.ended', 'warning', 'tidegate/test/released-b', 'trigger'],
  ['provider.ahead', 'critical', 'tidegate/test/provider-dns-web', 'trigger'],
  ['provider.manual', 'critical', 'tidegate/test/provider-dns-web', 'trigger'],
  ['provider.drift', 'warning', 'tidegate/test/provider-dns-web', 'trigger'],
  ['provider.fence_lost', 'warning', 'tidegate/test/provider-dns-web', 'trigger'],
  ['provider.left_out', 'warning', 'tidegate/test/provider-dns-web', 'trigger'],
  ['provider.failing', 'critical', 'tidegate/test/provider-dns', 'trigger'],
  ['provider.taken_back', 'critical', 'tidegate/test/provider-dns-web', 'trigger'],
  ['provider.canary_failing', 'warning', 'tidegate/test/provider-dns-canary', 'trigger'],
  ['provider.acknowledged', 'info', 'tidegate/test/provider-dns-web', 'change'],
  ['provider.adopted', 'info', 'tidegate/test/provider', 'change'],
  ['store.lost', 'critical', 'direct-test-b-store', 'trigger'],
  ['store.resolved', 'info', 'direct-test-b-store', 'resolve'],
  ['belief.down', 'critical', 'direct-test-b-down-c', 'trigger'],
  ['belief.resolved', 'info', 'direct-test-b-down-c', 'resolve'],
  ['belief.handed_over', 'info', 'direct-test-b-down-c', 'resolve'],
  ['config.conflict', 'critical', 'tidegate/test/config-conflict-b-a', 'trigger'],
  ['vote.refused', 'warning', 'tidegate/test/vote-refused-b', 'trigger'],
  ['gate.file', 'warning', 'tidegate/test/gate-file-b-a', 'trigger'],
  ['namespace.moved', 'warning', 'tidegate/test/namespace-shop', 'trigger'],
  ['namespace.moved', 'info', 'tidegate/test/namespace-shop', 'change'],
  ['namespace.back', 'info', 'tidegate/test/namespace-shop', 'resolve'],
  ['dependency.over_budget', 'warning', 'tidegate/test/objectives-shop', 'trigger'],
  ['dependency.over_budget', 'info', 'tidegate/test/objectives-shop', 'change'],
  ['dependency.recovered', 'info', 'tidegate/test/objectives-shop', 'resolve'],
  ['llm.degraded', 'warning', 'tidegate/test/llm-shop', 'trigger'],
  ['llm.churn', 'warning', 'tidegate/test/llm-shop', 'trigger'],
  ['llm.last', 'critical', 'tidegate/test/llm-shop', 'trigger'],
  ['llm.recovered', 'info', 'tidegate/test/llm-shop', 'resolve'],
  ['data.split', 'critical', 'tidegate/test/data-split-shop-orders', 'trigger'],
  ['data.whole', 'info', 'tidegate/test/data-split-shop-orders', 'resolve'],
  ['data.unproved', 'warning', 'tidegate/test/data-unproved-shop-orders', 'trigger'],
  ['data.unproved', 'critical', 'tidegate/test/data-unproved-shop-orders', 'trigger'],
  ['data.proved', 'info', 'tidegate/test/data-unproved-shop-orders', 'resolve'],
  ['data.settled', 'warning', 'tidegate/test/data-settled-shop-orders', 'trigger'],
  ['data.settled', 'info', 'tidegate/test/data-split-shop-orders', 'resolve'],
  ['data.unsettled', 'info', 'tidegate/test/data-settled-shop-orders', 'resolve'],
  ['data.lag', 'warning', 'tidegate/test/data-lag-shop-orders-b', 'trigger'],
  ['data.caught_up', 'info', 'tidegate/test/data-lag-shop-orders-b', 'resolve'],
  ['capacity.short', 'critical', 'tidegate/test/capacity-web', 'trigger'],
  ['drill.stale', 'warning', 'tidegate/test/drill-fresh-stale', 'trigger'],
  ['drill.stale', 'warning', 'tidegate/test/micro-drill-dns', 'trigger'],
  ['drill.fresh', 'info', 'tidegate/test/micro-drill-dns', 'resolve'],
  ['paging.dead_letter', 'warning', 'tidegate/test/dead-letter-pd', 'trigger'],
  ['paging.channel_failing', 'warning', 'tidegate/test/channel-pd', 'trigger'],
  ['paging.channel_ok', 'info', 'tidegate/test/channel-pd', 'resolve'],
  ['runbook.proposed', 'critical', 'tidegate/test/run-shop-1', 'trigger'],
  ['runbook.proposed', 'warning', 'tidegate/test/run-shop-1', 'trigger'],
  ['runbook.started', 'info', 'tidegate/test/run-shop-1', 'change'],
  ['runbook.asking', 'critical', 'tidegate/test/run-shop-1', 'trigger'],
  ['runbook.asking', 'warning', 'tidegate/test/run-shop-1', 'trigger'],
  ['runbook.failed', 'critical', 'tidegate/test/run-shop-1', 'trigger'],
  ['runbook.failed', 'warning', 'tidegate/test/run-shop-1', 'trigger'],
  ['runbook.unready', 'warning', 'tidegate/test/platform-shop', 'trigger'],
  ['runbook.ready', 'info', 'tidegate/test/platform-shop', 'resolve'],
  ['runbook.lapsed', 'critical', 'tidegate/test/run-shop-1', 'trigger'],
  ['runbook.held', 'critical', 'tidegate/test/run-shop-1', 'trigger'],
  ['runbook.held', 'warning', 'tidegate/test/run-shop-1', 'trigger'],
  ['runbook.done', 'info', 'tidegate/test/run-shop-1', 'resolve'],
  ['runbook.aborted', 'info', 'tidegate/test/run-shop-1', 'resolve'],
  ['runbook.undone', 'info', 'tidegate/test/run-shop-1', 'resolve'],
  ['doctor.test', 'warning', 'doctor-1', 'trigger'],
  ['doctor.test_over', 'info', 'doctor-1', 'resolve'],
];
const NEEDS_NOTHING: readonly string[] = ['doctor.test'];

test.each(TYPES)('%s, %s, of %s: %s', (type, severity, dedupKey, action) => {
  const page = pageOf('a', { type, severity, dedupKey, summary: 'said' });
  expect(actionOf(page)).toBe(action);
  const { headline } = noticeOf(page, { cluster: 'test', baseUrl: null });
  if (action === 'trigger' && !NEEDS_NOTHING.includes(type)) expect(headline).toMatch(/^said; .{10,}/);
  else expect(headline).toBe('said');
});

test('the published schema has each of them in one of its families', () => {
  const schema = JSON.parse(readFileSync(join(ROOT, 'deploy/paging/webhook.schema.json'), 'utf8')) as {
    allOf: readonly { if: { properties: { type: { pattern: string } } } }[];
  };
  const families = schema.allOf.map((each) => new RegExp(each.if.properties.type.pattern));
  for (const [type] of TYPES)
    expect(
      families.filter((family) => family.test(type)),
      type,
    ).toHaveLength(1);
});

/** Types that stand in the sources as they are; those that are put together from a kind, a hold or a subject are above by hand. */
const written = (): ReadonlySet<string> => {
  const families = [...new Set(TYPES.map(([type]) => type.split('.')[0]))].join('|');
  const literal = new RegExp(`((?:log\\.\\w+|createTrouble)\\((?:log, )?\\s*)?'((?:${families})\\.[a-z_]+)'`, 'g');
  const files = ['decide', 'converge', 'publish', 'paging', 'serve', 'runbook', 'objectives', 'doctor/instruments'].flatMap((folder) =>
    readdirSync(join(ROOT, 'src', folder), { recursive: true, encoding: 'utf8' }).map((file) => join(ROOT, 'src', folder, file)),
  );
  const found = files
    .filter((file) => file.endsWith('.ts') && !file.endsWith('page-types.ts'))
    .flatMap((file) => [...readFileSync(file, 'utf8').matchAll(literal)])
    .flatMap(([, logged, type]) => (logged === undefined && type !== undefined ? [type] : []));
  // Kinds of steps are no pages.
  return new Set(found.filter((type) => !(STEP_KINDS as readonly string[]).includes(type)));
};

test('none that the sources name is missing here', () => {
  const known = TYPES.map(([type]) => type);
  expect(written().size).toBeGreaterThan(30);
  expect([...written()].filter((type) => !known.includes(type))).toEqual([]);
});

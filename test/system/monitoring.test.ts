// deploy/monitoring/ as its users' programs judge it: promtool and amtool of Debian; and what those cannot see: that each alert has numbers, a section of the
// manual, a time at which it fires and one at which it does not, and that every metric named is one that a replica has.
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { parseLogQl } from './logql.ts';
import { type Alert, alertsIn, dashboard, MONITORING, queriesOf, registered, rulesOf, selectorsIn, textOf } from './monitoring.ts';

const ROOT = join(import.meta.dirname, '../..');
const run = async (command: string, ...args: string[]): Promise<string> =>
  (await promisify(execFile)(command, args, { cwd: MONITORING })).stdout;

const RULE_TESTS = ['prometheus-rules.test.yaml', 'prometheus-rules.days.test.yaml'];
const RULES = rulesOf('prometheus-rules.yaml');
const ALERTS = alertsIn(RULES);
const LOG_ALERTS = alertsIn(rulesOf('loki-alert-rules.yaml'));
const namesOf = (alerts: readonly Alert[]): readonly string[] => [...new Set(alerts.map(({ alert }) => alert))];

interface RuleTests {
  tests: readonly {
    alert_rule_test: readonly { alertname: string; exp_alerts: readonly { exp_labels: Readonly<Record<string, string>> }[] }[];
  }[];
}

describe('the programs that read these files accept them', () => {
  test('promtool takes the rules, and each fires and stays silent as its tests say', { timeout: 180_000 }, async () => {
    expect(await run('promtool', 'check', 'rules', 'prometheus-rules.yaml')).toContain(`${RULES.length} rules found`);
    await run('promtool', 'test', 'rules', ...RULE_TESTS);
  });

  test('promtool takes the configuration of Prometheus, amtool that of Alertmanager', async () => {
    await run('promtool', 'check', 'config', 'prometheus.yaml');
    expect(await run('amtool', 'check-config', 'alertmanager.yaml')).toContain('SUCCESS');
  });

  test.each([
    ['alertname=Watchdog', 'dead-man'],
    ['alertname=TidegateDown severity=critical', 'on-call'],
    ['alertname=TidegateClockSkew severity=warning', 'today'],
  ])('Alertmanager sends %s to %s', async (labels, receiver) => {
    const sent = await run('amtool', 'config', 'routes', 'test', '--config.file=alertmanager.yaml', ...labels.split(' '));
    expect(sent.trim()).toBe(receiver);
  });
});

describe('each alert', () => {
  const every = [...ALERTS, ...LOG_ALERTS];

  test('has a severity, a summary, a description with numbers, and leads to a section of the manual; no section is of none', () => {
    const sections = [...readFileSync(join(ROOT, 'deploy/README.md'), 'utf8').matchAll(/^#### (\w+)$/gm)].map(([, name = '']) => name);
    for (const { alert, labels = {}, annotations = {} } of every) {
      expect(['critical', 'warning', 'none'], alert).toContain(labels.severity);
      expect(Object.keys(annotations).sort(), alert).toEqual(['description', 'runbook_url', 'summary']);
      if (alert !== 'Watchdog') expect(annotations.description, alert).toMatch(/\d|\$value/);
      expect(annotations.runbook_url, alert).toBe(`https://tidegate.example.net/deploy/README.md#${alert.toLowerCase()}`);
      expect(sections, alert).toContain(alert);
    }
    expect([...sections].sort()).toEqual([...namesOf(every)].sort());
  });

  test('of Prometheus is tested both when it fires and when it does not', () => {
    const checks = RULE_TESTS.flatMap((file) => (parse(textOf(file)) as RuleTests).tests).flatMap(({ alert_rule_test }) => alert_rule_test);
    for (const { alert, labels = {} } of ALERTS) {
      const own = checks.filter(({ alertname }) => alertname === alert);
      const fires = own.some(({ exp_alerts }) =>
        exp_alerts.some(({ exp_labels }) => Object.entries(labels).every(([k, v]) => exp_labels[k] === v)),
      );
      expect(fires, `${alert} ${JSON.stringify(labels)} fires`).toBe(true);
      // The one that always fires has no other time.
      if (alert !== 'Watchdog')
        expect(
          own.some(({ exp_alerts }) => exp_alerts.length === 0),
          `${alert} is silent`,
        ).toBe(true);
    }
  });

  test('that another keeps quiet, or that keeps another quiet, is one that exists', () => {
    const { inhibit_rules } = parse(textOf('alertmanager.yaml')) as {
      inhibit_rules: readonly { source_matchers: readonly string[]; target_matchers: readonly string[] }[];
    };
    const matchers = inhibit_rules.flatMap(({ source_matchers, target_matchers }) => [...source_matchers, ...target_matchers]);
    const named = matchers.flatMap((matcher) => {
      const [, prefix = '', list = '', plain = ''] = /^alertname =~? (?:"(\w+)\(([\w|]+)\)"|(\w+))$/.exec(matcher) ?? [];
      return plain === '' ? list.split('|').map((each) => `${prefix}${each}`) : [plain];
    });
    const known = namesOf(ALERTS);
    expect(named.filter((name) => name !== '' && !known.includes(name))).toEqual([]);
    expect(named.filter((name) => name !== '').length).toBeGreaterThan(10);
  });
});

describe('what is named exists', () => {
  test('every metric of rules and dashboard is one of a replica', async () => {
    const known = await registered();
    const queries = [...RULES.map(({ expr, alert, record }) => ({ of: alert ?? record ?? '', expr })), ...queriesOf(dashboard())];
    const named = queries.flatMap(({ of, expr }) => selectorsIn(expr).map(({ name }) => ({ of, name })));
    expect(named.length).toBeGreaterThan(100);
    expect(named.filter(({ name }) => !known.has(name))).toEqual([]);
  });

  test('every series that a rule takes from another is recorded', () => {
    const recorded = new Set(RULES.flatMap(({ record }) => record ?? []));
    const taken = RULES.flatMap(({ expr }) => [...expr.matchAll(/\b\w+:\w+:\w+/g)].map(([name]) => name));
    expect(taken.filter((name) => !recorded.has(name))).toEqual([]);
    expect([...recorded].filter((name) => !taken.includes(name))).toEqual([]);
  });

  test('the dashboard shows every metric of ours', async () => {
    const shown = new Set(
      queriesOf(dashboard()).flatMap(({ expr }) => selectorsIn(expr).map(({ name }) => name.replace(/_(bucket|sum|count)$/, ''))),
    );
    const ours = [...(await registered())]
      .filter((name) => name.startsWith('tidegate_'))
      .map((name) => name.replace(/_(bucket|sum|count)$/, ''));
    expect(new Set(ours.filter((name) => !shown.has(name)))).toEqual(new Set());
  });

  test('checks of the health document that rules name are made there', () => {
    const document = readFileSync(join(ROOT, 'src/api/health-detail.ts'), 'utf8');
    const named = RULES.flatMap(({ expr }) => [...expr.matchAll(/check="([^"]+)"/g)].map(([, name = '']) => name));
    expect(named.length).toBeGreaterThan(3);
    for (const name of named) expect(document).toContain(`'${name}'`);
  });
});

describe('alerts on the log', () => {
  const events = new Set(
    readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts'))
      .flatMap((file) =>
        [...readFileSync(join(ROOT, 'src', file), 'utf8').matchAll(/\blog\.(?:info|warn|error)\('([^']+)'/g)].map(
          ([, event = '']) => event,
        ),
      ),
  );

  test.each(LOG_ALERTS)('$alert filters events that the program has', ({ expr }) => {
    const { filters, stream } = parseLogQl(expr);
    expect(stream).toEqual([{ name: 'app', isRegex: false, value: 'tidegate' }]);
    const named = filters.filter(({ name }) => name === 'event').flatMap(({ value }) => value.replaceAll('\\.', '.').split('|'));
    expect(named.length).toBeGreaterThan(0);
    expect(named.filter((event) => !events.has(event))).toEqual([]);
  });

  test.each([
    '{app="tidegate"}',
    'sum by (a) (count_over_time({app="x"} | logfmt | event="y" [5m])) > 0',
    'sum by (a) (count_over_time({app="x"} | json | event=y [5m])) > 0',
  ])('%s is not of the form that is tested', (expr) => {
    expect(() => parseLogQl(expr)).toThrow('another form');
  });
});

// What deploy/monitoring/ ships, read as its users' programs read it: rules, their tests, the dashboard, and which metrics their expressions name.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { createMetrics } from '../../src/metrics.ts';

export const MONITORING = join(import.meta.dirname, '../../deploy/monitoring');

export interface Rule {
  record?: string;
  alert?: string;
  expr: string;
  labels?: Readonly<Record<string, string>>;
  annotations?: Readonly<Record<string, string>>;
}

export type Alert = Rule & { alert: string };

export const textOf = (file: string): string => readFileSync(join(MONITORING, file), 'utf8');

export const rulesOf = (file: string): readonly Rule[] =>
  (parse(textOf(file)) as { groups: readonly { rules: readonly Rule[] }[] }).groups.flatMap(({ rules }) => rules);

export const alertsIn = (rules: readonly Rule[]): readonly Alert[] => rules.filter((rule): rule is Alert => rule.alert !== undefined);

interface Panel {
  title: string;
  type: string;
  targets?: readonly { expr: string }[];
}

export interface Dashboard {
  panels: readonly Panel[];
  templating: { list: readonly { name: string; type: string; definition?: string }[] };
  annotations: { list: readonly { name: string; expr: string }[] };
}

export const dashboard = (): Dashboard => JSON.parse(textOf('grafana/tidegate.json')) as Dashboard;

/** What a panel asks, with the variables of Grafana put in. */
export const asked = (expr: string, cluster = 'c'): string =>
  expr
    .replaceAll('$cluster', cluster)
    .replaceAll('$region', '.*')
    .replaceAll('$__rate_interval', '10s')
    .replaceAll('$__range', '5m')
    .replaceAll('$__interval', '10s');

export interface Query {
  of: string;
  expr: string;
}

export const queriesOf = ({ panels, annotations }: Dashboard): readonly Query[] => [
  ...panels.flatMap(({ title, targets = [] }) => targets.map(({ expr }) => ({ of: title, expr }))),
  ...annotations.list.map(({ name, expr }) => ({ of: name, expr })),
];

/** Selectors of our metrics and the process' in an expression: the name, and its matchers as they stand there. */
export const selectorsIn = (expr: string): readonly { name: string; matchers: string }[] => {
  const found = expr
    .replaceAll(/\b(by|on|without|ignoring)\s*\([^)]*\)/g, ' ')
    .matchAll(/(?<![\w:])((?:tidegate|process|nodejs)_\w+)(\{[^}]*\})?/g);
  return [...found].map(([, name = '', matchers = '']) => ({ name, matchers }));
};

/** Every name that a replica's `/metrics` can show, with the suffixes of histograms and the labels' own text left out. */
export const registered = async (): Promise<ReadonlySet<string>> => {
  const metrics = createMetrics();
  metrics.process();
  const types = [...(await metrics.text()).matchAll(/^# TYPE (\S+) (\S+)$/gm)];
  return new Set(
    types.flatMap(([, name = '', type]) => (type === 'histogram' ? ['_bucket', '_sum', '_count'].map((end) => `${name}${end}`) : [name])),
  );
};

// A real Alertmanager of Debian, alone or as a member of a cluster.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort, type RunningServer, runServer, workDir } from '../server.ts';

export interface AlertSeen {
  labels: Record<string, string>;
  annotations: Record<string, string>;
  startsAt: string;
  endsAt: string;
  generatorURL: string;
  status: { state: string };
}

export interface Alertmanager extends RunningServer {
  url: string;
  host: string;
  /** Ports of a member, to come back where it was. */
  at: MemberPorts;
  /** Active alerts, those that have ended left out, as Alertmanager does. */
  alerts(): Promise<AlertSeen[]>;
  /** Counter of its metrics, over all label values that contain `labels`. */
  counted(name: string, labels?: string): Promise<number>;
}

export interface MemberPorts {
  http: number;
  cluster: number;
}

export const memberPorts = async (): Promise<MemberPorts> => ({ http: await freePort(), cluster: await freePort() });

export interface AlertmanagerOptions {
  at?: MemberPorts;
  /** The others of its cluster. */
  peers?: readonly MemberPorts[];
  /** A user and the bcrypt of the password, for basic authentication. */
  user?: { name: string; bcrypt: string };
  /** Where it notifies, at once and by key and severity. Absent: nowhere. */
  webhook?: string;
}

const configOf = (receiver: string, webhook: string | undefined): string =>
  [
    `route: { receiver: ${receiver}, group_by: [key, severity], group_wait: 0s, group_interval: 1s }`,
    `receivers: [{ name: ${receiver}${webhook === undefined ? '' : `, webhook_configs: [{ url: '${webhook}' }]`} }]`,
    '',
  ].join('\n');

/** `answers`: with credentials where it wants some. */
export const startAlertmanager = async (
  options: AlertmanagerOptions = {},
  headers: Readonly<Record<string, string>> = {},
): Promise<Alertmanager> => {
  const at = options.at ?? (await memberPorts());
  const dir = workDir('alertmanager');
  const host = `127.0.0.1:${at.http}`;
  const url = `http://${host}`;
  // Tells this server from any other that might have taken the port.
  const receiver = `nobody-${process.pid}-${at.http}-${at.cluster}`;
  writeFileSync(join(dir, 'am.yml'), configOf(receiver, options.webhook));
  writeFileSync(
    join(dir, 'web.yml'),
    options.user === undefined ? '' : `basic_auth_users:\n  ${options.user.name}: '${options.user.bcrypt}'\n`,
  );
  const ask = async (path: string): Promise<string> => {
    const reply = await fetch(`${url}${path}`, { headers });
    if (!reply.ok) throw new Error(`${path}: ${reply.status}`);
    return reply.text();
  };
  const server = await runServer({
    command: 'prometheus-alertmanager',
    args: [
      `--config.file=${join(dir, 'am.yml')}`,
      `--storage.path=${join(dir, 'data')}`,
      `--web.config.file=${join(dir, 'web.yml')}`,
      `--web.listen-address=${host}`,
      `--cluster.listen-address=127.0.0.1:${at.cluster}`,
      '--cluster.settle-timeout=1s',
      ...(options.peers ?? []).map((peer) => `--cluster.peer=127.0.0.1:${peer.cluster}`),
    ],
    dir,
    logFile: join(dir, 'none.log'),
    answers: async () => JSON.parse(await ask('/api/v2/receivers')).some(({ name }: { name: string }) => name === receiver),
  });
  return {
    ...server,
    url,
    host,
    at,
    alerts: async () => JSON.parse(await ask('/api/v2/alerts')),
    async counted(name, labels = '') {
      const lines = (await ask('/metrics')).split('\n').filter((line) => line.startsWith(name) && line.includes(labels));
      return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
    },
  };
};

// A real Prometheus of Debian, that scrapes one target of the test's own several times a second.
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { freePort, runServer, workDir } from './server.ts';

export interface PrometheusServer extends AsyncDisposable {
  url: string;
  signal(name: 'SIGSTOP' | 'SIGCONT'): void;
}

/** `exposed`: what the target says now, in the text format. */
export const startPrometheus = async (exposed: () => string): Promise<PrometheusServer> => {
  const target = http.createServer(
    (_request, reply) => void reply.writeHead(200, { 'content-type': 'text/plain; version=0.0.4' }).end(exposed()),
  );
  target.listen(0, '127.0.0.1');
  await once(target, 'listening');
  const dir = workDir('prometheus');
  const at = `127.0.0.1:${await freePort()}`;
  const scraped = `127.0.0.1:${(target.address() as AddressInfo).port}`;
  writeFileSync(
    join(dir, 'prometheus.yml'),
    `global: { scrape_interval: 200ms, scrape_timeout: 200ms }\nscrape_configs: [{ job_name: test, static_configs: [{ targets: ['${scraped}'] }] }]\n`,
  );
  const url = `http://${at}`;
  const server = await runServer({
    command: 'prometheus',
    args: [
      `--config.file=${join(dir, 'prometheus.yml')}`,
      `--storage.tsdb.path=${join(dir, 'data')}`,
      `--web.listen-address=${at}`,
      '--log.level=warn',
    ],
    dir,
    logFile: join(dir, 'none'),
    // Its own target tells it from another that took the port.
    answers: async () => (await (await fetch(`${url}/api/v1/query?query=up`)).text()).includes(scraped),
  });
  return {
    url,
    signal: server.signal,
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      target.closeAllConnections();
      target.close();
      await once(target, 'close');
    },
  };
};

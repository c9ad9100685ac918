// A real mail server that keeps what it takes: aiosmtpd of Debian, with STARTTLS, TLS and a password where a test wants them. What it was told and how,
// it writes down, one line of JSON per message.
import { readFileSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { freePort, type RunningServer, runServer, workDir } from '../server.ts';

export interface Taken {
  from: string;
  to: string[];
  /** The version of TLS; null: none. */
  tls: string | null;
  user: string | null;
  message: string;
}

export interface SmtpServer extends RunningServer {
  port: number;
  taken(): Taken[];
}

export interface SmtpServerOptions {
  tls?: 'implicit' | 'starttls';
  /** Key and certificate, in PEM. */
  certificate?: { key: string; cert: string };
  /** Who may send; absent: anybody. */
  user?: { name: string; password: string };
  /** Bytes that a message may have. */
  sizeMax?: number;
}

/** Recipients that begin with `no-` are refused for good, with `later-` for now. */
const PROGRAM = `
import asyncio, base64, json, ssl, sys
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword
o = json.loads(sys.argv[1])
context = None
if o.get("cert"):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(o["cert"], o["key"])
class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("no-"): return "550 5.1.1 nobody of that name"
        if address.startswith("later-"): return "451 4.7.1 come back later"
        envelope.rcpt_tos.append(address)
        return "250 OK"
    async def handle_DATA(self, server, session, envelope):
        socket = server.transport.get_extra_info("ssl_object")
        user = session.auth_data.login.decode() if session.authenticated else None
        line = {"from": envelope.mail_from, "to": envelope.rcpt_tos, "tls": socket.version() if socket else None, "user": user,
                "message": base64.b64encode(envelope.original_content).decode()}
        with open(o["file"], "a") as out: out.write(json.dumps(line) + "\\n")
        return "250 queued"
def login(server, session, envelope, mechanism, data):
    ok = isinstance(data, LoginPassword) and [data.login.decode(), data.password.decode()] == [o["user"]["name"], o["user"]["password"]]
    return AuthResult(success=ok, auth_data=data, handled=False)
extra = {"authenticator": login, "auth_required": True, "auth_require_tls": o["tls"] == "starttls"} if o.get("user") else {}
async def main():
    starttls = {"tls_context": context, "require_starttls": True} if o.get("tls") == "starttls" else {}
    server = await asyncio.get_running_loop().create_server(
        lambda: SMTP(Handler(), hostname="mail.test", ident=o["mark"], data_size_limit=o["sizeMax"], **starttls, **extra),
        "127.0.0.1", o["port"], ssl=context if o.get("tls") == "implicit" else None)
    await server.serve_forever()
asyncio.run(main())
`;

/** Does the server that listens there greet with \`mark\`? Behind TLS it is enough that it listens. */
const greets = (port: number, mark: string, implicit: boolean): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = net.connect({ host: '127.0.0.1', port });
    const end = (answer: boolean): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.once('error', () => end(false));
    socket.once('connect', () => implicit && end(true));
    socket.once('data', (chunk) => end(chunk.toString().includes(mark)));
  });

export const startSmtpServer = async (options: SmtpServerOptions = {}): Promise<SmtpServer> => {
  const dir = workDir('smtp');
  const port = await freePort();
  const mark = `mark-${process.pid}-${port}`;
  const path = (name: string): string => join(dir, name);
  const { tls, certificate, user, sizeMax = 1_000_000 } = options;
  writeFileSync(path('server.py'), PROGRAM);
  writeFileSync(path('taken'), '');
  if (certificate !== undefined)
    for (const [name, pem] of Object.entries(certificate)) writeFileSync(path(`${name}.pem`), pem, { mode: 0o600 });
  const files = certificate === undefined ? {} : { cert: path('cert.pem'), key: path('key.pem') };
  const server = await runServer({
    // Debian's own, which has Debian's packages.
    command: '/usr/bin/python3',
    args: [path('server.py'), JSON.stringify({ port, mark, tls, user, sizeMax, file: path('taken'), ...files })],
    dir,
    logFile: path('taken'),
    answers: () => greets(port, mark, tls === 'implicit'),
  });
  return {
    ...server,
    port,
    taken: () =>
      readFileSync(path('taken'), 'utf8')
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => {
          const told = JSON.parse(line);
          return { ...told, message: Buffer.from(told.message, 'base64').toString('utf8') };
        }),
  };
};

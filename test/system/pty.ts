// A program in a terminal of its own, 80 by 24: what it shows is read, what a human types is typed once he has seen what he waits for.
// The terminal is python's: nothing in node's own library has one.
import { spawn } from 'node:child_process';

export interface Step {
  /** Text that has to be shown since the step before. */
  wait: string;
  /** Keys; `\u0003` is ^C. */
  keys: string;
}

export interface Shown {
  /** As a shell tells it: 128 and the number of the signal for what a signal ended. */
  code: number;
  text: string;
}

const DRIVER = `
import fcntl, json, os, pty, select, signal, struct, sys, termios, time
job = json.load(sys.stdin)
pid, terminal = pty.fork()
if pid == 0:
    os.execve(job['argv'][0], job['argv'], job['env'])
fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack('HHHH', 24, 80, 0, 0))
shown, since, until = b'', 0, time.monotonic() + job['withinS']
steps = list(job['steps'])
while time.monotonic() < until:
    if steps and steps[0]['wait'].encode() in shown[since:]:
        since = len(shown)
        os.write(terminal, steps.pop(0)['keys'].encode())
    ready, _, _ = select.select([terminal], [], [], 0.1)
    if not ready:
        continue
    try:
        piece = os.read(terminal, 65536)
    except OSError:
        piece = b''
    if piece == b'':
        break
    shown += piece
else:
    os.kill(pid, signal.SIGKILL)
_, status = os.waitpid(pid, 0)
code = 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
json.dump({'code': code, 'text': shown.decode('utf-8', 'replace')}, sys.stdout)
`;

/** Resolves when it has ended; 137 when it did not in time. */
export const inTerminal = (
  argv: readonly string[],
  env: Readonly<Record<string, string>>,
  steps: readonly Step[],
  withinS = 60,
): Promise<Shown> =>
  new Promise((resolve, reject) => {
    const driver = spawn('python3', ['-c', DRIVER], { stdio: ['pipe', 'pipe', 'inherit'] });
    let text = '';
    driver.stdout.on('data', (piece: Buffer) => {
      text += piece.toString();
    });
    driver.once('error', reject);
    driver.once('close', (code) => {
      if (code === 0) resolve(JSON.parse(text) as Shown);
      else reject(new Error(`the terminal ended with ${code}`));
    });
    driver.stdin.end(JSON.stringify({ argv, env, steps, withinS }));
  });

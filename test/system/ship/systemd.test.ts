// The unit under a real systemd: a second one, process 1 of namespaces of its own, on a view of this machine's disk that is thrown away. (Not a chroot: the kernel makes no user namespaces in one, and the unit wants one.) What the unit says
// of users, credentials, limits, sandbox and restarts is what this systemd did. Needs root.
import { execFile, execFileSync, spawn } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { newKeyPair } from '../../../src/coordinate/signing.ts';
import { until } from '../until.ts';

const ROOT = join(import.meta.dirname, '../../..');
const UNIT = join(ROOT, 'deploy/systemd/tidegate.service');
const run = promisify(execFile);
/** Of a whole test, on a machine that is busy with other things. */
const PATIENT_MS = 120_000;
const { privatePem, publicKey } = newKeyPair();

/** Secrets by systemd's credentials, everything that is written in the state folder. */
const config = (mode: string): string => `region: eu-west
replica: a
api: { listen: 127.0.0.1:7700, tokenFile: /run/credentials/tidegate.service/secret_operator.token }
store: { kind: embedded, file: /var/lib/tidegate/store.sqlite }
signing: { keyFile: /run/credentials/tidegate.service/secret_signing.pem }
record: { folder: /var/lib/tidegate/record }
providers: { local: { kind: builtin, zone: example.test, control: 127.0.0.1:7720, tokenFile: /var/lib/tidegate/dns.token, serve: { dns: 127.0.0.1:7753 } } }
cluster:
  name: one
  regions: [{ name: eu-west, anchors: [tcp://127.0.0.1:7753], keys: [${publicKey}] }]
  services:
    - name: web.example.test
      mode: ${mode}
      provider: local
      ttl: 10s
      pools: [{ name: eu-west, weight: 1, answers: [127.0.1.1], targets: [{ name: app, healthz: http://127.0.0.1:7700/healthz, readyz: http://127.0.0.1:7700/readyz }] }]
`;

let folder = '';
/** systemd, as this machine sees it. */
let init = 0;
let child: ReturnType<typeof spawn> | null = null;
const etc = (name: string): string => join(folder, 'etc', name);

const boot = (): string => `
mount -t tmpfs -o mode=755 upper ${folder}/upper; mkdir ${folder}/upper/u ${folder}/upper/w
mount -t overlay -o lowerdir=/,upperdir=${folder}/upper/u,workdir=${folder}/upper/w root ${folder}/root
cd ${folder}/root
mount -t proc proc proc; mount -t tmpfs -o mode=755 run run; mount -t tmpfs tmp tmp; mount --rbind /dev dev
mount -t sysfs -o ro sysfs sys
mkdir -p opt/tidegate etc/tidegate out
if [ "$(stat --file-system --format %T /sys/fs/cgroup)" = cgroup2fs ]; then mount -t cgroup2 cgroup sys/fs/cgroup; else
  mount -t tmpfs cgroup sys/fs/cgroup; mkdir sys/fs/cgroup/systemd sys/fs/cgroup/memory
  mount -t cgroup -o none,name=systemd cgroup sys/fs/cgroup/systemd; mount -t cgroup -o memory cgroup sys/fs/cgroup/memory
fi
mount --bind ${ROOT} opt/tidegate; mount -o remount,bind,ro opt/tidegate
mount --bind ${folder}/etc etc/tidegate
mount --bind ${folder}/out out
cp ${UNIT} etc/systemd/system/tidegate.service
mkdir -p etc/sysusers.d etc/systemd/system/tidegate.service.d
cp ${ROOT}/deploy/systemd/tidegate.sysusers etc/sysusers.d/tidegate.conf
systemd-sysusers --root=${folder}/root ${folder}/root/etc/sysusers.d/tidegate.conf
printf '[Service]\\nStandardOutput=append:/out/log\\nStandardError=append:/out/log\\n' > etc/systemd/system/tidegate.service.d/test.conf
printf '[Unit]\\nDefaultDependencies=no\\n' > etc/systemd/system/alone.target
ip link set lo up
mkdir -p mnt; pivot_root . mnt
exec env container=other sh -euc 'umount -l /mnt; mount --make-rshared /; exec /lib/systemd/systemd "$@"' sh --system --unit=alone.target --log-target=console --log-level=notice --show-status=no
`;

const inside = async (...command: readonly string[]): Promise<string> => {
  const { stdout } = await run('nsenter', ['--target', String(init), '--mount', '--pid', '--net', '--ipc', '--', ...command]);
  return stdout.trim();
};
const shows = async (property: string): Promise<string> => inside('systemctl', 'show', 'tidegate', '--value', '--property', property);
const mainPid = async (): Promise<number> => Number(await shows('MainPID'));
const logged = (): string => (existsSync(join(folder, 'out/log')) ? readFileSync(join(folder, 'out/log'), 'utf8') : '');
const well = (): Promise<boolean> =>
  inside('/opt/tidegate/node_modules/.bin/node', '/opt/tidegate/src/main.ts', 'health', '-c', '/etc/tidegate/replica.yaml').then(
    () => true,
    () => false,
  );

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tidegate-systemd-'));
  execFileSync('chmod', ['755', folder]);
  for (const name of ['upper', 'root', 'out', 'etc', 'etc/credentials']) mkdirSync(join(folder, name));
  writeFileSync(etc('replica.yaml'), config('observe'));
  writeFileSync(etc('credentials/operator.token'), 'a token of the tests\n', { mode: 0o600 });
  writeFileSync(etc('credentials/signing.pem'), privatePem, { mode: 0o600 });
  const args = ['--mount', '--propagation', 'private', '--pid', '--fork', '--uts', '--ipc', '--net', '--cgroup', 'sh', '-euc', boot()];
  child = spawn('unshare', args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk: Buffer) => (said += chunk.toString()));
  await until('systemd to answer', async () => {
    if (child?.exitCode !== null) throw new Error(`systemd ended: ${said}`);
    const [first = ''] = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8').split(' ');
    init = Number(first);
    if (init === 0 || !readFileSync(`/proc/${init}/cmdline`, 'utf8').startsWith('/lib/systemd/systemd')) return false;
    return (await inside('systemctl', 'show', '--property', 'Version')) !== '';
  });
}, PATIENT_MS);
afterAll(() => {
  // The end of process 1 is the end of all of them; mounts go with their namespace.
  if (init > 0) process.kill(init, 'SIGKILL');
  rmSync(folder, { recursive: true, force: true });
}, PATIENT_MS);

test(
  'systemd understands every line, and finds little that is exposed',
  () => {
    // Where the program will lie nothing lies here: verify is told of a copy that names this checkout.
    const copy = join(folder, 'tidegate.service');
    writeFileSync(copy, readFileSync(UNIT, 'utf8').replaceAll('/opt/tidegate/', `${ROOT}/`));
    const verified = execFileSync('sh', ['-c', `systemd-analyze verify --man=no ${copy} 2>&1`], { encoding: 'utf8' });
    expect(verified.split('\n').filter((line) => line.includes('tidegate'))).toEqual([]);
    copyFileSync(UNIT, copy);
    const judged = execFileSync('systemd-analyze', ['security', '--offline=true', '--no-pager', '--threshold=15', copy], {
      encoding: 'utf8',
    });
    process.stderr.write(`${judged.trim().split('\n').at(-1)}\n`);
    expect(judged).toMatch(/Overall exposure level for tidegate\.service: [01]\.\d OK/);
  },
  PATIENT_MS,
);

test(
  'starts, as nobody with nothing, with its secrets and nothing else to read',
  async () => {
    await inside('systemctl', 'start', 'tidegate');
    await until('it to answer', well);
    const pid = await mainPid();
    const status = await inside('cat', `/proc/${pid}/status`);
    const uid = await inside('id', '--user', 'tidegate');
    expect(Number(uid)).toBeGreaterThan(0);
    expect(status).toMatch(new RegExp(`^Uid:\\s${uid}\\s${uid}\\s${uid}\\s${uid}$`, 'm'));
    expect(status).toMatch(/^CapEff:\s0+$/m);
    expect(status).toMatch(/^CapBnd:\s0+$/m);
    expect(status).toMatch(/^NoNewPrivs:\s1$/m);
    expect(status).toMatch(/^Seccomp:\s2$/m);
    // As many files as the unit says, or as many as this machine gives anybody.
    const most = Number(execFileSync('sh', ['-c', 'ulimit -Hn'], { encoding: 'utf8' }).trim().replace('unlimited', 'Infinity'));
    const files = Number(/^Max open files\s+(\d+)/m.exec(await inside('cat', `/proc/${pid}/limits`))?.[1]);
    expect(files).toBe(Math.min(65_536, most));
    // As the service sees it: the system cannot be written, not even its own program; homes are not there.
    const asIt = (script: string): Promise<string> => inside('nsenter', '--target', String(pid), '--mount', '--', 'sh', '-c', script);
    expect(
      await asIt('for f in /etc /usr /opt/tidegate /var/lib /home; do touch $f/x 2>/dev/null && echo $f; done; ls /home | wc -l'),
    ).toBe('0');
    expect((await asIt('ls /run/credentials/tidegate.service')).split('\n').sort()).toEqual([
      'secret_operator.token',
      'secret_signing.pem',
    ]);
    await until('it to have written its state', async () => (await inside('ls', '/var/lib/tidegate')).includes('store.sqlite'));
    expect(await inside('stat', '--format', '%U %a', '/var/lib/tidegate')).toBe('tidegate 700');
    expect(logged()).not.toMatch(/EROFS|EPERM|EACCES|ERR_SECRET/);
    const peakKib = Number(/^VmHWM:\s+(\d+) kB$/m.exec(await inside('cat', `/proc/${pid}/status`))?.[1]);
    process.stderr.write(`at most ${Math.round(peakKib / 1024)} MiB resident so far\n`);
    expect(peakKib).toBeLessThan(384 * 1024);
  },
  PATIENT_MS,
);

test(
  'reloads when told, starts again when it is killed, stays down when its file is refused, stops when told',
  async () => {
    const before = await mainPid();
    writeFileSync(etc('replica.yaml'), config('advise'));
    await inside('systemctl', 'reload', 'tidegate');
    await until('the reload to be said', () => /"event":"config\.(reloaded|refused)"/.test(logged()));
    expect(logged()).toContain('"event":"config.reloaded"');
    expect(await mainPid()).toBe(before);

    await inside('kill', '-9', String(before));
    await until('another one to answer', async () => ![0, before].includes(await mainPid()) && (await well()));
    expect(await shows('NRestarts')).toBe('1');

    writeFileSync(etc('replica.yaml'), 'region: 7\n');
    await inside('systemctl', 'restart', 'tidegate');
    await until('it to have given up', async () => (await shows('ActiveState')) === 'failed');
    expect(await shows('ExecMainStatus')).toBe('78');

    writeFileSync(etc('replica.yaml'), config('observe'));
    await inside('systemctl', 'start', 'tidegate');
    await until('it to answer', well);
    const startedAtMs = performance.now();
    await inside('systemctl', 'stop', 'tidegate');
    process.stderr.write(`stopped in ${Math.round(performance.now() - startedAtMs)} ms\n`);
    expect([await shows('ActiveState'), await shows('Result'), await shows('ExecMainStatus')]).toEqual(['inactive', 'success', '0']);
    expect(logged().trim().split('\n').at(-1)).toContain('"event":"stopped"');
  },
  PATIENT_MS,
);

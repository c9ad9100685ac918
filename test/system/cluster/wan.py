"""A wide-area network in one process: network namespaces joined by TUN devices, and between every two of them delay, jitter, loss and cuts, each way apart.

Arguments: the run's folder, or - for none, and short names. The first line says "ready RUN NET": the n-th is namespace RUN-NAME and has NET.n.1, .10, .53 and .54; the caller's own
namespace is the last, without delay. Standard input is the lever: each line is a JSON object that replaces the matrix, {"delay": ms, "jitter": ms, "loss": part, "pairs":
{"1-2": {"delay": ms, "loss": 0.1, "cut": true, "over": bytes}}}, and is answered with "set"; packets over so many bytes are lost, and each loss is
said. Each second says how late the worst packet was delivered.
The end of standard input ends everything: the processes within, the namespaces, the folder.
"""
import ctypes, fcntl, heapq, json, os, random, select, shutil, signal, struct, subprocess, sys, time

RUN, FOLDER, NAMES = f"tg{os.getpid()}", sys.argv[1], sys.argv[2:]
CLONE_NEWNET, TUNSETIFF, IFF_TUN_NO_PI, MTU = 0x40000000, 0x400454CA, 0x1001, 1400
libc = ctypes.CDLL(None, use_errno=True)


def ip(*words, check=True):
    return subprocess.run(["/sbin/ip", *words], check=check, stdout=subprocess.PIPE, stderr=None if check else subprocess.DEVNULL, text=True).stdout


def remove(namespace):
    for pid in ip("netns", "pids", namespace, check=False).split():
        try:
            os.kill(int(pid), signal.SIGKILL)
        except ProcessLookupError:
            pass
    ip("netns", "del", namespace, check=False)
    shutil.rmtree(f"/etc/netns/{namespace}", ignore_errors=True)


def leftovers():
    """Namespaces of runs whose router is gone: it was killed before it could remove them. A run is named after its process."""
    for line in ip("netns", "list").splitlines():
        run, _, rest = line.split()[0].partition("-")
        owner = run[2:]
        if not (run.startswith("tg") and owner.isdigit() and rest):
            continue
        try:
            with open(f"/proc/{owner}/cmdline", "rb") as file:
                alive = b"wan.py" in file.read()
        except OSError:
            alive = False
        if not alive:
            remove(line.split()[0])


def free_net():
    """The first two octets of a network that this machine has no route to yet."""
    routes = ip("route", "show", "table", "all")
    return next(net for net in (f"10.{64 + (os.getpid() + n) % 128}" for n in range(128)) if f"{net}." not in routes)


def enter(path):
    with open(path) as namespace:
        if libc.setns(namespace.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"setns {path}")


def tun(net, number, device):
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", device.encode(), IFF_TUN_NO_PI))
    ip("addr", "add", f"{net}.{number}.1/16", "dev", device)
    ip("link", "set", device, "mtu", str(MTU), "txqueuelen", "2000", "up")
    return fd


def build(net):
    home, ends = os.open("/proc/self/ns/net", os.O_RDONLY), {}
    for number, name in enumerate(NAMES, 1):
        # What /etc/resolv.conf says within: the region's own resolver, at NET.n.54.
        os.makedirs(f"/etc/netns/{RUN}-{name}")
        with open(f"/etc/netns/{RUN}-{name}/resolv.conf", "w") as file:
            file.write(f"nameserver {net}.{number}.54\n")
        ip("netns", "add", f"{RUN}-{name}")
        enter(f"/run/netns/{RUN}-{name}")
        ends[number] = tun(net, number, "wan0")
        ip("link", "set", "lo", "up")
        for last in (10, 53, 54):  # Servers have an address each, so that all their ports are the usual ones.
            ip("addr", "add", f"{net}.{number}.{last}/32", "dev", "lo")
        enter(f"/proc/self/fd/{home}")
    ends[len(NAMES) + 1] = tun(net, len(NAMES) + 1, RUN)
    return ends


def route(ends):
    """Moves packets until standard input ends."""
    observer, by_fd = len(ends), {fd: number for number, fd in ends.items()}
    matrix, flight, count, line, late, told = {}, [], 0, b"", 0.0, time.monotonic()
    last = {}  # When the latest packet of each pair is due: none overtakes another.
    poll = select.poll()
    for fd in (0, *by_fd):
        poll.register(fd, select.POLLIN)
    os.set_blocking(0, False)
    while True:
        now = time.monotonic()
        while flight and flight[0][0] <= now:
            due, _, to, packet = heapq.heappop(flight)
            late = max(late, now - due)
            try:
                os.write(ends[to], packet)
            except OSError:
                pass  # The receiver's queue is full, as a router's may be.
        if now - told >= 1:
            print(f"late {late * 1000:.1f}", flush=True)
            late, told = 0.0, now
        wait = 250 if not flight else max(0, min(250, (flight[0][0] - now) * 1000))
        for fd, _ in poll.poll(wait):
            if fd == 0:
                got = os.read(0, 65536)
                if not got:
                    return
                *lines, line = (line + got).split(b"\n")
                for each in lines:
                    matrix = json.loads(each)
                    print("set", flush=True)
                continue
            source, arrived = by_fd[fd], time.monotonic()
            for _ in range(64):
                try:
                    packet = os.read(fd, 2048)
                except BlockingIOError:
                    break
                to = packet[18] if packet[0] >> 4 == 4 else 0
                if to not in ends:
                    continue
                pair = matrix.get("pairs", {}).get(f"{source}-{to}", {})
                if len(packet) > pair.get("over", MTU):
                    print("oversize", flush=True)
                    continue
                near = observer in (source, to)
                if pair.get("cut") or random.random() < pair.get("loss", 0 if near else matrix.get("loss", 0)):
                    continue
                delay = 0 if near else pair.get("delay", matrix.get("delay", 0)) + random.uniform(0, matrix.get("jitter", 0))
                count += 1
                last[source, to] = max(last.get((source, to), 0), arrived + delay / 1000)
                heapq.heappush(flight, (last[source, to], count, to, packet))


# The caller's terminal may send these to everybody; what ends this process is the end of its input.
for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(name, signal.SIG_IGN)
leftovers()
try:
    net = free_net()
    ends = build(net)
    print(f"ready {RUN} {net}", flush=True)
    route(ends)
finally:
    for name in NAMES:
        remove(f"{RUN}-{name}")
    if FOLDER != "-":
        shutil.rmtree(FOLDER, ignore_errors=True)

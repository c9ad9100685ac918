# Runs a command, and collects at once whatever is orphaned below it. Patroni waits until the Postgres that it has stopped is gone from the table of processes, and
# its Postgres is nobody's child but that of init: where that is slow to collect the dead (some sandboxes' take two seconds), each stop takes as much longer, and it
# would be init that is measured.
import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
libc = ctypes.CDLL(None, use_errno=True)


def prctl(option, value):
    if libc.prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl {option}")


prctl(PR_SET_CHILD_SUBREAPER, 1)
child = os.fork()
if child == 0:
    # Killed is killed, whichever of both is told.
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    os.execv(sys.argv[1], sys.argv[1:])
signal.signal(signal.SIGTERM, lambda number, _: os.kill(child, number))
while True:
    pid, status = os.wait()
    if pid == child:
        sys.exit(os.waitstatus_to_exitcode(status) & 0xFF)

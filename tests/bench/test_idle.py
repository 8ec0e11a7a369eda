"""What bench `idle` counts: a thread that sleeps often against one that waits once."""

from __future__ import annotations

import subprocess
import sys

from bench.idle import switches

NAPS = 200
# Naps in a second thread, says so, then waits for the end of its input.
CHILD = """
import sys, threading, time
def nap():
    for _ in range(int(sys.argv[1])):
        time.sleep(0.0005)
    print("napped", flush=True)
    sys.stdin.read()
thread = threading.Thread(target=nap)
print("ready", flush=True)
sys.stdin.readline()
thread.start()
thread.join()
"""


def _woken(naps: int) -> int:
    command = [sys.executable, "-c", CHILD, str(naps)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        before = switches(child.pid)
        child.stdin.write("\n")
        child.stdin.flush()
        assert child.stdout.readline() == "napped\n"
        after = switches(child.pid)
        assert len(after) == 2
        child.stdin.close()
    return sum(number - before.get(thread, 0) for thread, number in after.items())


def test_every_nap_of_a_second_thread_is_counted() -> None:
    quiet = _woken(0)
    assert quiet < NAPS / 4
    assert _woken(NAPS) >= NAPS

"""Row 9. Fault: the disk goes read-only, hangs, or takes half a second for each write.

Invariant: what is healthy is still read; `/readyz` says no within 5 s (a hung or read-only disk); no request is stuck
after the disk is back, and saves work within 10 s of that, where a remount or a restart is not needed. How: ext4's
`trigger_fs_error` with errors=remount-ro; SIGSTOP to the nbdkit below a loop device; nbdkit's delay filter.
"""

import os
import signal
import threading
import time

from ..board import row
from ..history import History
from ..mounts import Device, Loop
from ..server import Server


@row(9, "failing-disk", "the disk goes read-only, hangs for 30 s, or takes 500 ms for each write",
     "healthy reads go on, /readyz tells, nothing is stuck afterwards")
def run(context, tally):
    for fault in (read_only, hung, slow):
        with context.scope():
            fault(context, tally)
        tally.case()


def prepared(context, folder, saves=5):
    server = Server(context, data=os.path.join(folder, "data"))
    history = History(lambda key: 20_000)
    client = server.api(timeout=90)
    for number in range(saves):
        history.save(client, f"old{number}")
    history.audit(client, list(history.issued), StrictTally(), "before the fault")
    return server, history, client


class StrictTally:
    def violation(self, text):
        raise RuntimeError(text)


def read_only(context, tally):
    disk = Loop(context, "ext4", 64, "errors=remount-ro")
    server, history, client = prepared(context, disk.folder)
    name = os.path.basename(disk.device())
    with open(f"/sys/fs/ext4/{name}/trigger_fs_error", "w") as file:
        file.write("x")
    acknowledged, answer = history.save(client, "new")
    tally.hold(not acknowledged, "read-only: a save was acknowledged")
    tally.hold(answer is not None and answer[0] in (503, 507, 500), f"read-only: a save got {answer}")
    tally.hold(until(lambda: ready(server) == 503, 5), f"read-only: /readyz says {ready(server)} after 5 s")
    history.audit(client, [f"old{number}" for number in range(5)], tally, "read-only")
    server.kill()
    disk.unmount()
    disk.mount()
    server.start()
    client = server.api()
    history.audit(client, [f"old{number}" for number in range(5)], tally, "after the remount")
    tally.hold(history.save(client, "again")[0], "after the remount: a save was refused")


def hung(context, tally):
    device = Device(context, "memory", "128M")
    folder = device.mount(context)
    server, history, client = prepared(context, folder)
    seconds = context.size(6, 30)
    os.kill(device.kit.pid, signal.SIGSTOP)
    answers = {}

    def save(name):
        answers[name] = history.save(server.api(timeout=seconds + 60), name)

    threads = [threading.Thread(target=save, args=(f"hung{number}",)) for number in range(20)]
    began = time.monotonic()
    try:
        for thread in threads:
            thread.start()
        time.sleep(0.5)
        tally.hold(until(lambda: ready(server) != 200, 5), "hung: /readyz is still 200 after 5 s")
        tally.hold(health(server) == 200, "hung: /healthz does not answer")
        # What is in the page cache is healthy: it must be readable although 20 saves wait for the disk.
        history.audit(server.api(timeout=10), [f"old{number}" for number in range(5)], tally, "hung")
        time.sleep(max(0, seconds - (time.monotonic() - began)))
    finally:
        os.kill(device.kit.pid, signal.SIGCONT)
    back = time.monotonic()
    for thread in threads:
        thread.join(90)
    tally.hold(not any(thread.is_alive() for thread in threads), "hung: requests are stuck")
    tally.hold(until(lambda: history.save(client, "after")[0], 10), "hung: no save within 10 s of the disk's return")
    tally.hold(until(lambda: ready(server) == 200, 10), "hung: /readyz is not 200 within 10 s of the disk's return")
    tally.figure(seconds_until_a_save_after_hanging=round(time.monotonic() - back, 1),
                 saves_acknowledged_after_hanging=sum(answer[0] for answer in answers.values()))
    server.kill()
    server.start()
    history.audit(server.api(), list(history.issued), tally, "hung, after a restart")


def slow(context, tally):
    disk = Loop(context, "ext4", 64)  # filled at full speed, and slow from then on
    server, history, client = prepared(context, disk.folder, saves=2)
    server.stop()
    disk.unmount()
    device = Device(context, "--filter=delay", "file", disk.image, f"wdelay={context.size(200, 500)}ms")
    folder = device.mount(context, kind=None)
    server.data = os.path.join(folder, "data")
    server.start(timeout=180)
    results = []

    def save(name):
        results.append(history.save(server.api(timeout=300), name))

    threads = [threading.Thread(target=save, args=(f"slow{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    worst = 0.0
    while any(thread.is_alive() for thread in threads):
        began = time.monotonic()
        history.audit(server.api(timeout=30), ["old0", "old1"], tally, "slow")
        worst = max(worst, time.monotonic() - began)
        time.sleep(0.2)
    tally.hold(all(acknowledged for acknowledged, _ in results), f"slow: a save was refused: {results[:2]}")
    tally.figure(slowest_pair_of_reads_beside_slow_writes=round(worst, 2))


def ready(server):
    answer = server.api(timeout=6).ask("GET", "/readyz")
    return answer[0] if answer else None


def health(server):
    answer = server.api(timeout=6).ask("GET", "/healthz")
    return answer[0] if answer else None


def until(condition, seconds):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True

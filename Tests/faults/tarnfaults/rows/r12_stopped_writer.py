"""Row 12. Fault: a writer is stopped in mid-save while the collector runs and time goes by.

Invariant: no blob that a living save or entry needs is deleted: after SIGCONT the save succeeds and the entry is exact.
If the session has ended meanwhile, the save fails or uploads again, and never makes an entry with missing bytes. How:
a call gate holds the client at its N-th sending call; the server's clock is moved by libfaketime's file meanwhile: ten
minutes (the session of an hour lives), or two hours (it has ended); collections run before the client goes on.
"""

import os
import shutil
import signal
import subprocess
import time

from .. import gate, trees
from ..board import Skip, row
from ..clients import Job
from ..server import Server

FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"


@row(12, "stopped-writer", "a writer is stopped in mid-save for 10 minutes and for 2 hours while blobs are collected",
     "no needed blob is deleted, no entry with missing bytes")
def run(context, tally):
    if gate.problem():
        raise Skip(gate.problem())
    if not os.path.exists(FAKETIME):
        raise Skip("libfaketime is not installed")
    outcomes = {}
    for hours, must in ((1 / 6, True), (2, False)):
        for point in range(1, context.size(8, 40), 2):
            with context.scope():
                outcome = stopped(context, tally, hours, must, point)
            if outcome is None:
                break
            outcomes[f"{'10 min' if must else '2 h'}_{outcome}"] = outcomes.get(
                f"{'10 min' if must else '2 h'}_{outcome}", 0) + 1
            tally.case()
    tally.figure(**{name.replace(" ", "_"): count for name, count in outcomes.items()})
    tally.need(tally.cases >= 4, "the client was stopped at too few points")


def stopped(context, tally, hours, must, point):
    clock = context.path("clock")
    set_clock(clock, 0)
    server = Server(context, environment={"LD_PRELOAD": FAKETIME, "FAKETIME_TIMESTAMP_FILE": clock,
                                          "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1"},
                    flagless=True)
    job = Job(context, server)
    trees.make(job.path(), context.random(f"tree{point}"), files=20)
    expected = trees.snapshot(job.path())
    held = []

    def hold(call):
        os.kill(run.child, signal.SIGSTOP)
        held.append(call.name)

    counter = gate.Counter("socket:", point, hold, calls=("write", "writev", "sendto", "sendmsg"))
    counter.armed = True
    run = gate.Gate(job.command("save_cache", "--strict", "--json", "--key", "k", "--path", "tree"), counter,
                    environment=job.environment(), output=subprocess.DEVNULL, folder=job.folder)
    deadline = time.monotonic() + 30
    while not held and run.process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    if not held:
        run.process.wait(30)
        run.close()
        return None
    try:
        time.sleep(0.2)
        set_clock(clock, hours)
        client = server.api()
        for _ in range(4):
            answer = client.collect()
            tally.hold(answer is not None and answer[0] == 200, f"a collection got {answer}")
        ahead = server.clock() - time.time()
        if ahead < hours * 3600 - 60:
            raise RuntimeError(f"the server's clock did not move: it is {ahead:.0f} s ahead")
    finally:
        os.kill(run.child, signal.SIGCONT)
    status = run.process.wait(120)
    run.close()
    where = f"stopped at call {point} for {hours:.2f} h"
    tally.hold(status == 0 or not must, f"{where}: the save failed with {status}")
    shutil.move(job.path(), job.path("saved"))
    outcome = job.restore("k")
    if status == 0:
        wrong = trees.difference(expected, trees.snapshot(job.path()))
        tally.hold(outcome == "hit" and not wrong, f"{where}: {outcome} {wrong}: {job.said}")
    else:
        tally.hold(outcome == "miss", f"{where}: the save failed, and the restore says {outcome}: {job.said}")
    server.stop()
    for problem in server.check():
        tally.violation(f"{where}: {problem}")
    return "saved" if status == 0 else "refused"


def set_clock(path, hours):
    """Moves the server's wall clock: the file holds the offset for libfaketime."""
    with open(path + ".new", "w") as file:
        file.write(f"+{round(hours * 3600)}\n")
    os.replace(path + ".new", path)

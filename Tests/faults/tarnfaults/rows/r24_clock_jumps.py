"""Row 24. Fault: the clock jumps ten years ahead, a day back, and stands still.

Invariant: nothing is evicted, no lease or pin ends early (they follow time that only goes on), saves and reads work
during and after, and after the clock is right again everything is there. How: libfaketime's file moves the wall clock
of the running server; monotonic time is left alone. Without `ttl` no entry expires, however late it is.
"""

import os
import time

from .. import trees
from ..board import Skip, row
from ..clients import Job
from ..history import History
from ..server import Server
from .r12_stopped_writer import FAKETIME

YEARS = 10 * 365 * 24


@row(24, "clock-jumps", "the clock jumps 10 years ahead, a day back, stands still",
     "nothing is evicted, saves and reads go on")
def run(context, tally):
    if not os.path.exists(FAKETIME):
        raise Skip("libfaketime is not installed")
    for jump in ("+0", f"+{YEARS}h", "-24h", f"+{YEARS}h,-24h", "frozen"):
        with context.scope():
            jumped(context, tally, jump)
    tally.figure(jumps=5)


def jumped(context, tally, jump):
    clock = context.path("clock")
    set_clock(clock, "+0")
    server = Server(context, environment={"LD_PRELOAD": FAKETIME, "FAKETIME_TIMESTAMP_FILE": clock,
                                          "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1"},
                    flagless=True)
    history = History(lambda key: 10_000)
    client = server.api()
    keys = [f"k{number}" for number in range(context.size(10, 40))]
    for key in keys:
        tally.hold(history.save(client, key)[0], f"{jump}: before the jump a save was refused")
    job = Job(context, server)
    trees.make(job.path(), context.random(jump), files=5)
    for step in jump.split(","):
        set_clock(clock, step if step != "frozen" else "2027-01-01 00:00:00")
        for _ in range(3):
            answer = client.collect()
            tally.hold(answer is not None and answer[0] == 200, f"{jump}: a collection got {answer}")
        if step != "+0" and abs(server.clock() - time.time()) < 3600:
            raise RuntimeError("the server's clock did not move")
        history.audit(client, keys, tally, f"at {step} of {jump}")
        for key in keys[:5]:
            tally.hold(history.save(client, key)[0], f"{step} of {jump}: a save was refused")
        outcome = job.save(f"tree-{step}")
        tally.hold(outcome in ("saved", "known"), f"{step} of {jump}: save_cache: {job.said}")
        tally.hold(job.restore(f"tree-{step}") == "hit", f"{step} of {jump}: restore_cache: {job.said}")
        tally.case(len(keys))
    set_clock(clock, "+0")
    client.collect()
    history.audit(client, keys, tally, f"after {jump}")
    server.kill()
    server.start()
    history.audit(server.api(), keys, tally, f"after {jump} and a restart")
    tally.hold(server.stop() == 0, f"{jump}: the server did not end well")
    for problem in server.check():
        tally.violation(f"{jump}: {problem}")


def set_clock(path, text):
    with open(path + ".new", "w") as file:
        file.write(text + "\n")
    os.replace(path + ".new", path)

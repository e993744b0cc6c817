"""Row 6. Fault: the N-th system call that changes the store fails with EIO, N = 1, 2, 3 … (ENOSPC every third time).

Invariant: a save whose call failed is not acknowledged unless its bytes are really there; the same save right after, on
the same server, works, and so does reading; no blob file is flushed again after its flush failed; a restart finds all
that was acknowledged. How: a call gate answers the call with the error instead of doing it.
"""

import errno

from .. import gate
from ..board import Skip, row
from ..history import History
from ..server import NotStarted, Server

CALLS = ("openat", "write", "writev", "pwrite64", "pwritev", "pwritev2", "fsync", "fdatasync", "rename", "renameat2",
         "link", "linkat", "ftruncate", "mkdir", "mkdirat", "fallocate")


class Failing(gate.Counter):
    """Fails the N-th call, and remembers blob files whose flush failed to see whether they are flushed again."""

    def __init__(self, folder, at):
        error = errno.ENOSPC if at % 3 == 0 else errno.EIO
        super().__init__(folder, at, gate.fail(error), calls=CALLS + ("close",))
        self.failed, self.repeated = None, None

    def __call__(self, call):
        if self.failed and call.name in ("fsync", "fdatasync") and call.path == self.failed:
            self.repeated = self.failed
        if call.name == "close":  # the same name may come again as another file
            if self.failed and call.path == self.failed:
                self.failed = None
            return None
        decision = super().__call__(call)
        if decision and call.name in ("fsync", "fdatasync"):
            path = call.path
            if "/tmp/" in path[len(self.folder):] or path.startswith(self.folder + "/blobs"):
                self.failed = path
        return decision


@row(6, "failing-calls", "the N-th changing system call of a save fails with EIO or ENOSPC",
     "no wrong acknowledgement, later requests work, no flush is repeated", quick=True,
     plants=("forged acknowledgement",))
def run(context, tally):
    if gate.problem():
        raise Skip(gate.problem())
    point, step, kinds = 1, 3 if context.quick else 1, {}
    history = History(lambda key: 30_000)
    server = Server(context, start=False)
    counter = Failing(server.data, 0)
    server.start(counter)
    client = server.api()
    refused = 0
    while True:
        counter.at, counter.count, counter.hit, counter.armed = point, 0, None, True
        key = f"k{point}"
        acknowledged, answer = history.save(client, key)
        counter.armed = False
        where = f"call {point} {counter.hit}"
        if counter.hit is None:
            tally.hold(acknowledged, f"without a failure the save was refused: {answer}")
            break
        kinds[counter.hit[0]] = kinds.get(counter.hit[0], 0) + 1
        refused += not acknowledged
        tally.hold(answer is not None, f"{where}: the connection broke instead of an answer")
        tally.hold(acknowledged or answer is None or answer[0] >= 500, f"{where}: the save got {answer}")
        tally.hold(not counter.repeated, f"{where}: {counter.repeated} was flushed again after its flush had failed")
        counter.repeated = counter.failed = None
        if context.planted("forged acknowledgement"):
            history.acknowledge(f"{key}-forged", history.begin(f"{key}-forged"))
        if not server.runs:
            tally.violation(f"{where}: the server ended: {server.tail()}")
            break
        history.audit(client, [name for name in (key, f"{key}-forged") if name in history.issued], tally, where)
        again, answer = history.save(client, key)
        tally.hold(again, f"{where}: the save right after: {answer}")
        history.audit(client, [key], tally, f"{where}, after the second save")
        if point % 25 == 1:
            client, server, counter = restarted(tally, server, history, counter, where)
            if client is None:
                break
        tally.case()
        point += step
        if context.plant and tally.violations:
            break
    if server.runs:
        server.stop()
    try:
        server.start()
        history.audit(server.api(), list(history.issued), tally, "after the last restart")
        server.stop()
        for problem in server.check():
            tally.violation(f"at the end: {problem}")
    except NotStarted as error:
        tally.violation(f"the last restart: {error}")
    tally.figure(refused=refused, **kinds)
    if not context.quick and not context.plant:
        tally.need(tally.cases >= 100, f"only {tally.cases} calls, 100 are wanted")


def restarted(tally, server, history, counter, where):
    """A kill and a start: what was acknowledged around the failure must be on the disk, not only in memory."""
    server.kill()
    counter = Failing(server.data, 0)
    try:
        server.start(counter)
    except NotStarted as error:
        tally.violation(f"{where}, restart: {error}")
        return None, server, counter
    client = server.api()
    history.audit(client, list(history.issued)[-50:], tally, f"{where}, after a restart")
    return client, server, counter

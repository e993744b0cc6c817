"""Row 13. Fault: kill -9 before the N-th changing system call of a collection, N = 1, 2, 3 …

Invariant: after a restart the kept entries are exact, removed ones are misses, the next collection finishes what was
left, and the sums agree with the rows and the files: nothing is missing, and no file is left over. How: a call gate
stops the server in `POST /v1/collect` on copies of one folder in which half of the entries have been removed.
"""

import os
import shutil

from .. import gate
from ..board import Skip, row
from ..history import History
from ..server import NotStarted, Server

FLAGS = ("--undo-time", "1s", "--collect-interval", "1h", "--session-time", "1s", "--lease-time", "1s")


@row(13, "killed-collector", "kill -9 before each changing system call of a collection",
     "kept entries exact, the next collection finishes, no drift, no leftover", quick=True, plants=("deleted blob",))
def run(context, tally):
    if gate.problem():
        raise Skip(gate.problem())
    base, history = prepared(context)
    point, step, calls = 1, context.size(3, 1), {}
    rounds = 0
    while rounds < context.size(40, 400):
        with context.scope():
            hit = collected(context, tally, base, history, point)
        if hit is None:
            if point == 1 or context.quick or tally.cases >= 150:
                break
            point = 1  # which thread is how far differs from run to run: once more, until there are enough
            continue
        calls[hit[0]] = calls.get(hit[0], 0) + 1
        point += step
        rounds += 1
        tally.case()
        if context.plant and tally.violations:
            break
    tally.figure(**calls)
    if not context.quick and not context.plant:
        tally.need(tally.cases >= 150, f"only {tally.cases} kills, 150 are wanted")


def prepared(context):
    """A folder with 24 entries, of which every second one is removed; and what was saved."""
    import time

    server = Server(context, *FLAGS)
    history = History(lambda key: 15_000)
    client = server.api()
    for number in range(24):
        acknowledged, answer = history.save(client, f"k{number}")
        if not acknowledged:
            raise RuntimeError(f"preparing: {answer}")
    for number in range(0, 24, 2):
        client.delete(f"k{number}")
    time.sleep(1.2)  # past the time to undo, by the server's clock
    server.kill()
    return server.data, history


def collected(context, tally, base, history, point):
    data = os.path.join(context.fresh("copy"), "data")
    shutil.copytree(base, data)
    context.defer(shutil.rmtree, os.path.dirname(data))
    server = Server(context, *FLAGS, data=data, start=False)
    counter = gate.Counter(data, point)
    server.start(counter)
    counter.armed = True
    server.api(timeout=20).collect()
    counter.armed = False
    if counter.hit is None:
        server.kill()
        return None
    where = f"call {point} {counter.hit}"
    server.kill()
    if context.planted("deleted blob"):
        from .. import trees

        for path in trees.blobs(data):
            os.unlink(path)
    try:
        server.start()
    except NotStarted as error:
        tally.violation(f"{where}: {error}")
        return counter.hit
    client = server.api()
    kept = [f"k{number}" for number in range(1, 24, 2)]
    history.audit(client, kept, tally, where)
    for number in range(0, 24, 2):
        answer = client.get_file(f"k{number}")
        tally.hold(answer and answer[0] == 404, f"{where}: the removed k{number} got {answer and answer[0]}")
    for _ in range(2):
        answer = client.collect()
        tally.hold(answer and answer[0] == 200, f"{where}: the next collection got {answer}")
    history.audit(client, kept, tally, f"{where}, after the next collection")
    server.stop()
    for problem in server.check(strays=True):
        tally.violation(f"{where}: {problem}")
    return counter.hit

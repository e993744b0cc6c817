"""Row 7. Fault: a write to a blob file says that it wrote (all, or a part), and wrote nothing.

Invariant: bytes that are not what was saved are never served: the save is refused, or the damage is found when the blob
is read and the read fails. How: a call gate answers the N-th write to a file that becomes a blob with a number of bytes
without doing it.
"""

from .. import gate
from ..board import Skip, row
from ..history import History
from ..server import NotStarted, Server

WRITES = ("write", "writev", "pwrite64", "pwritev", "pwritev2")


@row(7, "lying-writes", "a write of blob bytes claims to have written, all or a part, and did nothing",
     "other bytes than the saved ones are never served", plants=("served anyway",))
def run(context, tally):
    if gate.problem():
        raise Skip(gate.problem())
    outcomes = dict.fromkeys(("refused_before_rename", "found_when_read", "harmless"), 0)
    random = context.random()
    for number in range(context.size(10, 60)):
        with context.scope():
            lie_once(context, tally, number, random, outcomes)
        tally.case()
        if context.plant and tally.violations:
            break
    tally.figure(**outcomes)


def lie_once(context, tally, number, random, outcomes):
    history = History(lambda key: 30_000 + 7000 * (number % 9))
    server = Server(context, start=False)
    share = random.choice([1.0, 1.0, 0.5, 0.01])
    told = []

    def decide(call):
        length = call.arguments[2] if call.name in ("write", "pwrite64") else vector_length(call)
        told.append(max(1, int(length * share)))
        return gate.lie(told[-1])

    counter = gate.Counter(server.data, 1 + number % 5, decide, only=is_blob, calls=WRITES)
    server.start(counter)
    client = server.api()
    counter.armed = True
    acknowledged, answer = history.save(client, "k")
    counter.armed = False
    where = f"case {number}, lie {told} about {counter.hit}"
    client = served(context, tally, history, server, client, where, acknowledged, outcomes, counter.hit is not None)
    if client:
        again, answer = history.save(client, "k")
        if not again:
            again, answer = history.save(client, "k")  # the first may be what finds the damage
        tally.hold(again, f"{where}: the second save: {answer}")


def served(context, tally, history, server, client, where, acknowledged, outcomes, happened):
    """Reads after a restart, so that no cache in memory answers."""
    server.kill()
    try:
        server.start()
    except NotStarted as error:
        tally.violation(f"{where}: {error}")
        return None
    client = server.api()
    answer = client.get_file("k")
    if context.planted("served anyway"):
        answer = (200, b"k 1\nwrong")
    if answer and answer[0] == 200:
        problem = history.judge("k", 0, answer)
        tally.hold(not problem, f"{where}: {problem}")
        outcomes["harmless"] += happened
    elif acknowledged:
        outcomes["found_when_read"] += 1
    else:
        outcomes["refused_before_rename"] += 1
    return client


def is_blob(call):
    path = call.path
    return "/tmp/" in path or "/blobs/" in path


def vector_length(call):
    import struct

    with open(f"/proc/{call.thread}/mem", "rb", buffering=0) as memory:
        memory.seek(call.arguments[1])
        vectors = memory.read(16 * call.arguments[2])
    return sum(struct.unpack_from("QQ", vectors, start)[1] for start in range(0, len(vectors), 16))

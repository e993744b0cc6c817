"""Row 3. Fault: the power goes at any operation of the disk.

Invariant: the file system and the database are sound, every save that was acknowledged before the cut is there with its
exact bytes, and nothing else than saved bytes is ever served. How: the data folder is on a disk that records the order
of its writes and flushes (nbdkit → nbdfuse → loop → ext4) and the record's length is noted at each acknowledgement.
Then the disk is made as it was after the first N operations, mounted, and a server is started on it and asked. Every
second cut also drops a random half of the writes after the last flush: a disk may reorder them.
"""

import os
import threading

from .. import mounts
from ..board import row
from ..history import History
from ..mounts import Device, Loop
from ..record import Record, recorder
from ..server import NotStarted, Server

MEBIBYTES = 64


@row(3, "power-cut-prefixes", "power cut after any prefix of the disk's writes, with and without reordering",
     "acknowledged saves are there, exact; file system, database and store are sound", quick=True,
     plants=("acknowledged too early", "flipped blob"))
def run(context, tally):
    record, acknowledged, history, first = recorded(context, "strict")
    cuts = 4 if context.plant else context.size(60, 320)
    checked = verify_cuts(context, tally, record, acknowledged, history, first, cuts)
    tally.figure(operations_of_the_disk=len(record.operations) - first, acknowledged_saves=len(acknowledged),
                 reordered_cuts=checked // 2)
    if not context.quick and not context.plant:
        tally.need(checked >= 300, f"only {checked} cuts, 300 are wanted")


def recorded(context, durability, saves=40, threads=3):
    """Saves on the recording disk; the record, [(length, key, version)] of acknowledgements, history, first operation."""
    size = MEBIBYTES << 20
    path = context.path("record")
    with context.scope():
        device = Device(context, "python", recorder(), environment={"RECORD": path, "RECORD_SIZE": str(size)})
        folder = device.mount(context)
        server = Server(context, "--durability", durability, data=os.path.join(folder, "data"))
        history = History(lambda key: 3000 + 997 * len(key))
        os.sync()
        first, acknowledged, lock = os.path.getsize(path), [], threading.Lock()

        def work(name):
            client = server.api()
            for number in range(saves // threads):
                key = f"{name}{'x' * (number % 4)}-{number % 5}"
                if history.save(client, key)[0]:
                    with lock:  # the length is read after the answer came: what is in it had reached the disk
                        acknowledged.append((os.path.getsize(path), key, history.floor(key)))

        workers = [threading.Thread(target=work, args=(f"t{number}",)) for number in range(threads)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        server.kill()
        os.sync()
    record = Record(path, size)
    return record, acknowledged, history, record.index_of(first)


def verify_cuts(context, tally, record, acknowledged, history, first, cuts, lossy=False):
    """Checks cuts spread over the record; how many. With `lossy` saves may be lost, but never be wrong."""
    random = context.random("cuts")
    total = len(record.operations)
    cuts = min(cuts, total - first)
    points = sorted(random.sample(range(first, total + 1), cuts))
    for number, count in enumerate(points):
        with context.scope():
            image = context.path("image")
            record.write(count, image, random if number % 2 else None)
            length = record.operations[count - 1][0] if count else 0
            floors = {}
            for end, key, version in acknowledged:
                early = 1 << 40 if context.planted("acknowledged too early") else 0
                if end <= length + early:
                    floors[key] = max(version, floors.get(key, 0))
            verify(context, tally, image, history, None if lossy else floors, f"cut after operation {count} of {total}")
            os.unlink(image)
        tally.case()
        if context.plant and tally.violations:
            break
    return cuts


def lost(answer):
    """Whether the server says that it has lost the bytes, which a relaxed one may."""
    return answer is not None and answer[0] == 500 and b'"code":"corrupt"' in answer[1]


def verify(context, tally, image, history, floors, where):
    try:
        disk = Loop(context, image=image)
    except RuntimeError as error:
        tally.violation(f"{where}: {error}")
        return
    server = Server(context, data=os.path.join(disk.folder, "data"), start=False)
    if context.planted("flipped blob"):
        from .. import trees

        for path in trees.blobs(server.data):
            trees.flip(path, context.random(path))
    try:
        server.start()
    except NotStarted as error:
        tally.violation(f"{where}: {error}")
        return
    client = server.api()
    for key in sorted(history.issued):
        answer = client.get_file(key)
        problem = "no answer" if answer is None else history.judge(key, (floors or {}).get(key, 0), answer)
        if problem and not (floors is None and lost(answer)):
            tally.violation(f"{where}: {problem}")
    client.close()
    server.stop()
    for problem in server.check() if floors is not None else ():
        tally.violation(f"{where}: {problem}")
    disk.unmount()
    mounts.command("fsck.ext4", "-f", "-n", image)

"""Row 10. Fault: one bit of 1 % of the blobs flips (at least three), or the disk cannot read the sectors of two blobs.

Invariant: a flipped bit never reaches a restored tree: the restore of an entry that needs the blob fails or is a miss,
and leaves no tree; all others restore exactly; one save of each tree heals all of them, however many of its blobs are
damaged, and also if the server was started again in between. How: trees are saved with save_cache, bits flipped in the
stopped and in the running server's files, and everything restored with restore_cache. As root also on a disk that
answers EIO for the sectors of a large and of a small blob; what is only unreadable is never taken out of use before a
save has brought the bytes again.
"""

import os
import shutil

from .. import mounts, trees
from ..board import row
from ..clients import Job
from ..server import Server

READ_WHEN_OPENED = 65_536  # tarnd reads blobs up to this size when it opens them


@row(10, "bit-rot", "one bit flips in 1 % of the blobs, or sectors cannot be read",
     "never in a restored tree, found, healed by the next save", quick=True, plants=("flipped byte in a restored tree",))
def run(context, tally):
    entries, random = (4 if context.plant else context.size(12, 60)), context.random()
    server = Server(context)
    job = Job(context, server)
    expected = {}
    for number in range(entries):
        trees.make(job.path(f"tree{number}"), context.random(f"tree{number}"), files=6)
        expected[number] = trees.snapshot(job.path(f"tree{number}"))
        if job.save(f"k{number}", f"tree{number}") != "saved":
            raise RuntimeError(job.said)
    figures = dict(flipped=0, unreadable=0, found_at_restore=0, healed=0, exact=0)
    for round in range(context.size(2, 6)):
        damage(context, tally, server, job, expected, random, round, figures)
        tally.case(entries)
        if context.plant and tally.violations:
            break
    if os.geteuid() == 0 and not context.plant:
        for round in range(context.size(1, 3)):
            lose(context, tally, random, round, figures)
    tally.figure(**figures)


def lose(context, tally, random, round, figures):
    """The sectors of some blobs go; the saves afterwards heal what needs them."""
    with context.scope():
        disk = mounts.LossyDisk(context)
        server = Server(context, data=os.path.join(disk.folder, "data"))
        job = Job(context, server)
        expected = {}
        for number in range(6):
            trees.make(job.path(f"tree{number}"), context.random(f"lossy{round} {number}"), files=6)
            expected[number] = trees.snapshot(job.path(f"tree{number}"))
            if job.save(f"k{number}", f"tree{number}") != "saved":
                raise RuntimeError(job.said)
        sizes = {path: os.path.getsize(path) for path in trees.blobs(server.data)}
        small, large = ([path for path in sizes if sizes[path] and (sizes[path] > READ_WHEN_OPENED) == wanted]
                        for wanted in (False, True))
        victims = [random.choice(small), random.choice(large)]
        disk.lose(victims)
        tally.hold(not any(map(readable, victims)), f"lossy round {round}: the sectors can be read")
        lost = {number for number, wanted in expected.items() if not exact(context, tally, job, number, wanted, round)}
        tally.hold(lost, f"lossy round {round}: no restore failed")
        tally.hold(all(map(os.path.exists, victims)), f"lossy round {round}: a read took a blob away")
        tally.case(len(expected))
        figures["unreadable"] += len(victims)
        figures["found_at_restore"] += len(lost)
        heal(context, tally, server, job, expected, lost, f"lossy {round}", figures)
        for path in filter(os.path.exists, victims):
            tally.hold(readable(path), f"lossy round {round}: {path} is still in use")


def readable(path):
    try:
        with open(path, "rb") as file:
            file.read()
    except OSError:
        return False
    return True


def exact(context, tally, job, number, wanted, round):
    """Whether an entry was restored, which has to be as it was; otherwise nothing may be there."""
    outcome, found = restored(context, job, number)
    if outcome == "hit":
        wrong = trees.difference(wanted, found)
        tally.hold(not wrong, f"lossy round {round}, entry {number}: {wrong}")
    else:
        tally.hold(set(found) <= {b"."}, f"lossy round {round}: the failed restore left a tree: {str(found)[:200]}")
    return outcome == "hit"


def damage(context, tally, server, job, expected, random, round, figures):
    if round % 2 == 0:
        server.stop()
    files = [path for path in trees.blobs(server.data) if os.path.getsize(path)]
    victims = random.sample(files, max(3, len(files) // 100))
    for path in victims:
        trees.flip(path, random)
    figures["flipped"] += len(victims)
    if round % 2 == 0:
        server.start()
    bad = set()
    for number, wanted in expected.items():
        where = f"round {round}, entry {number}"
        outcome, found = restored(context, job, number)
        if outcome == "hit":
            if context.planted("flipped byte in a restored tree"):
                found = {**found, b"x": "flipped"}
            wrong = trees.difference(wanted, found)
            tally.hold(not wrong, f"{where}: {wrong}")
            figures["exact"] += 1
        else:
            bad.add(number)
            tally.hold(set(found) <= {b"."}, f"{where}: the failed restore left a tree: {str(found)[:200]}")
    figures["found_at_restore"] += len(bad)
    if round % 2 == 1:  # what was found must not be forgotten with the process
        server.stop()
        server.start()
    heal(context, tally, server, job, expected, bad, round, figures)


def heal(context, tally, server, job, expected, bad, round, figures):
    """Saves each tree once with a fresh client, then all must restore and the check must find nothing."""
    shutil.rmtree(job.cache)
    os.mkdir(job.cache)
    for number in expected:
        outcome = job.save(f"k{number}", f"tree{number}", "--replace")
        tally.hold(outcome is not None, f"round {round}: saving entry {number} again: {job.said}")
    for number, wanted in expected.items():
        outcome, found = restored(context, job, number)
        wrong = "no hit" if outcome != "hit" else trees.difference(wanted, found)
        figures["healed"] += number in bad and not wrong
        tally.hold(not wrong, f"round {round}: after the save entry {number}: {outcome}, {wrong}: {job.said}")
    # Blobs that are read by nobody stay damaged until the check; it must find them, and find nothing after repairing.
    server.stop()
    server.check(repair=True)
    for problem in server.check():
        tally.violation(f"round {round}: after the repair: {problem}")
    server.start()


def restored(context, job, number):
    """Outcome and snapshot of a restore into a new folder by a client that knows nothing."""
    with context.scope():
        target = os.path.join(context.fresh("target"), "out")
        outcome = job.restore(f"k{number}", "--to", target)
        inner = os.path.join(target, f"tree{number}")
        found = trees.snapshot(inner if os.path.isdir(inner) else target)
        shutil.rmtree(os.path.dirname(target))
        return outcome, found

"""Row 4. Fault: the power goes during 32 parallel saves, on ext4 and on xfs.

Invariant: no acknowledged entry is lost, none is wrong; file system, database and store are sound. How: the data folder
is on a loop device; its file system is shut down without writing its log at a random moment (EXT4_IOC_SHUTDOWN,
XFS_IOC_GOINGDOWN), unmounted and mounted again. Answers that come after the shutdown began do not count as
acknowledged: an fsync in flight may return success while the journal is being aborted, which a real disk cannot do.
"""

import os
import threading
import time

from .. import mounts
from ..board import row
from ..context import command
from ..history import History
from ..mounts import Loop
from ..server import NotStarted, Server
from .r02_killed_under_load import CLIENTS, Load, hash_of
from .r03_power_cut_prefixes import lost


@row(4, "power-cut-under-load", "power cut during 32 parallel saves, ext4 and xfs",
     "no acknowledged entry lost, none wrong", quick=True, plants=("forged acknowledgement", "flipped blob"))
def run(context, tally):
    plan = [("ext4", context.size(6, 40)), ("xfs", context.size(3, 20))]
    total = {}
    for kind, cycles in plan:
        if context.plant and kind == "xfs":
            break
        cut_often(context, tally, kind, 2 if context.plant else cycles, "strict", total)
    tally.figure(**total)


def cut_often(context, tally, kind, cycles, durability, total, lossy=False):
    """Cuts the power `cycles` times on one folder, and audits after each."""
    random = context.random(kind)
    mounts.require(f"mkfs.{kind}")
    with context.scope():
        disk = Loop(context, kind, 4096)  # sparse; every blob takes a folder or two of its own
        history = CutHistory(lambda key: 200 + hash_of(key) % 40_000)
        server = Server(context, "--durability", durability, "--max-uploads", "64",
                        data=os.path.join(disk.folder, "data"))
        for cycle in range(cycles):
            history.cut.clear()
            load = (LossyLoad if lossy else CutLoad)(server, history, [f"c{cycle}-w{number}" for number in range(CLIENTS)], tally)
            load.start()
            time.sleep(random.uniform(0.1, 2.0))
            if lossy:  # so that something survives, with the rest half written
                command("sync", "-f", disk.folder)
                time.sleep(random.uniform(0, 0.5))
            history.cut.set()
            disk.cut_power()
            server.kill()
            load.stop()
            disk.unmount()
            disk.mount()
            if not verify(context, tally, server, history, f"{kind}, cycle {cycle}", cycle, lossy):
                return
            tally.case()
        server.stop()
        for problem in server.check():
            if not lossy:
                tally.violation(f"{kind}, at the end: {problem}")
        total[f"acknowledged_on_{kind}"] = history.count


def verify(context, tally, server, history, where, cycle, lossy):
    if context.planted("forged acknowledgement"):
        key = f"c{cycle}-forged"
        version = history.begin(key)
        history.cut.clear()
        history.acknowledge(key, version)
    if context.planted("flipped blob"):
        from .. import trees

        for path in trees.blobs(server.data):
            trees.flip(path, context.random(path))
    try:
        server.start()
    except NotStarted as error:
        tally.violation(f"{where}: {error}")
        return False
    if context.planted("other bytes"):
        history.size = lambda key: 7
    client = server.api()
    touched = [key for key in history.issued if key.startswith(f"c{cycle}-")]
    older = [key for key in history.issued if not key.startswith(f"c{cycle}-")]
    older = context.random(where).sample(older, min(40, len(older)))
    keys = touched + older
    if lossy:
        history.forgive()
        keys = [key for key in keys if not lost(history.read(client, key)[1])]
    history.audit(client, keys, tally, where)
    client.close()
    return True


class CutHistory(History):
    """Takes no acknowledgement that came after the cut began."""

    def __init__(self, size):
        super().__init__(size)
        self.cut, self.count = threading.Event(), 0

    def acknowledge(self, key, version):
        if not self.cut.is_set():
            super().acknowledge(key, version)
            self.count += 1

    def forgive(self):
        """What was acknowledged may be lost; what is served must still be right."""
        with self.lock:
            self.acknowledged = dict.fromkeys(self.acknowledged, 0)


class CutLoad(Load):
    """Refusals and failed reads are right once the disk is gone."""

    def unexpected(self, text):
        if not self.history.cut.is_set():
            self.tally.violation(text)
        time.sleep(0.01)

    def work(self, name):
        client = self.server.api()
        number = 0
        while not self.ended.is_set():
            number += 1
            key = f"{name}-k{number % 3}"
            acknowledged, answer = self.history.save(client, key)
            if answer is None:
                break
            if not acknowledged:
                self.unexpected(f"save of {key}: {answer[0]} {answer[1][:200]!r}")
        client.close()


class LossyLoad(CutLoad):
    """After a loss the first saves that need a lost blob may be refused, which heals it; ten in a row must not be."""

    refusals = 0

    def unexpected(self, text):
        if self.history.cut.is_set():
            return
        LossyLoad.refusals += 1
        self.row_of_refusals = getattr(self, "row_of_refusals", {})
        key = text.split(":")[0].rsplit("-k", 1)[0]
        self.row_of_refusals[key] = self.row_of_refusals.get(key, 0) + 1
        if self.row_of_refusals[key] == 10:
            self.tally.violation(f"refused ten times: {text}")

"""Row 8. Fault: the disk has no free bytes, then no free inodes, under mixed traffic.

Invariant: reads go on without a failure, deletes work, saves are refused with 507 (503 while room is made), and saves
work again within 5 s after room was made, without a restart. How: a 64 MiB ext4 on a loop device is filled with a file
of its own, and a tmpfs with few inodes with empty files.
"""

import os
import threading
import time

from ..board import row
from ..history import History
from ..mounts import Loop, memory
from ..server import Server


@row(8, "full-disk", "no free bytes, then no free inodes, under mixed traffic",
     "reads and deletes work, saves get 507, saves work again in 5 s", quick=True, plants=("forged acknowledgement",))
def run(context, tally):
    seconds = 3 if context.plant else context.size(10, 90)
    disk = Loop(context, "ext4", 64, make=("-m", "0"))
    bytes_full(context, tally, disk.folder, seconds, "bytes")
    inodes = memory(context, "size=256m,nr_inodes=700")
    bytes_full(context, tally, inodes, seconds, "inodes")


def bytes_full(context, tally, folder, seconds, what):
    with context.scope():
        server = Server(context, data=os.path.join(folder, "data"))
        history = History(lambda key: 20_000)
        client = server.api()
        for number in range(20):
            acknowledged, answer = history.save(client, f"old{number}")
            if not acknowledged:
                raise RuntimeError(f"before the disk is full: {answer}")
        fill = Filler(folder, what)
        fill.all()
        traffic = Traffic(tally, server, history, what)
        traffic.run(seconds, fill.all)
        if context.planted("forged acknowledgement"):
            history.acknowledge("forged", history.begin("forged"))
        fill.free()
        admitted = time.monotonic()
        while not history.save(client, "after")[0]:
            if time.monotonic() > admitted + 30:
                tally.violation(f"{what}: saves do not work again 30 s after room was made")
                break
            time.sleep(0.05)
        wait = time.monotonic() - admitted
        tally.hold(wait < 5, f"{what}: saves work again only after {wait:.1f} s")
        history.audit(client, [key for key in history.issued if not traffic.is_deleted(key)], tally, what)
        server.kill()
        server.start()
        history.audit(server.api(), [key for key in history.issued if not traffic.is_deleted(key)], tally,
                      f"{what}, after kill -9")
        server.stop()
        for problem in server.check():
            tally.violation(f"{what}: {problem}")
        tally.figure(**{f"{what}_saves_refused": traffic.refused, f"{what}_saves_accepted": traffic.accepted,
                        f"{what}_reads": traffic.reads, f"{what}_deletes": len(traffic.deleted),
                        f"{what}_seconds_until_saves_work": round(wait, 2)})


class Filler:
    """Takes all free bytes or inodes, again and again, and gives them back."""

    def __init__(self, folder, what):
        self.folder, self.what = os.path.join(folder, "filler"), what
        os.mkdir(self.folder)
        self.count = 0

    def all(self):
        self.count += 1
        if self.what == "bytes":
            self.take_bytes()
        try:
            for number in range(100_000):
                if self.what == "bytes":
                    break
                open(os.path.join(self.folder, f"{self.count}-{number}"), "w").close()
        except OSError:
            pass

    def take_bytes(self):
        for size in (1 << 20, 4096):
            try:
                with open(os.path.join(self.folder, f"{self.count}-{size}"), "wb", buffering=0) as file:
                    while file.write(b"x" * size) == size:
                        pass
            except OSError:
                pass

    def free(self):
        for name in os.listdir(self.folder):
            os.unlink(os.path.join(self.folder, name))


class Traffic:
    """Readers, a writer and a deleter on the full disk."""

    def __init__(self, tally, server, history, what):
        self.tally, self.server, self.history, self.what = tally, server, history, what
        self.reads = self.refused = self.accepted = 0
        self.deleted = set()
        self.statuses = {}

    def is_deleted(self, key):
        return key in self.deleted

    def run(self, seconds, refill):
        self.until = time.monotonic() + seconds
        threads = [threading.Thread(target=work) for work in (self.read, self.read, self.write, self.delete)]
        for thread in threads:
            thread.start()
        while time.monotonic() < self.until:
            time.sleep(0.5)
            refill()  # deletes and collections give room back, which is taken again
        for thread in threads:
            thread.join(60)
            self.tally.hold(not thread.is_alive(), f"{self.what}: a request never ended")

    def read(self):
        client, number = self.server.api(), 0
        while time.monotonic() < self.until:
            number += 1
            key = f"old{number % 10}"
            problem, answer = self.history.read(client, key)
            self.reads += 1
            self.tally.case()
            if problem or answer is None:
                self.tally.violation(f"{self.what}: read: {problem or 'no answer'}")
            time.sleep(0.002)

    def write(self):
        client, number = self.server.api(), 0
        while time.monotonic() < self.until:
            number += 1
            acknowledged, answer = self.history.save(client, f"new{number}")
            self.tally.case()
            self.accepted += acknowledged
            if not acknowledged:
                self.refused += 1
                if answer is None or answer[0] not in (507, 503):
                    self.tally.violation(f"{self.what}: a save got {answer}")
            time.sleep(0.02)

    def delete(self):
        client = self.server.api()
        for number in range(10, 20):
            answer = client.delete(f"old{number}")
            self.tally.case()
            self.deleted.add(f"old{number}")
            if answer is None or answer[0] != 200:
                self.tally.violation(f"{self.what}: a delete got {answer}")
            answer = client.collect()
            if answer is None or answer[0] != 200:
                self.tally.violation(f"{self.what}: a collection got {answer}")
            time.sleep(0.2)

"""Row 11. Fault: saves, restores, deletes and collections of the same few blobs, all at once, for 100,000 events.

Invariant: no save ever gets "unknown blob", every read is exact or a right miss, and at the end there are no dangling
references. How: the shape of the soak that found 40 lost pushes in a registry (quay#6318): clients save entries that
share chunks and delete them at once, while another collects without pause, so that blobs die and are saved again all
the time. Each key has one writer, who knows what must be there.
"""

import threading
import time

from .. import api
from ..board import row
from ..history import content
from ..server import Server

WORKERS, SHARED = 8, 12


@row(11, "collector-soak", "saves, reads, deletes and collections of shared blobs all at once",
     "no save or read fails for a missing blob, no dangling reference", plants=("deleted blob",))
def run(context, tally):
    events = 1_500 if context.plant else context.size(8_000, 100_000)
    # Relaxed, so that the race is run more often: what is tested is order, not durability.
    server = Server(context, "--durability", "relaxed", "--collect-interval", "1s", "--undo-time", "1s",
                    "--session-time", "2m", "--lease-time", "2s", "--max-uploads", "32")
    soak = Soak(context, tally, server, events)
    threads = [threading.Thread(target=soak.work, args=(number,)) for number in range(WORKERS)]
    threads.append(threading.Thread(target=soak.collect))
    for thread in threads:
        thread.start()
    if context.planted("deleted blob"):
        import os

        from .. import trees

        while any(thread.is_alive() for thread in threads[:-1]):
            time.sleep(0.3)
            for path in trees.blobs(server.data)[:3]:
                try:
                    os.unlink(path)
                except FileNotFoundError:
                    pass
    for thread in threads[:-1]:
        thread.join()
    soak.ended.set()
    threads[-1].join()
    server.stop()
    for problem in server.check():
        tally.violation(f"at the end: {problem}")
    tally.figure(saves=soak.saves, reads=soak.reads, deletes=soak.deletes, collections=soak.collections,
                 blobs_collected=soak.collected)
    tally.need(soak.collected > events // 200 or context.plant, "the collector deleted next to nothing")


class Soak:
    def __init__(self, context, tally, server, events):
        self.context, self.tally, self.server, self.events = context, tally, server, events
        self.lock, self.ended = threading.Lock(), threading.Event()
        self.saves = self.reads = self.deletes = self.collections = self.collected = 0

    def next(self):
        with self.lock:
            if self.events <= 0:
                return False
            self.events -= 1
        self.tally.case()
        return True

    def work(self, number):
        random = self.context.random(f"worker{number}")
        client, present = self.server.api(), {}
        while self.next():
            key, action = f"w{number}-{random.randrange(3)}", random.random()
            if action < 0.4:
                which = random.randrange(SHARED)  # every worker saves the same few contents
                answer = client.put_tar(key, api.tar_of({"f": content("shared", which, 20_000)}))
                self.saves += 1
                if answer is None or answer[0] != 200:
                    self.tally.violation(f"a save got {answer}")
                    present.pop(key, None)
                else:
                    present[key] = which
            elif action < 0.75:
                self.read(client, key, present.get(key))
            else:
                answer = client.delete(key)
                self.deletes += 1
                wanted = (200,) if key in present else (200, 404)
                if answer is None or answer[0] not in wanted:
                    self.tally.violation(f"a delete got {answer}")
                present.pop(key, None)
        client.close()

    def read(self, client, key, which):
        answer = client.get_file(key)
        self.reads += 1
        if answer is None or answer[0] not in (200, 404):
            self.tally.violation(f"a read got {answer}")
        elif which is None:
            if answer[0] != 404:
                self.tally.violation(f"a deleted entry is still read: {key}")
        elif answer != (200, content("shared", which, 20_000)):
            self.tally.violation(f"a read of {key} got {answer[0]} {answer[1][:80]!r}, content {which} was saved")

    def collect(self):
        import json

        client = self.server.api()
        while not self.ended.is_set():
            answer = client.collect()
            if answer is None or answer[0] != 200:
                self.tally.violation(f"a collection got {answer}")
            else:
                self.collections += 1
                told = json.loads(answer[1])
                self.collected += sum(value for name, value in told.items()
                                      if "blob" in name.lower() and isinstance(value, int))
            time.sleep(0.05)
        client.close()

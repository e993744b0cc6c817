"""Row 2. Fault: kill -9 of the server at a random moment under 32 clients, again and again on one folder.

Invariant: after each restart every key has the exact bytes of its last acknowledged save, or of one that was in flight;
reads under way never get anything else. A killed process loses nothing that it acknowledged. How: 32 threads save and
read small entries; each key has one writer (history.py); after each restart all keys of the cycle and some older ones
are read.
"""

import threading
import time

from ..board import row
from ..history import History
from ..server import NotStarted, Server

CLIENTS = 32


@row(2, "killed-under-load", "kill -9 of the server at random moments under 32 clients",
     "every hit is an acknowledged or in-flight save, nothing acknowledged is lost", quick=True,
     plants=("flipped blob", "forged acknowledgement"))
def run(context, tally):
    cycles = 3 if context.plant else context.size(40, 200)
    random = context.random()
    history = History(lambda key: 200 + hash_of(key) % 40_000)
    server = Server(context, "--max-uploads", "64")
    for cycle in range(cycles):
        load = Load(server, history, [f"c{cycle}-w{number}" for number in range(CLIENTS)], tally)
        load.start()
        time.sleep(random.uniform(0.02, 0.6))
        server.kill()
        load.stop()
        plant(context, server, history, cycle)
        try:
            server.start()
        except NotStarted as error:
            tally.violation(f"cycle {cycle}: {error}")
            return
        client = server.api()
        touched = [key for key in history.issued if key.startswith(f"c{cycle}-")]
        older = [key for key in history.issued if not key.startswith(f"c{cycle}-")]
        history.audit(client, touched + random.sample(older, min(20, len(older))), tally, f"cycle {cycle}")
        client.close()
        tally.case()
    server.stop()
    for problem in server.check():
        tally.violation(f"at the end: {problem}")
    tally.figure(acknowledged_saves=sum(history.acknowledged.values()), reads_under_load=Load.reads)


def plant(context, server, history, cycle):
    if context.planted("flipped blob"):
        from .. import trees

        for path in trees.blobs(server.data)[:50]:
            trees.flip(path, context.random(f"{cycle}/{path}"))
    if context.planted("forged acknowledgement"):
        key = f"c{cycle}-forged"
        history.acknowledge(key, history.begin(key))


def hash_of(key):
    return sum(ord(letter) * 31 ** place for place, letter in enumerate(key)) & 0xFFFF


class Load:
    """Threads that save and read; each writes keys of its own and reads everybody's."""

    reads = 0

    def __init__(self, server, history, names, tally, pause=0):
        self.server, self.history, self.tally, self.pause = server, history, tally, pause
        self.ended, self.latest, self.strange = threading.Event(), [], []
        self.threads = [threading.Thread(target=self.work, args=(name,), daemon=True) for name in names]

    def start(self):
        for thread in self.threads:
            thread.start()

    def stop(self, timeout=90):
        self.ended.set()
        for thread in self.threads:
            thread.join(timeout)
        if any(thread.is_alive() for thread in self.threads):
            self.tally.violation("a client's request never ended")

    def work(self, name):
        client = self.server.api()
        number = 0
        while not self.ended.is_set():
            number += 1
            key = f"{name}-k{number % 3}"
            acknowledged, answer = self.history.save(client, key)
            if answer is None:
                break  # the server is gone
            if not acknowledged:
                self.unexpected(f"save of {key}: {answer[0]} {answer[1][:200]!r}")
            other = self.threads_key(number, name)
            for read in (key, other):
                problem, answer = self.history.read(client, read)
                Load.reads += 1
                if problem:
                    self.tally.violation(f"under load: {problem}")
            if self.pause:
                time.sleep(self.pause)
        client.close()

    def threads_key(self, number, name):
        """A key that another thread writes at about this time."""
        return f"{name.rsplit('-w', 1)[0]}-w{(number * 7) % CLIENTS}-k{number % 3}"

    def unexpected(self, text):
        """A refusal that the row has to judge: by default it is a violation."""
        self.tally.violation(text)

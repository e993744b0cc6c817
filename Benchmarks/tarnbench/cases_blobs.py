"""A store of a million blobs: starting, evicting, collecting, and what a job notices of it."""

import threading
import time
import urllib.request

from fill import blobs as filled_blobs

from . import filled, load, measure, tarn
from .case import Case, Side, register
from .goals import GOALS, Goal, own
from .workspace import Workspace


class Store:
    """A data folder with many blobs, on a workspace of its own: a million files need many inodes."""

    def __init__(self, context):
        self.context = context
        self.count = 100_000 if context.quick else 1_000_000
        self.data = None

    def folder(self):
        if self.data is None:
            workspace = Workspace(3 if self.context.quick else 20)
            self.context.closers.append(workspace.close)
            print(f"  making a store of {self.count} blobs", flush=True)
            self.data, _ = filled.blobs(self.context, workspace, self.count)
            if self.context.quick:
                filled.check(self.context, self.data)
        return self.data

    def serve(self, *arguments):
        server = tarn.Server(self.context.program("tarnd"), self.context.workspace,
                             ["--log-level", "warning", *arguments], data=self.folder())
        self.context.closers.append(server.stop)
        return server


def start(context, store):
    """From the start of the process to the first answer."""
    empty = context.workspace.fresh("empty")

    def side(name, data, command):
        def run(round):
            began = time.monotonic()
            server = tarn.Server(context.program("tarnd"), context.workspace, ["--log-level", "warning"], data=data())
            with urllib.request.urlopen(server.url + "/readyz", timeout=60) as answer:
                answer.read()
            sample = measure.Sample(time.monotonic() - began, server.cpu(), server.process.peak())
            filled.resolve(server, "nothing-")
            server.stop()
            return sample

        return Side(name, run, command=command)

    sides = [side("full", store.folder, f"tarnd --data STORE ({store.count:,} blobs), until GET /readyz is answered"),
             side("empty", lambda: empty, "the same with an empty store")]
    return Case("server-start", f"server start with {store.count:,} blobs", sides, rounds=5, shares=True)


class Asker(threading.Thread):
    """A job that resolves keys while the collector runs; notes how long each answer took."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.server, self.waits, self.ended = server, [], threading.Event()

    def run(self):
        while not self.ended.is_set():
            began = time.monotonic()
            filled.resolve(self.server, "seed-0")
            self.waits.append(time.monotonic() - began)
            time.sleep(0.005)

    def finish(self):
        self.ended.set()
        self.join()
        return sorted(self.waits)


def collection(context, store):
    """Half of the entries and blobs go, because of the budget of their project."""

    def run(round):
        kept = store.count // 2 * filled_blobs.BLOB_SIZE
        # The request below is the only collection. The entry that is asked for all the time is used last, so it stays.
        server = store.serve("--max-project-size", str(kept), "--collect-interval", "1h")
        filled.resolve(server, "seed-0")
        asker = Asker(server)
        asker.start()
        before, began = load.cpu(server.process), time.monotonic()
        told = filled.ask(server, "/v1/collect", {})
        wall, cpu = time.monotonic() - began, load.cpu(server.process) - before
        waits = asker.finish()
        if told["deletedBlobs"] < store.count * 0.4:
            raise measure.CommandFailed(f"the collector removed too little: {told}")
        sample = measure.Sample(wall, cpu, server.process.peak(), {
            "blobs": told["deletedBlobs"], "entries": told["removedEntries"],
            "us_per_blob": 1e6 * wall / told["deletedBlobs"], "cpu_us_per_blob": 1e6 * cpu / told["deletedBlobs"],
            "resolve_p50_ms": 1000 * waits[len(waits) // 2], "resolve_p99_ms": 1000 * waits[len(waits) * 99 // 100],
            "resolve_max_ms": 1000 * waits[-1]})
        server.stop()
        if not context.quick:
            return sample
        filled.check(context, store.folder())
        return sample

    side = Side("tarn", run, command="POST /v1/collect with --max-project-size of half the bytes")
    title = f"eviction and collection of half of {store.count:,} blobs (one run)"
    return Case("collect", title, [side], warmups=0, rounds=1)


def cases(context):
    """The start before the collection, as that removes what makes the start big."""
    store = Store(context)
    return [start(context, store), collection(context, store)]


def of_a_million(value):
    """A figure of a run that had a million blobs, not of a quick one."""
    return lambda result: value(result) if "1,000,000" in result["title"] else None


register(cases, "blobs")
GOALS.append(Goal("server-start", "seconds until a server with 1 M blobs answers", of_a_million(own("wall")), 0.5, 2,
                  most=True, unit="s"))
GOALS.append(Goal("collect", "longest time that a resolve waited beside the collector of 1 M blobs",
                  of_a_million(own("resolve_max_ms", 1000)), 0.1, 0.5, most=True, unit="s"))

"""Row 1. Fault: kill -9 before the N-th system call that changes a file, N = 1, 2, 3 …, during one save.

Invariant: the server starts again; what was acknowledged is there with its exact bytes; what was not is that or a miss;
the save can be repeated; `tarnd check --read-data` finds nothing. How: a call gate stops the server (first start of a
folder, then a save into it) or the client at the N-th call of all its threads; that call and the rest never happen.
"""

import os
import shutil
import subprocess

from .. import gate, trees
from ..board import Skip, row
from ..clients import Job
from ..context import Context
from ..server import NotStarted, Server


@row(1, "crash-points", "kill -9 before each changing system call of a start, a save and the client",
     "restart works, acknowledged bytes are exact, the save can be repeated", quick=True,
     plants=("flipped blob", "dropped entry"))
def run(context, tally):
    if gate.problem():
        raise Skip(gate.problem())
    scene = Scene(context, tally)
    covered = {}
    for name, attempt in (("start", scene.start), ("save", scene.save), ("client", scene.client)):
        step = 1 if not context.quick else {"start": 23, "save": 4, "client": 5}[name]
        covered[name] = every_point(context, tally, attempt, step)
    tally.figure(**{f"points_of_{name}": count for name, count in covered.items()})
    if not context.quick and not context.plant:
        tally.need(sum(covered.values()) >= 300, f"only {sum(covered.values())} crash points, 300 are wanted")


def every_point(context, tally, attempt, step):
    """Attempts N = 1, 1 + step, … until one run is over before its N-th call; how many were tried."""
    point, tried = 1, 0
    while True:
        with context.scope():
            happened = attempt(point)
        if not happened:
            return tried
        tried += 1
        tally.case()
        if context.plant and tally.violations:
            return tried
        point += step


class Scene:
    """A tree that is saved again and again into copies of one data folder, which has an older entry."""

    def __init__(self, context: Context, tally):
        self.context, self.tally = context, tally
        self.job_folder = context.fresh("work")
        self.tree = trees.make(os.path.join(self.job_folder, "tree"), context.random("tree"))
        self.expected = trees.snapshot(self.tree)
        older = trees.make(os.path.join(self.job_folder, "older"), context.random("older"), files=4)
        self.older = trees.snapshot(older)
        server = Server(context)
        job = Job(context, server, folder=self.job_folder)
        if job.save("older", "older") != "saved":
            raise RuntimeError(f"the first save failed: {job.said}")
        server.stop()
        self.base = server.data

    def data(self):
        copy = os.path.join(self.context.fresh("copy"), "data")
        shutil.copytree(self.base, copy)
        self.context.defer(shutil.rmtree, os.path.dirname(copy))
        return copy

    def start(self, point):
        """Kills the first start of an empty folder."""
        data = os.path.join(self.context.fresh("copy"), "data")
        server = Server(self.context, data=data, start=False)
        counter = gate.Counter(data, point)
        counter.armed = True
        try:
            server.start(counter)
        except NotStarted:
            pass
        if counter.hit is None:
            server.kill()
            return False
        server.kill()
        self.verify(server, f"start, call {point} {counter.hit}", acknowledged=False, older=False)
        return True

    def save(self, point):
        """Kills the server in a save."""
        server = Server(self.context, data=self.data(), start=False)
        counter = gate.Counter(server.data, point)
        server.start(counter)
        job = Job(self.context, server, folder=self.job_folder)
        counter.armed = True
        client = subprocess.Popen(job.command("save_cache", "--strict", "--json", "--key", "k", "--path", "tree"),
                                  cwd=job.folder, env=job.environment(), stdin=subprocess.DEVNULL,
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while client.poll() is None and server.runs:
            try:
                client.wait(0.02)
            except subprocess.TimeoutExpired:
                pass
        client.kill()  # without its server it would only wait
        acknowledged = client.wait() == 0
        counter.armed = False
        happened = counter.hit is not None
        server.kill()
        if happened:
            self.verify(server, f"save, call {point} {counter.hit}", acknowledged)
        return happened

    def client(self, point):
        """Kills the client in a save."""
        server = Server(self.context, data=self.data())
        job = Job(self.context, server, folder=self.job_folder)
        counter = gate.Counter("", point, calls=(*gate.CHANGING, "sendto", "sendmsg"))
        counter.armed = True
        run = gate.Gate(job.command("save_cache", "--strict", "--json", "--key", "k", "--path", "tree"), counter,
                        environment=job.environment(), output=subprocess.DEVNULL, folder=job.folder)
        run.process.wait(60)
        run.close()
        if counter.hit is None:
            return False
        server.stop()
        self.verify(server, f"client, call {point} {counter.hit}", acknowledged=False)
        return True

    def verify(self, server, where, acknowledged, older=True):
        hold = self.tally.hold
        self.plant(server, acknowledged)
        try:
            server.start()
        except NotStarted as error:
            self.tally.violation(f"{where}: {error}")
            return
        job = Job(self.context, server, folder=self.job_folder)
        if older:
            self.restored(job, "older", self.older, f"{where}: the older entry", must=True)
        self.restored(job, "k", self.expected, f"{where}: the save", must=acknowledged)
        hold(job.save("k") in ("saved", "known", "exists"), f"{where}: the repeated save: {job.said}")
        self.restored(job, "k", self.expected, f"{where}: the repeated save", must=True)
        hold(server.stop() == 0, f"{where}: the server did not end well: {server.tail()}")
        for problem in server.check():
            self.tally.violation(f"{where}: {problem}")

    def restored(self, job, key, expected, where, must):
        target = os.path.join(self.context.fresh("target"), "out")
        name = "older" if key == "older" else "tree"
        outcome = job.restore(key, "--to", target)
        if outcome is None:
            self.tally.violation(f"{where}: restore failed: {job.said}")
        elif outcome == "hit":
            found = trees.snapshot(target if not os.path.isdir(os.path.join(target, name)) else
                                   os.path.join(target, name))
            wrong = trees.difference(expected, found)
            self.tally.hold(not wrong, f"{where}: restored tree: {wrong}")
        else:
            self.tally.hold(not must, f"{where}: {outcome} of an acknowledged save")

    def plant(self, server, acknowledged):
        if self.context.planted("flipped blob"):
            found = trees.blobs(server.data)
            if found:
                trees.flip(max(found, key=os.path.getsize), self.context.random("flip"))
        if self.context.planted("dropped entry"):
            for name in os.listdir(server.data) if os.path.isdir(server.data) else []:
                path = os.path.join(server.data, name)
                if name.startswith("catalog"):
                    os.unlink(path)
                elif name == "blobs":
                    shutil.rmtree(path)

"""Row 15. Fault: the client is killed at a random system call of a restore over an old tree.

Invariant: the target is the old tree or the new one, never a mixture (in the milliseconds of an amendment it may be
absent, with the old tree whole in the staging directory); the next restore gives the new tree and leaves nothing beside
it. How: a call gate counts the changing calls of one whole restore, then kills restores at random ones of them.
"""

import os
import shutil
import subprocess

from .. import gate, trees
from ..board import Skip, row
from ..clients import Job
from ..server import Server

CALLS = tuple(name for name in (*gate.CHANGING, "openat2", "symlink", "symlinkat", "fchmod", "utimensat", "linkat",
                                "copy_file_range"))


@row(15, "killed-restore", "the client is killed at a random call of a restore over an old tree",
     "the old tree or the new one, nothing left over after the next restore", quick=True,
     plants=("mixed tree", "leftover"))
def run(context, tally):
    if gate.problem():
        raise Skip(gate.problem())
    scenes = [Scene(context, tally, kind) for kind in ("other", "similar", "absent")]
    random, outcomes = context.random("points"), {}
    for number in range(6 if context.plant else context.size(45, 210)):
        scene = scenes[number % len(scenes)]
        with context.scope():
            outcome = scene.kill_at(random.randrange(1, scene.calls + 1))
        outcomes[outcome] = outcomes.get(outcome, 0) + 1
        tally.case()
    tally.figure(calls_of_a_restore=max(scene.calls for scene in scenes), **outcomes)
    if not context.quick and not context.plant:
        tally.need(tally.cases >= 200, f"only {tally.cases} kills, 200 are wanted")


class Scene:
    """A saved tree and what is at the target before: another tree, one that differs a little, or nothing."""

    def __init__(self, context, tally, kind):
        self.context, self.tally, self.kind = context, tally, kind
        self.server = Server(context)
        self.job = Job(context, self.server)
        trees.make(self.job.path(), context.random("new"), files=30, largest=20_000)
        self.new = trees.snapshot(self.job.path())
        if self.job.save("k") != "saved":
            raise RuntimeError(self.job.said)
        self.old_path = os.path.join(context.fresh("old"), "tree")
        self.make_old(context)
        self.old = trees.snapshot(self.old_path)
        self.calls = self.count_calls()

    def make_old(self, context):
        random = context.random(self.kind)
        if self.kind == "other":
            trees.make(self.old_path, random, files=25, largest=20_000)
        elif self.kind == "similar":
            subprocess.run(["cp", "-a", self.job.path(), self.old_path], check=True)
            files = sorted(path for path in walk(self.old_path) if not os.path.islink(path))
            for path in random.sample(files, 3):
                with open(path, "ab") as file:
                    file.write(b"changed")

    def begin(self, at):
        shutil.rmtree(self.job.folder)
        os.mkdir(self.job.folder)
        if self.kind != "absent":
            subprocess.run(["cp", "-a", self.old_path, self.job.path()], check=True)
        counter = gate.Counter("", at, calls=CALLS)
        counter.armed = True
        counter.only = lambda call: "/dev/" not in call.path[:5]
        run = gate.Gate(self.job.command("restore_cache", "--strict", "--key", "k"), counter,
                        environment=self.job.environment(), output=subprocess.DEVNULL, folder=self.job.folder)
        run.process.wait(60)
        run.close()
        return counter

    def count_calls(self):
        count = self.begin(1 << 40).count
        wrong = trees.difference(self.new, trees.snapshot(self.job.path()))
        if wrong:
            raise RuntimeError(f"the whole restore: {wrong}")
        return count

    def kill_at(self, point):
        counter = self.begin(point)
        where = f"{self.kind} tree, call {point} {counter.hit}"
        if self.context.planted("mixed tree") and os.path.isdir(self.job.path()):
            trees.flip(next(path for path in walk(self.job.path()) if os.path.getsize(path)), self.context.random("x"))
        found = trees.snapshot(self.job.path())
        outcome = "new" if found == self.new else "old" if found == self.old else self.absent(found)
        self.tally.hold(outcome, f"{where}: mixed: {trees.difference(self.new, found)}")
        if self.context.planted("mixed tree"):
            return "mixed"
        again = self.job.restore("k")
        wrong = trees.difference(self.new, trees.snapshot(self.job.path()))
        self.tally.hold(again == "hit" and not wrong, f"{where}: the next restore: {again} {wrong} {self.job.said}")
        if self.context.planted("leftover"):
            os.mkdir(self.job.path(".tree.tarn-left"))
        left = set(os.listdir(self.job.folder)) - {"tree"}
        self.tally.hold(not left, f"{where}: left over: {left}")
        return outcome or "mixed"

    def absent(self, found):
        """Whether the target is not there and the old tree is whole in the staging directory."""
        if found or self.kind == "absent" and self.old:
            return None
        for parent, folders, _ in os.walk(self.job.folder):
            if any(trees.snapshot(os.path.join(parent, name)) == self.old for name in folders):
                return "absent"
        # Amended in part in the staging directory: not under the target's name, so nobody can take it for a tree.
        return "absent" if any(name.startswith(".tree.tarn") for name in os.listdir(self.job.folder)) else None


def walk(folder):
    for parent, _, files in sorted(os.walk(folder)):
        for name in sorted(files):
            path = os.path.join(parent, name)
            if not os.path.islink(path):
                yield path

"""Saving the next version of something that is saved already: a venv upgraded in place, an image with one new layer.

Every tool saves the first version once (untimed), with its caches. Then the source is changed as an upgrade in place
changes it: what is the same keeps its inode and its times. Each run starts from a copy of the state after the first
save, so that all rounds save the same step.
"""

import os
import shutil
import time

from . import measure, peers, tarn, verify
from .case import Case, Side, register
from .cases_save import LONG, STREAM, verify_saved
from .goals import GOALS, Goal, faster, share
from .workspace import size_of

SETTLE = 3  # seconds after which no tool holds a file's change time for too new to be trusted


def replace_changed(target, wanted):
    """Makes `target` like `wanted`: a new file for each that differs, everything else is left alone."""
    if not os.path.isdir(wanted):
        replace_file(target, wanted)
        return
    for folder, folders, names in os.walk(wanted):
        there = os.path.join(target, os.path.relpath(folder, wanted))
        os.makedirs(there, exist_ok=True)
        for extra in set(os.listdir(there)) - set(folders) - set(names):
            path = os.path.join(there, extra)
            shutil.rmtree(path) if os.path.isdir(path) and not os.path.islink(path) else os.unlink(path)
        for name in names:
            if not same_status(os.path.join(there, name), os.path.join(folder, name)):
                replace_file(os.path.join(there, name), os.path.join(folder, name))
    for folder, _, _ in os.walk(wanted, topdown=False):
        shutil.copystat(folder, os.path.join(target, os.path.relpath(folder, wanted)))


def same_status(left, right):
    if not os.path.lexists(left):
        return False
    a, b = os.lstat(left), os.lstat(right)
    return (a.st_mode, a.st_size, a.st_mtime_ns) == (b.st_mode, b.st_size, b.st_mtime_ns) or os.path.islink(left)


def replace_file(target, wanted):
    shutil.copy2(wanted, target + ".new", follow_symlinks=False)
    os.rename(target + ".new", target)


class Increment:
    """The state after the first save, and the sides that save the second version."""

    def __init__(self, context, path, before, after):
        self.context, self.workspace, self.path = context, context.workspace, path
        self.before, self.after = context.corpora.folder(before), context.corpora.folder(after)
        self.repositories = {}

    def setup(self):
        self.source = self.workspace.fresh("source")
        measure.command(["cp", "-a", os.path.join(self.before, self.path), self.source])
        time.sleep(SETTLE)
        self.seed_tarn()
        for tool in peers.TOOLS:
            repository = self.repositories[tool.name] = self.workspace.path(tool.name)
            tool.create(repository)
            measure.command(tool.save(self.path, 1), cwd=self.source, env=tool.environment(repository))
            os.rename(repository, repository + "-seed")
        self.nginx = peers.Nginx(self.workspace)
        self.context.closers.append(self.nginx.stop)
        replace_changed(os.path.join(self.source, self.path), os.path.join(self.after, self.path))
        verify.same_tree(os.path.join(self.after, self.path), os.path.join(self.source, self.path))
        time.sleep(SETTLE)

    def seed_tarn(self):
        self.seed, self.seed_cache = self.workspace.path("data"), self.workspace.path("client")
        server = tarn.Server(self.context.program("tarnd"), self.workspace, data=self.seed)
        tarn.save(self.context, server, self.source, "before", self.path, cache=self.seed_cache)
        server.stop()

    def ours(self):
        def prepare(round):
            data, round["cache"] = self.workspace.path("data"), self.workspace.path("client")
            measure.command(["cp", "-a", self.seed, data])
            measure.command(["cp", "-a", self.seed_cache, round["cache"]])
            round["server"] = tarn.Server(self.context.program("tarnd"), self.workspace, data=data)
            self.context.closers.append(round["server"].stop)
            round["before"] = round["server"].stored()

        def run(round):
            sample = tarn.save(self.context, round["server"], self.source, "after", self.path, cache=round["cache"])
            sample.figures["stored"] = round["server"].stored() - round["before"]
            return sample

        def check(round):
            verify_saved(self.context, round["server"], "after", os.path.join(self.after, self.path))
            round["server"].remove()
            self.workspace.away(os.path.dirname(round["server"].data))
            self.workspace.away(os.path.dirname(round["cache"]))

        return Side("tarn", run, prepare, check, command=f"save_cache --key after --path {self.path}")

    def stream(self):
        def run(round):
            url = f"{self.nginx.url}/saved.tar.zst"
            sample = self.nginx.run(peers.tar_line(self.path, url), cwd=self.source)
            sample.figures["sent"] = sample.figures["stored"] = size_of(self.nginx.files)
            return sample

        return Side(STREAM, run, command=peers.tar_line(self.path, "URL"))

    def tool(self, tool):
        def prepare(round):
            repository = self.repositories[tool.name]
            self.workspace.away(repository)
            measure.command(["cp", "-a", repository + "-seed", repository])
            round["before"] = tool.stored(repository)

        def run(round):
            repository = self.repositories[tool.name]
            sample = measure.command(tool.save(self.path, 2), cwd=self.source, env=tool.environment(repository))
            sample.figures["sent"] = sample.figures["stored"] = tool.stored(repository) - round["before"]
            return sample

        return Side(tool.name, run, prepare, command=tool.shown[0].replace("venv", self.path) + "  # again")

    def case(self, name, title, rounds=None):
        sides = [self.ours(), self.stream()] + [self.tool(tool) for tool in peers.TOOLS]
        return Case(name, title, sides, self.setup, rounds=rounds)


def upgraded(context):
    names = ["web"] if context.quick else ["web", "data"]
    return [Increment(context, "venv", f"{name}-first", f"{name}-upgraded").case(
        f"save-upgraded-{name}", f"the {name} venv after an upgrade of one package in place",
        LONG if name == "data" else None) for name in names]


register(upgraded, "save-upgraded")
register(lambda context: Increment(context, "app.tar", "image-1", "image-2").case(
    "save-image", "an image archive of which one layer changed", rounds=3), "save-image")

for case in ("save-upgraded-web", "save-upgraded-data"):
    for tool in peers.TOOLS:
        GOALS.append(Goal(case, f"less CPU than {tool.name}", faster(tool.name, "cpu"), 3, 2))
        GOALS.append(Goal(case, f"bytes sent, of {tool.name}", share(tool.name, "sent"), 1, 1, most=True))

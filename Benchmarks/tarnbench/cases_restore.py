"""Restoring a tree: into nothing, over what is right already, over an older version, and below another home."""

import os

from . import measure, peers, tarn, verify
from .case import Case, Side, register
from .goals import GOALS, Goal, faster, own, share

STREAM = "curl | zstd -d | tar x"
DOWNLOAD = "curl -o, then tar"
FLOOR = "floor: decode+hash+create"
FULL = "own full restore"
LONG = 4  # rounds at most of a case whose round takes half a minute


class Restores:
    """What the restoring cases share: a saved tree in every peer, and targets on the workspace."""

    def __init__(self, context, corpus, path="venv"):
        self.context, self.workspace, self.path = context, context.workspace, path
        self.source = context.corpora.folder(corpus)
        self.saved = os.path.join(self.source, path)

    def serve(self):
        """Starts tarnd and nginx and saves the tree to both."""
        self.server = self.context.tarn()
        tarn.save(self.context, self.server, self.source, "saved", self.path)
        self.nginx = peers.Nginx(self.workspace)
        self.context.closers.append(self.nginx.stop)
        self.url = self.nginx.url + "/saved.tar.zst"
        measure.command(peers.tar_line(self.path, self.url), cwd=self.source)

    def serve_tools(self):
        """Saves the tree to the repositories of restic, borg and casync."""
        self.repositories = {}
        for tool in peers.TOOLS:
            repository = self.repositories[tool.name] = self.workspace.path(tool.name)
            tool.create(repository)
            measure.command(tool.save("venv", 1), cwd=self.source, env=tool.environment(repository))

    def target(self, round):
        """A new empty folder for each run; those before it were renamed away."""
        round["target"] = self.workspace.fresh("out")

    def check(self, round, saved=None, nanoseconds=True):
        verify.same_tree(saved or self.saved, os.path.join(round["target"], self.path), nanoseconds)
        self.workspace.away(os.path.dirname(round["target"]))

    def ours(self, key="saved"):
        def run(round):
            cache = self.workspace.path("client")
            sample = tarn.restore(self.context, self.server, key, round["target"], cache=cache)
            self.workspace.away(os.path.dirname(cache))
            return sample

        return Side("tarn", run, self.target, self.check, command="restore_cache --key saved --to .")

    def stream(self, line=peers.untar_line, name=STREAM):
        def run(round):
            sample = self.nginx.run(line(self.url), cwd=round["target"])
            sample.figures["received"] = os.path.getsize(os.path.join(self.nginx.files, "saved.tar.zst"))
            return sample

        check = lambda round: self.check(round, nanoseconds=False)
        return Side(name, run, self.target, check, command=line("URL"))

    def tool(self, tool):
        def run(round):
            env = tool.environment(self.repositories[tool.name])
            return measure.command(tool.restore("venv", 1), cwd=round["target"], env=env)

        return Side(tool.name, run, self.target, self.check, command=tool.shown[1])

    def floor(self):
        def run(round):
            program = measure.floor("create", "crypto", "zstd")
            return measure.phases(program, self.saved, os.path.join(round["target"], "venv"))

        return Side(FLOOR, run, self.target, self.check, command="Benchmarks/floors/create venv out")


def empty(context, name):
    restores = Restores(context, f"{name}-first")

    def setup():
        restores.serve()
        restores.serve_tools()

    sides = [restores.ours(), restores.stream(), restores.stream(peers.download_line, DOWNLOAD)]
    sides += [restores.tool(tool) for tool in peers.TOOLS] + [restores.floor()]
    return Case(f"restore-empty-{name}", f"the {name} venv into an empty folder, verified", sides, setup,
                rounds=LONG if name == "data" else None)


def simple(context, name, corpus, path, title):
    """Into an empty folder, against the stream alone."""
    restores = Restores(context, corpus, path)
    return Case(name, title, [restores.ours(), restores.stream()], restores.serve, rounds=3)


def right(context, name):
    """The target is what was saved: nothing has to be written."""
    restores = Restores(context, f"{name}-first")
    kept = context.workspace.fresh("kept")
    cache = context.workspace.path("client")

    def setup():
        restores.serve()
        tarn.restore(context, restores.server, "saved", kept, cache=cache)

    def check(round):
        verify.same_tree(restores.saved, os.path.join(kept, "venv"))

    run = lambda round: tarn.restore(context, restores.server, "saved", kept, cache=cache)
    ours = Side("tarn", run, check=check, command="restore_cache --key saved --to .  # again")
    return Case(f"restore-right-{name}", f"the {name} venv where it is right already", [ours, restores.stream()], setup)


def changed(context, name):
    """The target holds the version before an in-place upgrade of one package, restored by an earlier job."""
    restores, before = Restores(context, f"{name}-upgraded"), context.corpora.folder(f"{name}-first")

    def setup():
        restores.serve()
        tarn.save(context, restores.server, before, "before")

    def prepare(round):
        round["target"], round["cache"] = context.workspace.fresh("out"), context.workspace.path("client")
        tarn.restore(context, restores.server, "before", round["target"], cache=round["cache"])

    run = lambda round: tarn.restore(context, restores.server, "saved", round["target"], cache=round["cache"])
    ours = Side("tarn", run, prepare, restores.check,
                command="restore_cache --key saved --to .  # over the older version")
    full = restores.ours()
    full.name = FULL
    return Case(f"restore-changed-{name}", f"the {name} venv over the version before an upgrade of one package",
                [ours, full, restores.stream()], setup)


def another_home(context, name):
    """Saved below one home, restored below another."""
    restores = Restores(context, f"{name}-first")
    first = context.workspace.fresh("home")

    def setup():
        restores.serve()
        measure.command(["cp", "-a", restores.saved, first])
        tarn.save(context, restores.server, first, "home", path="~/venv", home=first)

    def run(round):
        cache = context.workspace.path("client")
        return tarn.restore(context, restores.server, "home", None, cache=cache, home=round["target"])

    ours = Side("tarn", run, restores.target, restores.check, command="HOME=/another restore_cache --key home")
    return Case("restore-home", f"the {name} venv, saved as ~/venv, below another home",
                [ours, restores.stream()], setup)


def names(context):
    return ["web"] if context.quick else ["web", "data"]


register(lambda context: [empty(context, name) for name in names(context)], "restore-empty")
register(lambda context: [right(context, name) for name in names(context)], "restore-right")
register(lambda context: [changed(context, name) for name in names(context)], "restore-changed")
register(lambda context: another_home(context, "web"), "restore-home")
register(lambda context: simple(context, "restore-big", "big-file", "blob.bin", "one incompressible file"), "restore-big")
register(lambda context: simple(context, "restore-small-files", "small-files", "tree", "a tree of small files"),
         "restore-small-files")

for name in ("web", "data"):
    GOALS += [
        Goal(f"restore-empty-{name}", "faster than " + STREAM, faster(STREAM), 1.5, 1.15),
        Goal(f"restore-empty-{name}", "wall of the floor: decode, hash, create", share(FLOOR, "wall"), 1.15, 1.15,
             most=True),
        Goal(f"restore-empty-{name}", "faster than " + DOWNLOAD, faster(DOWNLOAD), 1.5, 1.15),
        Goal(f"restore-empty-{name}", "faster than restic", faster("restic"), 4, 2.5),
        Goal(f"restore-empty-{name}", "faster than borg", faster("borg"), 3, 2),
        Goal(f"restore-empty-{name}", "faster than casync", faster("casync"), 1.5, 1.2),
        Goal(f"restore-right-{name}", "faster than " + STREAM, faster(STREAM), 12, 6),
        Goal(f"restore-changed-{name}", "faster than " + FULL, faster(FULL), 4, 2.5),
        Goal(f"restore-changed-{name}", "part of the bytes of " + FULL, share(FULL, "received"), 0.15, 0.15, most=True),
    ]

CASES = [f"{case}-{name}" for case in ("restore-empty", "restore-right", "restore-changed") for name in ("web", "data")]
for case in CASES + ["restore-home", "restore-big", "restore-small-files"]:
    GOALS.append(Goal(case, "peak memory of the client", own("peak", 1e6), 40, 100, most=True, unit="MB"))
    GOALS.append(Goal(case, "peak memory of tarnd", own("server_peak", 1e6), 150, 300, most=True, unit="MB"))

"""Saving: what nobody has seen, what the server knows, an upgrade in place, an image with one new layer, big, many.

Each run of `save-first` and its like starts with empty servers and repositories, so that nothing is known. The CPU of
tarnd and nginx counts; the other tools have no server. `sent` is what crossed the wire, `stored` what the server or
the repository holds afterwards (for an incremental save: what it grew by).
"""

import os

from . import measure, peers, tarn, verify
from .case import Case, Side, register
from .goals import GOALS, Goal, faster, own, share
from .workspace import size_of

STREAM = "tar | zstd -3 -T2 | curl"
FLOOR = "floor: read+name+compress+check+store"
LONG = 4  # rounds at most of a case whose round takes half a minute


def first(context, name, title, source, path, tools=True, rounds=None, warmups=1):
    """Saves `path` of the folder that `source()` gives to servers and repositories that hold nothing."""
    sides = [first_tarn(context, source, path), first_stream(context, source, path)]
    sides += [first_tool(context, source, path, tool) for tool in peers.TOOLS] if tools else []
    sides += [first_floor(context, source, path)] if tools else []
    return Case(name, title, sides, rounds=rounds, warmups=warmups)


def verify_saved(context, server, key, saved):
    """Restores a key and compares; untimed."""
    target = context.workspace.fresh("out")
    tarn.restore(context, server, key, target, cache=context.workspace.path("client"))
    verify.same_tree(saved, os.path.join(target, os.path.basename(saved)))
    context.workspace.away(os.path.dirname(target))


def first_tarn(context, source, path):
    def prepare(round):
        round["server"] = context.tarn()

    def run(round):
        sample = tarn.save(context, round["server"], source(), "first", path)
        sample.figures["stored"] = round["server"].stored()
        return sample

    def check(round):
        verify_saved(context, round["server"], "first", os.path.join(source(), path))
        round["server"].remove()

    return Side("tarn", run, prepare, check, command=f"save_cache --key first --path {path}")


def first_stream(context, source, path):
    def prepare(round):
        round["nginx"] = peers.Nginx(context.workspace)

    def run(round):
        sample = round["nginx"].run(peers.tar_line(path, round["nginx"].url + "/saved.tar.zst"), cwd=source())
        sample.figures["sent"] = sample.figures["stored"] = size_of(round["nginx"].files)
        return sample

    def check(round):
        measure.command(f"zstd -q -d < {round['nginx'].files}/saved.tar.zst | tar -t > /dev/null")
        round["nginx"].stop()
        context.workspace.away(round["nginx"].folder)

    return Side(STREAM, run, prepare, check, command=peers.tar_line(path, "URL"))


def first_tool(context, source, path, tool):
    def prepare(round):
        round["repository"] = context.workspace.path(tool.name)
        tool.create(round["repository"])

    def run(round):
        sample = measure.command(tool.save(path, 1), cwd=source(), env=tool.environment(round["repository"]))
        sample.figures["sent"] = sample.figures["stored"] = tool.stored(round["repository"])
        return sample

    def check(round):
        context.workspace.away(os.path.dirname(round["repository"]))

    return Side(tool.name, run, prepare, check, command=tool.shown[0].replace("venv", path))


def first_floor(context, source, path):
    """What the guarantees of a save cost without a client and a server around them."""
    def run(round):
        round["target"] = os.path.join(context.workspace.fresh("floor"), "stored")
        program = measure.floor("save", "crypto", "zstd")
        sample = measure.phases(program, os.path.join(source(), path), round["target"])
        sample.figures["stored"] = size_of(round["target"])
        return sample

    def check(round):
        context.workspace.away(os.path.dirname(round["target"]))

    return Side(FLOOR, run, check=check, command=f"Benchmarks/floors/save {path} out")


def known(context, what, title, corpus):
    """The server holds web-first; `corpus` has the same content under a new key."""
    state = {}

    def setup():
        state["server"] = server = context.tarn()
        state["cache"] = context.workspace.path("client")
        tarn.save(context, server, context.corpora.folder("web-first"), "main", cache=state["cache"])
        state["nginx"] = peers.Nginx(context.workspace)
        context.closers.append(state["nginx"].stop)

    def run(round):
        before = state["server"].stored()
        cache = state["cache"] if what == "key" else context.workspace.path("client")
        sample = tarn.save(context, state["server"], source, f"{what}-{round.number}", cache=cache)
        sample.figures["stored"] = state["server"].stored() - before
        return sample

    def stream(round):
        return state["nginx"].run(peers.tar_line("venv", f"{state['nginx'].url}/{round.number}.tar.zst"), cwd=source)

    source = context.corpora.folder(corpus)
    return Case(f"save-known-{what}", title, [
        Side("tarn", run, command="save_cache --key new --path venv"),
        Side(STREAM, stream, command=peers.tar_line("venv", "URL")),
    ], setup)


def many_versions(context):
    """The four versions of a virtual environment under four keys, against an archive each."""
    versions = ["web-first", "web-upgraded", "web-recreated", "web-bumped"]
    folders = [context.corpora.folder(version) for version in versions]

    def total(samples, stored):
        return measure.Sample(sum(s.wall for s in samples), sum(s.cpu for s in samples), max(s.peak for s in samples),
                              {"stored": stored})

    def ours(round):
        server = context.tarn()
        samples = [tarn.save(context, server, f, v, cache=context.workspace.path("client"))
                   for v, f in zip(versions, folders)]
        stored = server.stored()
        for version, folder in zip(versions, folders):
            verify_saved(context, server, version, os.path.join(folder, "venv"))
        server.remove()
        return total(samples, stored)

    def archives(round):
        nginx = peers.Nginx(context.workspace)
        samples = [nginx.run(peers.tar_line("venv", f"{nginx.url}/{v}.tar.zst"), cwd=f)
                   for v, f in zip(versions, folders)]
        stored = size_of(nginx.files)
        nginx.stop()
        context.workspace.away(nginx.folder)
        return total(samples, stored)

    def tool(tool):
        def run(round):
            repository = context.workspace.path(tool.name)
            tool.create(repository)
            samples = [measure.command(tool.save("venv", i), cwd=f, env=tool.environment(repository))
                       for i, f in enumerate(folders)]
            stored = tool.stored(repository)
            context.workspace.away(os.path.dirname(repository))
            return total(samples, stored)

        return Side(tool.name, run, command=tool.shown[0])

    title = "four versions of the web venv: first, one package upgraded, re-created, upgraded and re-created"
    sides = [Side("tarn", ours, command="save_cache --key VERSION --path venv"),
             Side(STREAM, archives, command=peers.tar_line("venv", "URL"))]
    return Case("save-versions", title, sides + [tool(t) for t in peers.TOOLS], rounds=3,
                warmups=0)


def corpus(context, name):
    return lambda: context.corpora.folder(name)


def firsts(context):
    names = ["web"] if context.quick else ["web", "data"]
    return [first(context, f"save-first-{n}", f"the {n} venv, nothing known", corpus(context, f"{n}-first"), "venv",
                  rounds=LONG if n == "data" else None)
            for n in names]


register(firsts, "save-first")
register(lambda context: [
    known(context, "key", "the same web venv under a new key", "web-first"),
    known(context, "recreated", "the web venv made anew from the same requirements, by a client without a stat cache",
          "web-recreated"),
], "save-known")
register(many_versions, "save-versions")
register(lambda context: first(context, "save-big", "one incompressible file", corpus(context, "big-file"), "blob.bin",
                               rounds=3, warmups=0, tools=context.quick), "save-big")
register(lambda context: first(context, "save-small-files", "a tree of small files", corpus(context, "small-files"), "tree",
                               rounds=3, tools=context.quick), "save-small-files")

for name in ("web", "data"):
    case = f"save-first-{name}"
    GOALS += [
        Goal(case, "faster than " + STREAM, faster(STREAM), 1.2, 0.95),
        Goal(case, "bytes stored, of " + STREAM, share(STREAM, "stored"), 1.08, 1.11, most=True),
        Goal(case, "less CPU than restic", faster("restic", "cpu"), 3.5, 2.5),
        Goal(case, "less CPU than borg", faster("borg", "cpu"), 2.5, 1.8),
        Goal(case, "less CPU than casync", faster("casync", "cpu"), 2.3, 1.8),
    ]
for what in ("key", "recreated"):
    GOALS.append(Goal(f"save-known-{what}", "faster than " + STREAM, faster(STREAM), 10, 5))
    GOALS.append(Goal(f"save-known-{what}", "chunks sent", own("chunks_sent"), 0, 0, most=True, unit=""))
GOALS.append(Goal("save-versions", "fewer bytes stored than " + STREAM, faster(STREAM, "stored"), 3.3, 3))
for case in ("save-first-web", "save-first-data", "save-big", "save-small-files", "save-upgraded-web", "save-upgraded-data",
             "save-image"):
    GOALS.append(Goal(case, "peak memory of the client", own("peak", 1e6), 80, 160, most=True, unit="MB"))
    GOALS.append(Goal(case, "peak memory of tarnd", own("server_peak", 1e6), 150, 300, most=True, unit="MB"))

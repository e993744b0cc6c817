"""Hashing a tree: against the floor in C, against what a shell would do, and against ourselves with a stat cache."""

import os

from . import measure
from .case import Case, Side, register
from .goals import GOALS, Goal, faster, share

FLOOR = "C floor"
SHA256SUM = "find | xargs -P2 sha256sum"
OPENSSL = "find | xargs -P2 openssl"


def trees(context):
    names = ["web"] if context.quick else ["web", "data"]
    return [(name, os.path.join(context.corpora.folder(f"{name}-first"), "venv")) for name in names]


def hashing(context, tree, cache_of):
    """The run of `cachectl hash`; `cache_of(round)` is the folder of the stat cache."""

    def run(round):
        env = dict(os.environ, TARN_CACHE_DIR=cache_of(round))
        return measure.command([context.program("cachectl"), "hash", tree], env=env)

    return run


def shell(line):
    return lambda round: measure.command(line)


def first(context, name, tree):
    """No stat cache: every file is read."""
    floor = [measure.floor("treehash", "crypto"), tree]
    empty = lambda round: context.workspace.path("cache")
    listed = f"find {tree} -type f -print0 | xargs -0 -P2"
    return Case(f"hash-first-{name}", f"tree digest of the {name} venv, nothing known about it", [
        Side("tarn", hashing(context, tree, empty), command="cachectl hash venv"),
        Side(FLOOR, lambda round: measure.command(floor), command="Benchmarks/floors/treehash venv"),
        Side(SHA256SUM, shell(f"{listed} sha256sum | sha256sum"),
             command="find venv -type f -print0 | xargs -0 -P2 sha256sum | sha256sum"),
        Side(OPENSSL, shell(f"{listed} openssl dgst -sha256 -r | sha256sum"),
             command="find venv -type f -print0 | xargs -0 -P2 openssl dgst -sha256 -r | sha256sum"),
    ])


def unchanged(context, name, tree):
    """The stat cache of an earlier run is there, and no file was touched since."""
    kept = context.workspace.path("cache")
    empty = lambda round: context.workspace.path("cache")
    return Case(f"hash-unchanged-{name}", f"tree digest of the {name} venv with a stat cache", [
        Side("tarn", hashing(context, tree, lambda round: kept), command="cachectl hash venv"),
        Side("own first", hashing(context, tree, empty), command="cachectl hash venv  # stat cache empty"),
        Side("stat of each file in C", lambda round: measure.command([measure.floor("treehash", "crypto"), "-s", tree]),
             command="Benchmarks/floors/treehash -s venv"),
    ])


register(lambda context: [first(context, *tree) for tree in trees(context)], "hash-first")
register(lambda context: [unchanged(context, *tree) for tree in trees(context)], "hash-unchanged")

for name in ("web", "data"):
    GOALS += [
        Goal(f"hash-first-{name}", "wall of the C floor", share(FLOOR, "wall"), 1.05, 1.2, most=True),
        Goal(f"hash-first-{name}", "CPU of the C floor", share(FLOOR, "cpu"), 1.05, 1.2, most=True),
        Goal(f"hash-first-{name}", "faster than " + SHA256SUM, faster(SHA256SUM), 4, 3),
        Goal(f"hash-first-{name}", "faster than " + OPENSSL, faster(OPENSSL), 1.6, 1.3),
    ]
GOALS.append(Goal("hash-unchanged-data", "faster than own first hash", faster("own first"), 8, 5))

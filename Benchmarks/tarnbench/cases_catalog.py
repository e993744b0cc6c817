"""Resolving keys in small and big catalogs."""

import json
import os
import random

from fill import entries as keys

from . import filled, load, measure, tarn
from .case import Case, Side, register
from .goals import GOALS, Goal, share

CONNECTIONS = 4


class Kind:
    """A way to ask, and how to tell that the answer is right."""

    def __init__(self, name, title, match, question):
        self.name, self.title, self.match, self.question = name, title, match, question

    def check(self, answer, question):
        key = (answer.get("entry") or {}).get("key", "")
        exact = self.match == "exact"
        if not (key == question if exact else key.startswith(question)) or answer["isExact"] != (key == question):
            raise measure.CommandFailed(f"{question} resolved to {key or 'nothing'}")


def one(number, total):
    return keys.key(number, total)[:-6]


def group(number, total):
    groups = max(1, total // 5 // keys.GROUP)
    return f"lint-{number % groups:06}-"


KINDS = [
    Kind("exact", "an exact key", "exact", keys.key),
    Kind("prefix-1", "a prefix that one entry has", "prefix", one),
    Kind("prefix-200", "a prefix that 200 entries have", "prefix", group),
    Kind("prefix-tenth", "a prefix that a tenth of all entries has", "prefix",
         lambda number, total: f"deps{number % keys.FAMILIES}-"),
]
COUNTS = {"1k": 1_000, "100k": 100_000, "1M": 1_000_000}


class Catalogs:
    """The servers of one series, each with a catalog of another size; started when first asked for."""

    def __init__(self, context):
        self.context = context
        self.counts = dict(list(COUNTS.items())[:2]) if context.quick else COUNTS
        self.servers = {}

    def server(self, name):
        if name not in self.servers:
            data = filled.entries(self.context, self.counts[name])
            server = tarn.Server(self.context.program("tarnd"), self.context.workspace, ["--log-level", "warning"],
                                 data=data)
            self.context.closers.append(server.stop)
            self.servers[name] = server
        return self.servers[name]

    def script(self, name, kind):
        """The requests in a random order, precomputed."""
        total = self.counts[name]
        numbers = random.Random(3).sample(range(total), min(total, 4_000))
        folder = self.context.workspace.fresh("requests")
        lines = []
        for number in numbers:
            body = {"keys": [{"key": kind.question(number, total), "match": kind.match}]}
            lines.append(f"/v1/projects/{filled.PROJECT}/resolve " + json.dumps(body, separators=(",", ":")))
        return load.script(os.path.join(folder, "requests.lua"), lines, "POST",
                           'wrk.headers["Content-Type"] = "application/json"')

    def check(self, name, kind):
        """What a few of the questions resolve to: an entry that has what was asked for."""
        server, total = self.server(name), self.counts[name]
        for number in random.Random(5).sample(range(total), 5):
            question = kind.question(number, total)
            kind.check(filled.resolve(server, question, kind.match), question)


def resolve(context, kind, catalogs):
    scripts = {}

    def side(name):
        def prepare(round):
            catalogs.server(name)
            if name not in scripts:
                scripts[name] = catalogs.script(name, kind)
                catalogs.check(name, kind)

        def run(round):
            server = catalogs.server(name)
            return load.run(server.url, scripts[name], CONNECTIONS, 1 if context.quick else 2, server.process)

        command = f"wrk -t1 -c{CONNECTIONS} -s requests.lua URL  ({name} entries, up to 4,000 different questions)"
        return Side(name, run, prepare, command=command)

    names = list(catalogs.counts)[::-1]  # the biggest is ours, the small ones are what it is compared with
    title = f"POST resolve of {kind.title}, keep-alive; wall and CPU of 1,000 requests"
    return Case(f"resolve-{kind.name}", title, [side(name) for name in names], rounds=3 if context.quick else 5,
                shares=True)


def resolves(context):
    """One set of servers for all kinds of questions."""
    made = Catalogs(context)
    return [resolve(context, kind, made) for kind in KINDS]


register(resolves, "resolve")


def growth(result):
    """p99 with a million entries, of p99 with a thousand; only in a run that had a million."""
    return share("1k", "p99_ms")(result) if result["ours"] == "1M" else None


for kind in KINDS:
    GOALS.append(Goal(f"resolve-{kind.name}", "p99 with 1 M entries, of p99 with 1 k", growth, 1.5, 2, most=True))

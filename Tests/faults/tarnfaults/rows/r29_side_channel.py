"""Row 29. Fault: a project asks about blobs that only another project has, to learn from answers or times that they exist.

Invariant: the answers for a foreign blob and for one that nobody has are the same but for the digest, and so are the
times (Mann-Whitney, p > 0.01; a smaller p must come three times in a row, as 1 in 100 does by chance). How: HEAD,
`blobs/missing`, `trees/known` and uploads, 200 times each, in random order. The time of an upload may tell
(DECISIONS 31): its p is a figure, not a gate.
"""

import hashlib
import json
import math
import os
import statistics
import struct
import time

from ..board import row
from ..server import Server

MEDIA = {"Content-Type": "application/vnd.tarn.blobs"}
MAGIC = 0xFD2FB528


@row(29, "side-channel", "questions about blobs that only another project has",
     "answers and times are those for blobs that nobody has", plants=("telling answer",))
def run(context, tally):
    server = Server(context, "--durability", "relaxed", "--log-level", "warning")
    count, random = context.size(60, 200), context.random()
    owner, stranger = server.api("owner/secret"), server.api("other/curious")
    figures = {}
    for name, ask in (("head", head), ("missing", missing), ("known_trees", trees_known), ("upload", upload)):
        for attempt in range(3):
            foreign = [random.randbytes(3000) for _ in range(count)]
            for content in foreign:
                if ask_upload(owner, content)[0] != 200:
                    raise RuntimeError("the owner's upload was refused")
            nobodys = [random.randbytes(3000) for _ in range(count)]
            times, answers = measured(ask, stranger, foreign, nobodys, random)
            tally.case(2 * count)
            if context.planted("telling answer"):
                answers[0].add(b"told")
            tally.hold(len(answers[0] | answers[1]) == 1, f"{name}: answers differ: {sorted(answers[0] ^ answers[1])[:4]}")
            p = mann_whitney(*times)
            if p > 0.01:
                break
        figures[f"p_{name}"] = round(p, 4)
        medians = [statistics.median(part) * 1e6 for part in times]
        figures[f"medians_us_{name}"] = " and ".join(f"{value:.0f}" for value in medians)
        if name != "upload":
            tally.hold(p > 0.01, f"{name}: p = {p:.5f} three times, medians {medians[0]:.0f} and {medians[1]:.0f} µs")
    tally.figure(**figures)


def measured(ask, client, foreign, nobodys, random):
    """Times and normalised answers for both kinds, asked in random order."""
    order = [(0, content) for content in foreign] + [(1, content) for content in nobodys]
    random.shuffle(order)
    times, answers = ([], []), (set(), set())
    for content in foreign[:5] + nobodys[:5]:
        head(client, os.urandom(32))  # warm up with what is neither
    for kind, content in order:
        digest = hashlib.sha256(content).hexdigest().encode()
        began = time.perf_counter()
        answer = ask(client, content)
        times[kind].append(time.perf_counter() - began)
        answers[kind].add(normalised(answer, digest))
    return times, answers


def normalised(answer, digest):
    status, body = answer
    try:
        told = json.loads(body)
        told.pop("requestID", None)
        body = json.dumps(told, sort_keys=True).encode()
    except ValueError:
        pass
    return b"%d %s" % (status, body.replace(digest, b"DIGEST"))


def head(client, content):
    return client.ask("HEAD", f"{client.base}/blobs/{hashlib.sha256(content).hexdigest()}")


def missing(client, content):
    return client.post("blobs/missing", {"session": "curious-session", "digests": [hashlib.sha256(content).hexdigest()]})


def trees_known(client, content):
    return client.post("trees/known", {"session": "curious-session", "trees": [hashlib.sha256(content).hexdigest()]})


def upload(client, content):
    return ask_upload(client, content)


def ask_upload(client, content):
    frame = struct.pack("<IBH", MAGIC, 0x60, len(content) - 256)
    frame += struct.pack("<I", len(content) << 3 | 1)[:3] + content
    record = hashlib.sha256(content).digest() + struct.pack("<B3xII", 1, len(content), len(frame)) + frame
    return client.ask("POST", f"{client.base}/blobs?session=some-session", record, MEDIA)


def mann_whitney(first, second):
    """Two-sided p of the rank-sum test, with the normal approximation (there are far more than 20 of each)."""
    ranked = sorted((value, kind) for kind, values in enumerate((first, second)) for value in values)
    ranks = [0.0, 0.0]
    position = 0
    while position < len(ranked):
        end = position
        while end < len(ranked) and ranked[end][0] == ranked[position][0]:
            end += 1
        for place in range(position, end):
            ranks[ranked[place][1]] += (position + end + 1) / 2
        position = end
    a, b = len(first), len(second)
    u = ranks[0] - a * (a + 1) / 2
    deviation = math.sqrt(a * b * (a + b + 1) / 12)
    return math.erfc(abs(u - a * b / 2) / deviation / math.sqrt(2))

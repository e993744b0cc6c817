"""Row 14. Fault: the database is deleted, cut short, overwritten at random, or its WAL is garbage.

Invariant: no crash; the server starts, or says what is wrong and names `rebuild-index`; wrong bytes are never served;
after `rebuild-index` at least 99.9 % of the entries are back, exact. How: variants of damage to copies of one folder,
with the WAL in place (killed server) or closed; every entry is read after each.
"""

import os
import shutil
import subprocess

from ..board import row
from ..history import History
from ..server import NotStarted, Server, clean_environment

ENTRIES = 30


@row(14, "damaged-database", "the database is deleted, cut, overwritten at random, its WAL is garbage",
     "no crash, no wrong bytes, rebuild-index brings 99.9 % back", plants=("wrong entry",))
def run(context, tally):
    random = context.random()
    history = History(lambda key: 5_000)
    figures = dict(started=0, refused=0, rebuilt=0, entries_wanted=0, entries_back=0, misses_before_rebuild=0)
    bases = [prepared(context, history, closed) for closed in (True, False)]
    for number in range(context.size(30, 300)):
        with context.scope():
            data = os.path.join(context.fresh("copy"), "data")
            shutil.copytree(bases[number % 2], data)
            context.defer(shutil.rmtree, os.path.dirname(data))
            what = damage(data, random, number)
            attempt(context, tally, history, data, f"variant {number}, {what}", figures)
        tally.case()
        if context.plant and tally.violations:
            break
    share = figures["entries_back"] / max(1, figures["entries_wanted"])
    tally.hold(share >= 0.999, f"rebuild-index brought back {100 * share:.2f} % of the entries")
    tally.figure(**figures, percent_back=round(100 * share, 2))


def prepared(context, history, closed):
    """A folder whose database is closed, or as a killed server leaves it, with a WAL that has all rows."""
    server = Server(context, "--undo-time", "1h")
    client = server.api()
    for number in range(ENTRIES):
        acknowledged, answer = history.save(client, f"k{number}")
        if not acknowledged:
            raise RuntimeError(f"preparing: {answer}")
    server.stop() if closed else server.kill()
    return server.data


def damage(data, random, number):
    """Damages the database (and its WAL) in one of several ways; what was done, in words."""
    database, wal = os.path.join(data, "catalog.sqlite"), os.path.join(data, "catalog.sqlite-wal")
    kind = (number // 2) % 8
    if kind == 0:
        for path in (database, wal, database + "-shm"):
            if os.path.exists(path):
                os.unlink(path)
        return "deleted"
    if kind == 1:
        size = random.randrange(os.path.getsize(database))
        os.truncate(database, size)
        return f"cut to {size} bytes"
    if kind == 2:
        os.truncate(database, 0)
        return "emptied"
    target = wal if kind in (3, 4) and os.path.exists(wal) and os.path.getsize(wal) else database
    size = os.path.getsize(target)
    with open(target, "r+b") as file:
        if kind in (3, 5):
            pages = max(1, size // 4096)
            for _ in range(random.choice([1, 2, 5])):
                file.seek(4096 * random.randrange(pages))
                file.write(random.randbytes(min(4096, size)))
            return f"{os.path.basename(target)}: random pages"
        if kind == 4:
            file.write(random.randbytes(size))
            return f"{os.path.basename(target)}: all garbage"
        count = random.choice([1, 3, 20, 200])
        for _ in range(count):
            file.seek(random.randrange(size))
            file.write(random.randbytes(1))
        return f"{os.path.basename(target)}: {count} random bytes"


def attempt(context, tally, history, data, where, figures):
    server = Server(context, data=data, start=False)
    try:
        server.start()
        figures["started"] += 1
        sound = read_all(context, tally, history, server, where, figures)
        server.stop()
        if sound and not server.check():
            return
    except NotStarted as error:
        figures["refused"] += 1
        crashed(tally, server, where, error)
    rebuild(context, tally, history, server, where, figures)


def crashed(tally, server, where, error):
    text = str(error)
    tally.hold("with -" not in text.split(":")[0], f"{where}: the server crashed: {text}")
    tally.hold("rebuild-index" in text or "database" in text or "catalog" in text, f"{where}: says no way out: {text}")


def read_all(context, tally, history, server, where, figures):
    """Reads all entries; whether all were hits. A miss is right here, wrong bytes never are."""
    client, hits = server.api(), 0
    for number in range(ENTRIES):
        answer = client.get_file(f"k{number}")
        if context.planted("wrong entry") and number == 3:
            answer = (200, b"k3 1\nwrong")
        if answer is None:
            tally.hold(server.runs, f"{where}: the server crashed: {server.tail(400)}")
        elif answer[0] == 200:
            problem = history.judge(f"k{number}", 0, answer)
            tally.hold(not problem, f"{where}: {problem}")
            hits += 1
        else:
            figures["misses_before_rebuild"] += 1
    return hits == ENTRIES


def rebuild(context, tally, history, server, where, figures):
    server.kill()
    done = subprocess.run([context.program("tarnd"), "rebuild-index", "--data", server.data], text=True, timeout=120,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=clean_environment())
    figures["rebuilt"] += 1
    figures["entries_wanted"] += ENTRIES
    if not tally.hold(done.returncode >= 0, f"{where}: rebuild-index crashed: {done.stderr[-400:]}"):
        return
    try:
        server.start()
    except NotStarted as error:
        tally.violation(f"{where}: after rebuild-index ({done.returncode}, {done.stderr[-200:]}): {error}")
        return
    client = server.api()
    for number in range(ENTRIES):
        answer = client.get_file(f"k{number}")
        if answer and answer[0] == 200:
            problem = history.judge(f"k{number}", 0, answer)
            tally.hold(not problem, f"{where}, rebuilt: {problem}")
            figures["entries_back"] += 1
    server.stop()
    for problem in server.check():
        tally.violation(f"{where}, rebuilt: {problem}")

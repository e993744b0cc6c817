"""Data folders with many entries or blobs, made by Benchmarks/fill; the expensive ones are kept with the corpora."""

import json
import os
import shutil
import subprocess

from fill import folder as fill

from . import measure, records, tarn

PROJECT = records.PROJECT
SEEDS = 16


def seeded(context, workspace, count=SEEDS):
    """A data folder with a few small entries that the real client saved, and the folder they came from."""
    server = tarn.Server(context.program("tarnd"), workspace)
    source = workspace.fresh("source")
    for number in range(count):
        os.makedirs(os.path.join(source, "venv"), exist_ok=True)
        with open(os.path.join(source, "venv", "module.py"), "w") as file:
            file.write(f"number = {number}\n" * 20)
        tarn.save(context, server, source, f"seed-{number}", project=PROJECT)
    server.stop()
    return server.data


def entries(context, count):
    """A data folder of its own with `count` entries; big ones are made once and copied."""
    keep = os.path.join(context.corpora.root, f"entries-{count}-schema-{fill.SCHEMA}")
    if not os.path.isdir(keep):
        print(f"  making a catalog of {count} entries", flush=True)
        made = seeded(context, context.workspace)
        fill.entries(made, count)
        migrate(context, made)
        check(context, made)
        os.makedirs(context.corpora.root, exist_ok=True)
        shutil.copytree(made, keep + ".part", dirs_exist_ok=True)
        os.rename(keep + ".part", keep)
    data = context.workspace.path("data")
    subprocess.run(["cp", "-r", "--sparse=never", keep, data], check=True)
    return data


def blobs(context, workspace, count):
    """A data folder with `count` blobs, a hundred to an entry; returns it and the seconds it took."""
    data = seeded(context, workspace, 1)
    seconds = fill.blobs(data, count)
    migrate(context, data)
    return data, seconds


def migrate(context, data):
    """Lets the server make the index of prefixes of a filled folder."""
    server = tarn.Server(context.program("tarnd"), context.workspace, data=data)
    server.stop()


def check(context, data):
    """Fails if `tarnd check` finds that the filled folder isn't one that the server could have made."""
    done = subprocess.run([context.program("tarnd"), "check", "--data", data], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)
    if done.returncode or ": 0 problems" not in done.stdout:
        raise measure.CommandFailed(f"the filled folder is not sound:\n{done.stdout[-2000:]}")


def ask(server, path, body=None):
    """One request of the native API, as JSON."""
    return json.loads(records.ask(server, path, None if body is None else json.dumps(body).encode()))


def resolve(server, key, match="prefix"):
    return ask(server, f"/v1/projects/{PROJECT}/resolve", {"keys": [{"key": key, "match": match}]})

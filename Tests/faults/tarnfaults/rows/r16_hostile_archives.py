"""Row 16. Fault: archives that want out: `..`, links through links, devices, set-user-id, forged sizes, sparse bombs.

Invariant: what must be refused is refused, with a message; what is accepted restores below its target only, as root and
as nobody, without special files, set-user-id bits or hard links to what was there before; a canary outside is untouched.
How: the corpus of Tests/Corpora/hostile-tars.py, by `PUT …/layers/0.tar` and by `cachectl import`, and restore_cache.
"""

import hashlib
import os
import shutil
import stat
import subprocess

from .. import api
from ..board import row
from ..clients import Job
from ..context import command
from ..server import Server


@row(16, "hostile-archives", "archives that try to write, link or grow beyond their target",
     "nothing outside the target, no special file, nothing hostile accepted", quick=True,
     plants=("escaped file", "accepted hostile archive"))
def run(context, tally):
    corpus = context.fresh("corpus")
    command("python3", os.path.join(context.root, "Tests", "Corpora", "hostile-tars.py"), corpus)
    names = sorted(os.listdir(corpus))
    tally.need(len(names) >= 120, f"only {len(names)} archives, 120 are wanted")
    server = Server(context, "--max-entry-size", "64MiB")  # what a bomb must not exceed
    canary = Canary(context)
    figures = dict(archives=len(names), refused=0, accepted=0, restored=0)
    users = [None] + (["nobody"] if os.geteuid() == 0 else [])
    for number, name in enumerate(names):
        client = server.api()
        with open(os.path.join(corpus, name), "rb") as file:
            answer = client.put_tar(f"put/{name}", file.read(), path="")
        job = Job(context, server)
        done = job.run("cachectl", "import", f"import/{name}", os.path.join(corpus, name))
        accepted = bool(answer and answer[0] == 200)
        refuse = "-refuse-" in name and not context.planted("accepted hostile archive")
        tally.hold(answer is not None and answer[0] in (200, 400, 413, 422), f"{name}: upload: {answer}")
        tally.hold(accepted == (done.returncode == 0), f"{name}: import {done.returncode}, upload {answer}")
        if context.planted("accepted hostile archive"):
            accepted = True
            refuse = "-refuse-" in name
        if refuse:
            tally.hold(not accepted, f"{name} was accepted")
            tally.hold(done.stderr.strip() or accepted, f"{name}: refused without a word")
        figures["refused" if not accepted else "accepted"] += 1
        if accepted:
            for user in users:
                figures["restored"] += restore(context, tally, server, canary, name, user)
        tally.hold(server.runs, f"{name}: the server ended: {server.tail(300)}")
        tally.case()
        if context.plant and tally.violations:
            break
    tally.figure(**figures)


def restore(context, tally, server, canary, name, user):
    with context.scope():
        job = Job(context, server)
        target = os.path.join(job.folder, "out")
        if user:
            for folder in (job.folder, job.cache):
                shutil.chown(folder, user)
        program = job.command("restore_cache", "--strict", "--match", "exact", "--key", f"put/{name}", "--to", target)
        if user:
            program = ["setpriv", "--reuid", user, "--clear-groups", "--no-new-privs", *program]
        done = subprocess.run(program, cwd=job.folder, env=job.environment(), stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60)
        where = f"{name} as {user or 'root'}"
        if context.planted("escaped file"):
            with open(os.path.join(canary.folder, "escaped"), "w") as file:
                file.write("x")
        tally.hold(done.returncode >= 0, f"{where}: the client crashed: {done.stderr[-300:]}")
        left = set(os.listdir(job.folder)) - {"out"}
        tally.hold(not left, f"{where}: beside the target: {left}")
        for problem in [*canary.problems(), *strange(target)]:
            tally.violation(f"{where}: {problem}")
        subprocess.run(["chmod", "-R", "u+rwx", job.folder], stderr=subprocess.DEVNULL)
        shutil.rmtree(job.folder, ignore_errors=True)
        return done.returncode == 0


def strange(target):
    """What no restore may make."""
    if not os.path.isdir(target):
        return
    for parent, folders, files, descriptor in os.fwalk(os.fsencode(target)):  # names may be longer than a path may be
        for name in folders + files:
            path = os.path.join(parent, name)[-200:]
            info = os.lstat(name, dir_fd=descriptor)
            if not (stat.S_ISREG(info.st_mode) or stat.S_ISDIR(info.st_mode) or stat.S_ISLNK(info.st_mode)):
                yield f"{path!r} is a special file"
            elif info.st_mode & 0o6000 and not stat.S_ISLNK(info.st_mode):
                yield f"{path!r} has mode {info.st_mode:o}"
            elif stat.S_ISREG(info.st_mode) and info.st_blocks * 512 > 64 << 20:
                yield f"{path!r} takes {info.st_blocks * 512} bytes"


class Canary:
    """Files that no restore may touch: in a folder of their own, and well-known ones of the machine."""

    WATCHED = ("/etc/passwd", "/etc/hostname", "/etc/shadow", "/etc/crontab", "/root/.bashrc", "/root/.ssh")

    def __init__(self, context):
        self.folder = context.fresh("canary")
        with open(os.path.join(self.folder, "file"), "w") as file:
            file.write("canary")
        self.before = self.look()

    def look(self):
        found = {}
        places = [os.path.join(self.folder, name) for name in os.listdir(self.folder)] + list(self.WATCHED)
        for path in [*places, "/etc", "/tmp/evil", "/tmp/escape", "/evil", "/escape", "/x"]:
            try:
                info = os.lstat(path)
            except FileNotFoundError:
                found[path] = None
                continue
            digest = ""
            if stat.S_ISREG(info.st_mode):
                with open(path, "rb") as file:
                    digest = hashlib.sha256(file.read()).hexdigest()
            names = len(os.listdir(path)) if stat.S_ISDIR(info.st_mode) else 0
            found[path] = (info.st_mode, info.st_nlink, info.st_ino, digest, names)
        return found

    def problems(self):
        now = self.look()
        return [f"{path} outside of the target changed: {self.before.get(path)} became {now.get(path)}"
                for path in sorted(set(now) | set(self.before)) if now.get(path) != self.before.get(path)]

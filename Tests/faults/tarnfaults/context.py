"""What a row works with: random numbers from the seed, folders, the programs, and a stack of what must be undone."""

import contextlib
import os
import random
import shutil
import subprocess
import sys
import tempfile

PROGRAMS = ("tarnd", "cachectl", "save_cache", "restore_cache")

ENOUGH_MEMORY = 3 << 30  # bytes of /dev/shm from which on rows work there


def room(folder):
    """Bytes that can still be written there; 0 if none can."""
    if not os.access(folder, os.W_OK):
        return 0
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


class Context:
    """Made for one row; close() undoes everything in reverse order, also after a failure or Ctrl-C."""

    def __init__(self, root, programs, seed, quick, row, commit="", plant=None, memory=True):
        self.root, self.programs, self.seed, self.quick, self.commit = root, programs, seed, quick, commit
        self.row, self.plant = row, plant
        self.stack = contextlib.ExitStack()
        base = "/dev/shm" if memory and room("/dev/shm") >= ENOUGH_MEMORY else None
        self.folder = tempfile.mkdtemp(prefix=f"tarn-faults-{row}-", dir=base)
        os.chmod(self.folder, 0o755)  # rows that drop root must reach what is in it
        self.defer(shutil.rmtree, self.folder, ignore_errors=True)
        self.count = 0

    def random(self, name=""):
        """A generator of its own for each use, so that one more use changes no other."""
        return random.Random(f"{self.seed}/{self.row}/{name}")

    def size(self, quick, full):
        """How much to try: less in a quick run, next to nothing when a violation is planted."""
        return quick if self.quick else full

    def planted(self, name):
        """Whether this run has to plant the violation of that name."""
        return self.plant == name

    def path(self, name):
        """A path that nothing has used yet."""
        self.count += 1
        folder = os.path.join(self.folder, f"{self.count:05}")
        os.mkdir(folder)
        os.chmod(folder, 0o755)
        return os.path.join(folder, name)

    def fresh(self, name):
        """A new empty folder."""
        path = self.path(name)
        os.mkdir(path)
        return path

    def program(self, name):
        return os.path.join(self.programs, name)

    def defer(self, function, *arguments, **named):
        """Does this when the row ends, newest first. What fails then is told and does not stop the rest."""

        def quiet():
            try:
                function(*arguments, **named)
            except Exception as error:
                print(f"cleaning up after row {self.row}: {error}", file=sys.stderr)

        self.stack.callback(quiet)

    @contextlib.contextmanager
    def scope(self):
        """What is deferred inside ends with the block instead of with the row."""
        outer, self.stack = self.stack, contextlib.ExitStack()
        try:
            yield self
        finally:
            inner, self.stack = self.stack, outer
            inner.close()

    def close(self):
        self.stack.close()


def command(*arguments, check=True, timeout=120, **options):
    """Runs a command; its standard output. A failure has the command's own words."""
    done = subprocess.run([str(part) for part in arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          stdin=options.pop("stdin", subprocess.DEVNULL), timeout=timeout, text=True, **options)
    if check and done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, arguments))}: {done.returncode}: {done.stderr.strip()[-500:]}")
    return done.stdout.strip()

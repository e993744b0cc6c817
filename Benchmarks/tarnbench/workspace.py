"""The folder in which targets, data folders and repositories are made: always on a file system with a journal.

An ext4 without a journal refuses to reuse inodes for a minute after they were freed and searches past them at each
create, so that "delete the target, restore again" measures that search. As root the workspace is therefore an own
ext4 with a journal, on a loop device over memory; otherwise a folder in TMPDIR. In both cases an old target is renamed
away, and what was renamed away is deleted (untimed) only when space runs out, or at the end.
"""

import os
import shutil
import subprocess
import tempfile

MEMORY = "/dev/shm"


def size_of(path):
    """Bytes of a file or of all files in a folder."""
    if not os.path.isdir(path):
        return os.lstat(path).st_size
    total = 0
    for folder, _, names in os.walk(path):
        for name in names:
            try:
                total += os.lstat(os.path.join(folder, name)).st_size
            except FileNotFoundError:
                pass  # a server that still runs may remove files while they are counted
    return total


class Workspace:
    """Opened once for a run of the benchmarks; close() removes all of it."""

    def __init__(self, gibibytes=12):
        self.folder = tempfile.mkdtemp(prefix="tarn-bench-")
        self.image = None
        self.count = 0
        if os.geteuid() == 0 and os.path.isdir(MEMORY):
            self.mount(gibibytes)
        os.makedirs(os.path.join(self.folder, "away"), exist_ok=True)

    def mount(self, gibibytes):
        descriptor, image = tempfile.mkstemp(prefix="tarn-bench-", suffix=".ext4", dir=MEMORY)
        os.ftruncate(descriptor, gibibytes << 30)
        os.close(descriptor)
        try:
            quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "check": True}
            subprocess.run(["mkfs.ext4", "-q", "-i", "8192", "-E", "lazy_itable_init=0", image], **quiet)
            subprocess.run(["mount", "-o", "loop,noatime", image, self.folder], **quiet)
            self.image = image
        except (OSError, subprocess.CalledProcessError):
            os.unlink(image)  # no loop devices here: the folder in TMPDIR does

    def path(self, name):
        """A path that nothing has used yet, with a folder to hold it."""
        self.count += 1
        folder = os.path.join(self.folder, f"{self.count:05}")
        os.mkdir(folder)
        return os.path.join(folder, name)

    def fresh(self, name):
        """A new empty folder."""
        path = self.path(name)
        os.mkdir(path)
        return path

    def away(self, path):
        """Renames a target out of the way, as nothing is deleted inside a series."""
        if os.path.lexists(path):
            self.count += 1
            os.rename(path, os.path.join(self.folder, "away", f"{self.count:05}"))

    def used(self):
        """The part of the space or of the inodes that is used, whichever is more."""
        room = os.statvfs(self.folder)
        inodes = 1 - room.f_ffree / room.f_files if room.f_files else 0
        return max(1 - room.f_bavail / room.f_blocks, inodes)

    def tidy(self, limit=0.35):
        """Deletes what was renamed away, if more than `limit` of the space or of the inodes is used."""
        if self.image is None and limit > 0:
            limit = max(limit, 0.9)  # the file system may be one without a journal
        if self.used() < limit:
            return
        away = os.path.join(self.folder, "away")
        subprocess.run(["rm", "-rf", away], check=True)
        os.mkdir(away)
        self.settle()
        if self.image:  # gives the memory of the deleted files back
            subprocess.run(["fstrim", self.folder], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def settle(self):
        """Writes out what is dirty, so that no run pays for the one before it."""
        subprocess.run(["sync", "-f", self.folder], check=True)

    def file_system(self):
        """Kind of file system and whether it has a journal, in words."""
        kind = subprocess.run(["stat", "-f", "-c", "%T", self.folder], stdout=subprocess.PIPE, text=True).stdout.strip()
        if self.image:
            return "ext4 on a loop device over memory, journaled"
        source = subprocess.run(["findmnt", "-n", "-o", "SOURCE,FSTYPE", "-T", self.folder], stdout=subprocess.PIPE,
                                text=True).stdout.split()
        options = f"/proc/fs/ext4/{os.path.basename(source[0])}/options" if source else ""
        if os.path.exists(options):
            with open(options) as file:
                return "ext4, journaled" if "data=" in file.read() else "ext4 without a journal"
        return source[1] if len(source) == 2 else kind

    def close(self):
        if self.image:
            subprocess.run(["umount", "-l", self.folder])
            os.unlink(self.image)
        shutil.rmtree(self.folder, ignore_errors=True)

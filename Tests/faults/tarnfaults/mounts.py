"""File systems for a fault: on a loop device, in memory, and on a disk that records what is written to it."""

import contextlib
import fcntl
import os
import re
import shutil
import struct
import subprocess
import time

from .board import Skip
from .context import command

EXTENT = re.compile(r"^\s*\d+:\s*\d+\.\.\s*\d+:\s*(\d+)\.\.\s*\d+:\s*(\d+):", re.MULTILINE)
SHUTDOWN, WITHOUT_LOG = 0x8004587D, 2  # EXT4_IOC_SHUTDOWN, XFS_IOC_GOINGDOWN: nothing more reaches the disk


def require_root():
    if os.geteuid() != 0:
        raise Skip("mounting needs root")


def require(*programs):
    for program in programs:
        if not shutil.which(program):
            raise Skip(f"{program} is not installed")


def unmount(folder):
    """Unmounts, even with open files: the device goes away when the last one is closed."""
    for _ in range(50):
        done = subprocess.run(["umount", folder], stderr=subprocess.PIPE, text=True)
        if done.returncode == 0 or "not mounted" in done.stderr:
            return
        time.sleep(0.1)
    subprocess.run(["umount", "-l", folder], stderr=subprocess.DEVNULL)


class Loop:
    """An image on a loop device with a file system; `folder` is where it is mounted."""

    def __init__(self, context, kind="ext4", mebibytes=64, options="", make=(), image=None):
        require_root()
        require(f"mkfs.{kind}", "losetup")
        self.kind, self.options = kind, options
        self.image = image or context.path("disk")
        self.folder = context.fresh("mounted")
        if image is None:
            with open(self.image, "wb") as file:
                file.truncate(mebibytes << 20)
            force = "-f" if kind == "xfs" else "-F"
            command(f"mkfs.{kind}", "-q", force, *make, self.image)
        context.defer(unmount, self.folder)
        self.mount()

    def mount(self):
        options = ",".join(filter(None, ["loop", self.options]))
        done = subprocess.run(["mount", "-t", self.kind, "-o", options, self.image, self.folder],
                              stderr=subprocess.PIPE, text=True)
        if done.returncode:
            raise RuntimeError(f"mount: {done.stderr.strip()}")

    def unmount(self):
        unmount(self.folder)

    def cut_power(self):
        """From now on nothing reaches the disk, as if the power had gone. Needs no flush and waits for nothing."""
        descriptor = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.ioctl(descriptor, SHUTDOWN, struct.pack("I", WITHOUT_LOG))
        finally:
            os.close(descriptor)

    def device(self):
        return command("findmnt", "-n", "-o", "SOURCE", self.folder)


def memory(context, options):
    """A tmpfs; its folder."""
    require_root()
    folder = context.fresh("memory")
    command("mount", "-t", "tmpfs", "-o", options, "tmpfs", folder)
    context.defer(unmount, folder)
    return folder


class Device:
    """A loop device over an nbdkit server, so that what happens below the file system is ours to decide."""

    def __init__(self, context, *nbdkit, environment=None, quiet=False):
        require_root()
        require("nbdkit", "nbdfuse", "losetup", "fusermount3")
        folder = context.fresh("nbd")
        socket, self.file = os.path.join(folder, "socket"), os.path.join(folder, "disk")
        errors = subprocess.DEVNULL if quiet else None
        self.kit = subprocess.Popen(["nbdkit", "-f", "-U", socket, *nbdkit], env={**os.environ, **(environment or {})},
                                    stdin=subprocess.DEVNULL, stderr=errors, start_new_session=True)
        context.defer(self.end, self.kit)
        wait_for(lambda: os.path.exists(socket), "nbdkit's socket")
        open(self.file, "w").close()
        self.fuse = subprocess.Popen(["nbdfuse", self.file, "--unix", socket], stdin=subprocess.DEVNULL, stderr=errors,
                                     start_new_session=True)
        context.defer(self.end, self.fuse)
        context.defer(subprocess.run, ["fusermount3", "-u", "-z", self.file], stderr=subprocess.DEVNULL)
        wait_for(lambda: os.path.getsize(self.file) > 0, "nbdfuse")
        self.loop = command("losetup", "-f", "--show", self.file)
        context.defer(subprocess.run, ["losetup", "-d", self.loop], stderr=subprocess.DEVNULL)

    def end(self, process):
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(18)  # SIGCONT: a stopped process does not end
            process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def mount(self, context, kind="ext4", options=""):
        if kind:
            command(f"mkfs.{kind}", "-q", "-F" if kind != "xfs" else "-f", self.loop)
        folder = context.fresh("mounted")
        command("mount", *(["-o", options] if options else []), self.loop, folder)
        context.defer(unmount, folder)
        return folder


class LossyDisk:
    """An ext4 in memory that answers EIO for the sectors of chosen files; `folder` is where it is mounted."""

    def __init__(self, context, mebibytes=48):
        require("filefrag")
        plugin = os.path.join(os.path.dirname(os.path.abspath(__file__)), "lossydisk.py")
        self.lost = os.path.join(context.fresh("sectors"), "lost")
        environment = {"LOST": self.lost, "LOSSY_SIZE": str(mebibytes << 20)}
        # Each read that fails is an error message of three programs.
        self.folder = Device(context, "python", plugin, environment=environment, quiet=True).mount(context)

    def lose(self, paths):
        """From now on the files cannot be read; nobody remembers what was in them."""
        command("sync", "-f", self.folder)
        with open(self.lost, "a") as lost:
            for path in paths:
                extents = EXTENT.findall(command("filefrag", "-v", "-b512", path))
                if not extents:
                    raise RuntimeError(f"{path} has no extents")
                lost.writelines(f"{int(start) * 512} {int(count) * 512}\n" for start, count in extents)
        with open("/proc/sys/vm/drop_caches", "w") as file:
            file.write("1")


def wait_for(condition, what, seconds=30):
    deadline = time.monotonic() + seconds
    while True:
        with contextlib.suppress(OSError):
            if condition():
                return
        if time.monotonic() > deadline:
            raise RuntimeError(f"{what} is not there after {seconds} s")
        time.sleep(0.01)

"""nbdkit plugin: a disk in memory that cannot read the parts that the file LOST names, one "OFFSET LENGTH" a line."""

import errno
import os

import nbdkit

API_VERSION = 2
SIZE = int(os.environ["LOSSY_SIZE"])
disk = bytearray(SIZE)


def thread_model():
    return nbdkit.THREAD_MODEL_SERIALIZE_ALL_REQUESTS


def open(readonly):  # noqa: A001 (nbdkit's name)
    return 1


def get_size(handle):
    return SIZE


def lost():
    if not os.path.exists(os.environ["LOST"]):
        return []
    with os.fdopen(os.open(os.environ["LOST"], os.O_RDONLY)) as file:
        return [tuple(map(int, line.split())) for line in file]


def pread(handle, buffer, offset, flags):
    if any(start < offset + len(buffer) and offset < start + length for start, length in lost()):
        nbdkit.set_error(errno.EIO)
        raise OSError(errno.EIO, "a sector that cannot be read")
    buffer[:] = disk[offset:offset + len(buffer)]


def pwrite(handle, buffer, offset, flags):
    disk[offset:offset + len(buffer)] = buffer

"""nbdkit plugin: a disk in memory that writes the order of its writes and flushes to the file RECORD names.

A record is kind (W or F), offset, length, and the bytes of a write. The file is unbuffered, so that its size when a
save is acknowledged tells which writes had reached the disk.
"""

import os
import struct

import nbdkit

API_VERSION = 2
SIZE = int(os.environ["RECORD_SIZE"])
disk = bytearray(SIZE)
record = os.open(os.environ["RECORD"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)


def thread_model():
    return nbdkit.THREAD_MODEL_SERIALIZE_ALL_REQUESTS


def open(readonly):  # noqa: A001 (nbdkit's name)
    return 1


def get_size(handle):
    return SIZE


def can_flush(handle):
    return True


def can_fua(handle):
    return nbdkit.FUA_NATIVE


def can_trim(handle):
    return False


def pread(handle, buffer, offset, flags):
    buffer[:] = disk[offset:offset + len(buffer)]


def pwrite(handle, buffer, offset, flags):
    disk[offset:offset + len(buffer)] = buffer
    os.write(record, struct.pack("<BQI", ord("W"), offset, len(buffer)) + bytes(buffer))
    if flags & nbdkit.FLAG_FUA:
        flush(handle, 0)


def flush(handle, flags):
    os.write(record, struct.pack("<BQI", ord("F"), 0, 0))

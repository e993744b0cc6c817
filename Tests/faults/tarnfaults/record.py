"""The record of a recording disk, and the disk as it would be after a power cut at any of its operations."""

import os
import struct

HEAD = struct.Struct("<BQI")


class Record:
    """Operations in order: (end in the file, is a write, offset, position of the bytes, length)."""

    def __init__(self, path, size):
        self.size, self.operations = size, []
        with open(path, "rb") as file:
            self.bytes = file.read()
        position = 0
        while position + HEAD.size <= len(self.bytes):
            kind, offset, length = HEAD.unpack_from(self.bytes, position)
            position += HEAD.size
            self.operations.append((position + length, kind == ord("W"), offset, position, length))
            position += length
        self.image, self.applied = bytearray(size), 0

    def index_of(self, length):
        """How many operations were recorded when the file had this length."""
        low, high = 0, len(self.operations)
        while low < high:
            middle = (low + high) // 2
            if self.operations[middle][0] <= length:
                low = middle + 1
            else:
                high = middle
        return low

    def write(self, count, path, random=None):
        """The disk after the first `count` operations; ask with growing counts.

        With `random`, what was written since the last flush reached the disk in part only: a disk may keep writes back
        and reorder them until it is told to flush.
        """
        flushed = count
        if random:
            while flushed and self.operations[flushed - 1][1]:
                flushed -= 1
        image = bytearray(self.advance(min(flushed, count)))
        for operation in self.operations[flushed:count]:
            if random.random() < 0.5:
                self.apply(operation, image)
        with open(path, "wb") as file:
            file.truncate(self.size)
            for start in range(0, self.size, 1 << 20):
                part = image[start:start + (1 << 20)]
                if any(part):
                    file.seek(start)
                    file.write(part)

    def advance(self, count):
        if count < self.applied:
            self.image, self.applied = bytearray(self.size), 0
        for operation in self.operations[self.applied:count]:
            self.apply(operation, self.image)
        self.applied = count
        return self.image

    def apply(self, operation, image):
        _, is_write, offset, position, length = operation
        if is_write:
            image[offset:offset + length] = self.bytes[position:position + length]


def recorder():
    """The path of the nbdkit plugin."""
    return os.path.join(os.path.dirname(os.path.abspath(__file__)), "recorder.py")

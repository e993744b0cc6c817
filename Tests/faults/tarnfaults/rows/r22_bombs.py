"""Row 22. Fault: bytes that grow: archives, frames and manifests that declare little and expand to much.

Invariant: the cap holds: each is refused, the server's memory stays below 128 MiB over what it was, and the disk takes
no more than the declared size and 1 MiB. How: bombs of gzip and zstd as archives and as blobs with a false declared
size, huge windows, sparse files of a tebibyte, members by the hundred thousand, and recipes and JSON that are too deep.
"""

import gzip
import hashlib
import io
import json
import os
import shutil
import struct
import subprocess
import tarfile
import threading
import time

from ..board import Skip, row
from ..server import Server
from .r21_slow_clients import memory

MEDIA = {"Content-Type": "application/vnd.tarn.blobs"}


@row(22, "bombs", "archives, frames and documents that expand far beyond what they declare",
     "refused, memory and disk stay below their caps", quick=True, plants=("grown disk",))
def run(context, tally):
    if not shutil.which("zstd"):
        raise Skip("zstd is not installed")
    server = Server(context, "--max-entry-size", "32MiB")
    base = memory(server.process.pid)
    watch = Watch(server)
    outcomes = {}
    for name, send, expected in bombs(context, server):
        used = disk(server.data)
        answer = send()
        grown = disk(server.data) - used + (64 << 20 if context.planted("grown disk") else 0)
        status = answer[0] if answer else None
        outcomes[str(status)] = outcomes.get(str(status), 0) + 1
        tally.hold(status in expected, f"{name}: {answer and (status, answer[1][:200])}")
        tally.hold(server.runs, f"{name}: the server ended: {server.tail(300)}")
        tally.hold(grown < 33 << 20, f"{name}: the disk took {grown >> 20} MiB")
        tally.case()
    watch.end()
    growth = watch.peak - base
    tally.hold(growth < 128 << 20, f"memory grew by {growth >> 20} MiB")
    tally.figure(memory_growth_mib=growth >> 20, **{f"status_{status}": count for status, count in outcomes.items()})


def bombs(context, server):
    """(name, function that sends it, statuses that are right)."""
    client = server.api()
    refused = (400, 413, 422, 507)

    def put(name, body):
        return name, lambda: client.put_tar(name, body, path=""), refused

    zeros = tar_of_zeros(256 << 20)
    yield put("gzip of 256 MiB of zeros", gzip_of(zeros))
    yield put("zstd -19 of 256 MiB of zeros", zstd(zeros, "-19"))
    yield put("zstd with a window of 128 MiB", zstd(zeros, "-19", "--long=27"))
    yield put("zstd with a window of 1 GiB", zstd(zeros, "-19", "--long=30"))
    yield put("gzip in gzip", gzip.compress(gzip_of(zeros)))
    del zeros
    yield put("sparse file of a tebibyte", sparse(1 << 40))
    yield put("a member of 2^62 bytes", header_only(1 << 62))
    yield put("300,000 empty members", many(300_000))
    yield put("zstd frame of a dictionary", frame(b"", dictionary=7))
    for declared in (1, 1000, 1 << 20):
        content = bytes(64 << 20)
        yield (f"a blob of 64 MiB that declares {declared}", lambda d=declared, c=content: blob(client, c, d), refused)
    yield ("a blob record that declares 4 GiB", lambda: raw_blob(client, 0xFFFFFFFF, 0xFFFFFFFF, b"x"), refused)
    yield ("a frame with a window of 2 GiB", lambda: raw_blob(client, 1 << 20, 9, huge_window()), refused)
    yield ("JSON of 100,000 levels", lambda: client.ask("POST", client.base + "/resolve", b"[" * 100_000,
                                                        {"Content-Type": "application/json"}), refused)
    yield ("a million keys", lambda: client.post("resolve", {"keys": [{"key": "k"}] * 1_000_000}), refused)
    yield ("a million digests", lambda: client.post("blobs/missing", {"session": "s" * 16, "digests": ["0" * 64] *
                                                                      1_000_000}), refused)
    yield ("a commit of 100,000 layers", lambda: client.ask("PUT", client.entry("k"), {
        "session": "s" * 16, "layers": [{"path": "x"}] * 100_000, "provenance": {}}), refused)


def blob(client, content, declared):
    return raw_blob(client, declared, None, zstd_bytes(content), hashlib.sha256(content).digest())


def raw_blob(client, declared, length, stored, digest=bytes(32)):
    body = digest + struct.pack("<B3xII", 1, declared, len(stored) if length is None else length) + stored
    return client.ask("POST", client.base + "/blobs?session=bombs-bombs", body, MEDIA)


def tar_of_zeros(size):
    member = tarfile.TarInfo("zeros")
    member.size = size
    return member.tobuf(tarfile.USTAR_FORMAT) + bytes(size + 1024)


def gzip_of(content):
    stream = io.BytesIO()
    with gzip.GzipFile(fileobj=stream, mode="wb", compresslevel=6, mtime=0) as file:
        file.write(content)
    return stream.getvalue()


def zstd(content, *flags):
    level = [flag for flag in flags if flag != "-19"] + ["-3"]  # -19 takes minutes; zeros are small at any level
    return subprocess.run(["zstd", "-q", "-c", *level], input=content, stdout=subprocess.PIPE, check=True).stdout


def zstd_bytes(content):
    return zstd(content)


def sparse(size):
    """The header of a PAX sparse file of that size with no data."""
    records = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "sparse",
               "GNU.sparse.realsize": str(size)}
    member = tarfile.TarInfo("GNUSparseFile.0/sparse")
    member.pax_headers, member.size = records, 512
    return member.tobuf(tarfile.PAX_FORMAT) + b"1\n%d\n0\n".ljust(512, b"\0") % size + bytes(1024)


def header_only(size):
    member = tarfile.TarInfo("huge")
    member.size = size
    return member.tobuf(tarfile.GNU_FORMAT) + bytes(1024)


def many(count):
    parts = []
    for number in range(count):
        parts.append(tarfile.TarInfo(f"m/{number}").tobuf(tarfile.USTAR_FORMAT))
    return gzip.compress(b"".join(parts) + bytes(1024), 1)


def frame(content, dictionary):
    return struct.pack("<IBBB", 0xFD2FB528, 0x21, dictionary, len(content)) + b"\x01\x00\x00"


def huge_window():
    return struct.pack("<IBB", 0xFD2FB528, 0x00, 0xA8) + b"\x01\x00\x00"


def disk(data):
    total = 0
    for parent, _, files in os.walk(data):
        for name in files:
            try:
                total += os.lstat(os.path.join(parent, name)).st_blocks * 512
            except FileNotFoundError:
                pass
    return total


class Watch:
    """Looks at the server's memory all the time."""

    def __init__(self, server):
        self.pid, self.peak, self.ended = server.process.pid, 0, threading.Event()
        self.thread = threading.Thread(target=self.look, daemon=True)
        self.thread.start()

    def look(self):
        while not self.ended.is_set():
            try:
                self.peak = max(self.peak, memory(self.pid))
            except (OSError, IndexError):
                return
            time.sleep(0.005)

    def end(self):
        self.ended.set()
        self.thread.join()

"""What clients saw, and whether a cache could have answered so.

The model of a cache is small: a hit returns the exact bytes of a save that was acknowledged, or of one that is or was
in flight and not refused; a miss is right only for a key with no acknowledged save (nothing is evicted in these rows).
Each key has one writer, so that its saves have an order and an older save than the last acknowledged one is wrong.
"""

import random
import threading

from . import api


def content(key, version, size):
    """The bytes of a save: they name it, so that an answer tells where it came from."""
    return f"{key} {version}\n".encode() + random.Random(f"{key}/{version}").randbytes(size)


class History:
    """Saves by key. `size(key)` is how many random bytes each save of the key has."""

    def __init__(self, size):
        self.size, self.lock = size, threading.Lock()
        self.issued, self.acknowledged, self.refused = {}, {}, {}

    def begin(self, key):
        """A new save of the key; its version."""
        with self.lock:
            self.issued[key] = self.issued.get(key, 0) + 1
            return self.issued[key]

    def acknowledge(self, key, version):
        with self.lock:
            self.acknowledged[key] = max(self.acknowledged.get(key, 0), version)

    def floor(self, key):
        """The newest acknowledged version; 0 if there is none. Ask before the read that is judged."""
        with self.lock:
            return self.acknowledged.get(key, 0)

    def save(self, client, key):
        """Saves the next version; whether it was acknowledged, and the answer."""
        version = self.begin(key)
        answer = client.put_tar(key, api.tar_of({"f": content(key, version, self.size(key))}))
        if answer and answer[0] == 200:
            self.acknowledge(key, version)
            return True, answer
        return False, answer

    def judge(self, key, floor, answer):
        """Why the answer to a read is wrong, or None. `answer` is (status, body), or None for no answer."""
        if answer is None:
            return None
        status, body = answer
        if status == 404:
            return f"lost: {key} is a miss, version {floor} was acknowledged" if floor else None
        if status != 200:
            return f"{key}: status {status}: {body[:300]!r}"
        try:
            name, version = body.split(b"\n", 1)[0].decode().rsplit(" ", 1)
            version = int(version)
        except (ValueError, UnicodeDecodeError):
            return f"wrong: {key} has bytes that nobody saved: {body[:60]!r}"
        with self.lock:
            issued = self.issued.get(key, 0)
        if name != key or not 1 <= version <= issued or body != content(key, version, self.size(key)):
            return f"wrong: {key} has other bytes than its version {version} ({len(body)} bytes, named {name!r})"
        if version < floor:
            return f"lost: {key} has version {version}, {floor} was acknowledged"
        return None

    def read(self, client, key):
        """Reads a key and judges; (problem or None, answer)."""
        floor = self.floor(key)
        answer = client.get_file(key)
        return self.judge(key, floor, answer), answer

    def audit(self, client, keys, tally, where):
        """Reads these keys from a server that must answer; every wrong one is a violation. Number of hits."""
        hits = 0
        for key in keys:
            problem, answer = self.read(client, key)
            if answer is None:
                problem = f"{key}: no answer"
            hits += bool(answer and answer[0] == 200)
            if problem:
                tally.violation(f"{where}: {problem}")
        return hits

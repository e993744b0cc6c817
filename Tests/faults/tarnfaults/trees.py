"""Trees with known content, and their comparison."""

import hashlib
import os
import stat


def make(folder, random, files=12, largest=60_000):
    """A small tree of everything that a cache must keep: modes, times, links, holes, empty files and awkward names."""
    os.makedirs(folder)
    subfolders = [folder]
    for number in range(max(1, files // 6)):
        subfolders.append(os.path.join(random.choice(subfolders), f"d{number}"))
        os.mkdir(subfolders[-1])
    names = []
    for number in range(files):
        name = os.path.join(random.choice(subfolders), random.choice(["f", "ü", "a b", "x.pyc"]) + str(number))
        with open(name, "wb") as file:
            file.write(random.randbytes(random.randrange(largest)))
        os.chmod(name, random.choice([0o644, 0o755, 0o600]))
        stamp = 1_600_000_000_000_000_000 + random.randrange(10**17)
        os.utime(name, ns=(stamp, stamp))
        names.append(name)
    os.symlink(os.path.relpath(names[0], folder), os.path.join(folder, "link"))
    os.link(names[-1], os.path.join(folder, "hard"))
    open(os.path.join(folder, "empty"), "wb").close()
    os.mkdir(os.path.join(folder, "nothing"))
    return folder


def snapshot(folder, times=True):
    """Path → what is there, with the digest of each file; {} if the folder is not there."""
    found = {}
    inodes = {}
    if os.path.islink(folder) or not os.path.isdir(folder):
        return {".": "not a folder"} if os.path.lexists(folder) else found
    for parent, folders, files in os.walk(os.fsencode(folder)):
        for name in [b"."] * (parent == os.fsencode(folder)) + folders + files:
            path = os.path.join(parent, name)
            shown = os.path.relpath(path, os.fsencode(folder))
            info = os.lstat(path)
            if stat.S_ISLNK(info.st_mode):
                found[shown] = ("link", os.readlink(path))
            elif stat.S_ISDIR(info.st_mode):
                found[shown] = ("folder", stat.S_IMODE(info.st_mode))
            elif stat.S_ISREG(info.st_mode):
                with open(path, "rb") as file:
                    digest = hashlib.sha256(file.read()).hexdigest()
                inodes.setdefault(info.st_ino, []).append(shown)
                found[shown] = ("file", stat.S_IMODE(info.st_mode), digest, info.st_mtime_ns if times else 0)
            else:
                found[shown] = ("special", info.st_mode)
    for names in inodes.values():  # which names are one file
        if len(names) > 1:
            found[b" = ".join(sorted(names))] = ("one file",)
    return found


def difference(expected, actual):
    """The first differences of two snapshots in words; an empty text if there are none."""
    parts = []
    for path in sorted(set(expected) | set(actual)):
        if expected.get(path) != actual.get(path):
            parts.append(f"{path!r}: {expected.get(path)} became {actual.get(path)}")
    return "; ".join(parts[:4]) + (f"; {len(parts)} in all" if len(parts) > 4 else "")


def flip(path, random, bits=1):
    """Flips one bit (or some) of a file; the offset of the last. An empty file has none."""
    size = os.path.getsize(path)
    position = 0
    if not size:
        return position
    with open(path, "r+b") as file:
        for _ in range(bits):
            position = random.randrange(size)
            file.seek(position)
            byte = file.read(1)[0]
            file.seek(position)
            file.write(bytes([byte ^ 1 << random.randrange(8)]))
    return position


def blobs(data):
    """The files of a data folder's blobs, sorted."""
    found = []
    for parent, _, files in os.walk(os.path.join(data, "blobs")):
        found += [os.path.join(parent, name) for name in files]
    return sorted(found)

#!/usr/bin/env python3
"""Makes a tree of awkward names, writes it with Python's tarfile, and lists trees and tars in one form.

    tar-tools.py make TREE          make the tree
    tar-tools.py write FORMAT TREE TAR   write it (ustar, gnu or pax)
    tar-tools.py list-tree TREE     what is in a tree
    tar-tools.py list-times TREE    the same with modification times in ns
    tar-tools.py list-tar TAR       what tarfile reads in a tar

A line is `<path> <kind> <mode> <size> <target or digest>`, path and target in hexadecimal; names of one file are files.
The digest of a file is over its first and last 64 KiB. Lines `= <path> <path> …` tell which names are one file.
"""
import hashlib
import os
import stat
import sys
import tarfile


def lines_of(entries, groups):
    lines = [" ".join(str(part) for part in entry) for entry in entries]
    lines += ["= " + " ".join(sorted(group)) for group in groups if len(group) > 1]
    return sorted(lines)


def digest(file, size):
    sha = hashlib.sha256(file.read(min(size, 65536)))
    if size > 65536:
        file.seek(size - 65536)
        sha.update(file.read(65536))
    return sha.hexdigest()


def list_tree(root, times):
    entries, groups = [], {}
    root = os.fsencode(root)
    for folder, folders, files in os.walk(root):
        for name in folders + files:
            path = os.path.join(folder, name)
            info = os.lstat(path)
            shown = os.path.relpath(path, root).hex()
            time = (info.st_mtime_ns,) if times else ()
            if stat.S_ISLNK(info.st_mode):
                entries.append((shown, "l", "777", 0, os.readlink(path).hex(), *time))
            elif stat.S_ISDIR(info.st_mode):
                entries.append((shown, "d", "%o" % (info.st_mode & 0o777), 0, "-", *time))
            else:
                with open(path, "rb") as file:
                    entries.append((shown, "f", "%o" % (info.st_mode & 0o777), info.st_size, digest(file, info.st_size), *time))
                groups.setdefault(info.st_ino, []).append(shown)
    return lines_of(entries, groups.values())


def list_tar(path):
    entries, groups = [], {}
    with tarfile.open(path, "r:", encoding="utf-8", errors="surrogateescape") as tar:
        byname = {}
        for member in tar:
            name = os.fsencode(member.name)
            name = name[2:] if name.startswith(b"./") else name
            if name == b".":
                continue
            shown = name.hex()
            if member.issym():
                entries.append((shown, "l", "777", 0, os.fsencode(member.linkname).hex()))
            elif member.isdir():
                entries.append((shown, "d", "%o" % (member.mode & 0o777), 0, "-"))
            else:
                target = os.fsencode(member.linkname) if member.islnk() else name
                target = target[2:] if target.startswith(b"./") else target
                if member.isfile():
                    byname[target] = ("%o" % (member.mode & 0o777), member.size, digest(tar.extractfile(member), member.size))
                entries.append((shown, "f", *byname[target]))
                groups.setdefault(target, []).append(shown)
    return lines_of(entries, groups.values())


def make(root):
    root = os.fsencode(root)

    def put(path, data=b"x", mode=0o644):
        path = os.path.join(root, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(data)
        os.chmod(path, mode)

    put(b"plain", b"plain text\n")
    put(b"empty", b"")
    put(b"run me.sh", b"#!/bin/sh\n", 0o755)
    put(b"secret", b"s", 0o600)
    put(b"block", b"b" * 512)
    put(b"large.bin", bytes(range(256)) * 4000)
    put(b"new\nline and \ttab")
    put(b"-rf")
    put(b" lead and trail ")
    put("é-nfc".encode())
    put(b"e\xcc\x81-nfd")
    put(b"not-text-\xff\xfe\x80")
    put(b"dir\xff/" + b"\xf0" * 120)
    put(b"back\\slash\\040")
    put(b"quote'\"`$x")
    for length in (98, 99, 100, 101, 155, 156, 254, 255):
        put(b"names/" + b"n" * length)
        put(b"d" * length + b"/file")
    for length in (99, 100, 101, 154, 155, 156):
        put(b"p" * length + b"/" + b"q" * 100)
        put(b"p" * length + b"/" + b"q" * 101)
        put(b"r" * 50 + b"/" + b"s" * (length - 51) + b"/" + b"q" * 99)
    put(b"/".join([b"deep" * 25] * 12) + b"/leaf")
    os.makedirs(os.path.join(root, b"hollow/inside"))
    os.chmod(os.path.join(root, b"hollow"), 0o700)
    os.makedirs(os.path.join(root, b"x" * 100 + b"/" + b"y" * 100))
    os.symlink(b"plain", os.path.join(root, b"link"))
    os.symlink(b"/no/such/place", os.path.join(root, b"dangling"))
    os.symlink(b"../" * 60 + b"t\xff", os.path.join(root, b"far"))
    os.symlink(b"t" * 100, os.path.join(root, b"link100"))
    os.symlink(b"t" * 101, os.path.join(root, b"link101"))
    put(b"zz/original.txt", b"shared", 0o640)
    os.link(os.path.join(root, b"zz/original.txt"), os.path.join(root, b"aa.txt"))
    os.link(os.path.join(root, b"zz/original.txt"), os.path.join(root, b"zz/" + b"h" * 150))
    with open(os.path.join(root, b"sparse"), "wb") as file:
        for n in range(40):
            file.seek(n * 131072)
            file.write(b"data %d" % n)
        file.truncate(6 << 20)
    with open(os.path.join(root, b"hole"), "wb") as file:
        file.truncate(3 << 20)
    time = 1_600_000_000_123_456_789
    for folder, folders, files in os.walk(root, topdown=False):
        for name in sorted(folders + files):
            time += 61_000_000_001
            whole = time // 1_000_000_000 * 1_000_000_000
            os.utime(os.path.join(folder, name), ns=(whole, time if time % 2 else whole), follow_symlinks=False)


def write(kind, tree, path):
    formats = {"ustar": tarfile.USTAR_FORMAT, "gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}
    with tarfile.open(path, "w", format=formats[kind], encoding="utf-8", errors="surrogateescape") as tar:
        for folder, folders, files in os.walk(tree):
            folders.sort()
            for name in sorted(folders + files):
                file = os.path.join(folder, name)
                try:
                    tar.add(file, os.path.relpath(file, tree), recursive=False)
                except ValueError:
                    pass  # ustar has no room for the name.


command, *arguments = sys.argv[1:]
if command == "make":
    make(*arguments)
elif command == "write":
    write(*arguments)
else:
    lines = list_tar(*arguments) if command == "list-tar" else list_tree(*arguments, command == "list-times")
    sys.stdout.write("".join(line + "\n" for line in lines))

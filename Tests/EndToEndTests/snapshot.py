"""Prints a tree so that two prints are equal exactly if the trees are: kind, mode, size, mtime in ns, content,
link target, hardlink group, allocated blocks of files with holes. Usage: snapshot.py DIRECTORY NAME"""

import hashlib, os, stat, sys

root, name = os.fsencode(sys.argv[1]), os.fsencode(sys.argv[2])
lines, groups = [], {}


def visit(directory, entry, path):
    info = os.lstat(entry, dir_fd=directory)
    mode = stat.S_IMODE(info.st_mode)
    line = [path, b"%o" % mode if not stat.S_ISLNK(info.st_mode) else b"", b"%d" % info.st_mtime_ns]
    if stat.S_ISDIR(info.st_mode):
        line.append(b"dir")
        child = os.open(entry, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=directory)
        names = sorted(os.fsencode(n) for n in os.listdir(child))
        for n in names:
            visit(child, n, path + b"/" + n)
        os.close(child)
    elif stat.S_ISLNK(info.st_mode):
        line += [b"link", os.readlink(entry, dir_fd=directory)]
    else:
        descriptor = os.open(entry, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=directory)
        with open(descriptor, "rb") as file:
            line += [b"file", b"%d" % info.st_size, hashlib.file_digest(file, "sha256").hexdigest().encode()]
        if info.st_nlink > 1:
            line.append(b"group of " + groups.setdefault((info.st_dev, info.st_ino), path))
        if info.st_blocks * 512 + 65536 < info.st_size:
            line.append(b"sparse")
    lines.append(b"\t".join(line))


top = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
visit(top, name, name)
sys.stdout.buffer.write(b"\n".join(repr(line).encode() for line in lines) + b"\n")

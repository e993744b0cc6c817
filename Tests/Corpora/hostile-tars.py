#!/usr/bin/env python3
"""Makes hostile and merely unusual archives into the folder given as the one argument.

Each name is `<attack class A1..A13>-<refuse|accept>-<what>.<tar|tar.gz|tar.zst>`; the classes are those of the threat
model. Everything is made of bytes by hand, so that the archives are the same on every machine and Python version.
`accept` means that the archive is to be read as a list of safe members, not that it is nice.
"""
import gzip
import struct
import sys
import zlib
from pathlib import Path

out = Path(sys.argv[1])
out.mkdir(parents=True, exist_ok=True)
count = 0


def save(attack, outcome, what, data, suffix="tar"):
    global count
    name = f"{attack}-{outcome}-{what}.{suffix}"
    assert not (out / name).exists(), name
    (out / name).write_bytes(data)
    count += 1


def octal(value, width):
    return b"%0*o\0" % (width - 1, value)


def header(name=b"a", kind=b"0", size=0, mode=0o644, link=b"", mtime=0, prefix=b"", magic=b"ustar\x0000",
           raw_size=None, raw_mode=None, raw_mtime=None, checksum=None, tail=None):
    block = bytearray(512)

    def put(offset, data, room):
        assert len(data) <= room, (offset, data)
        block[offset:offset + len(data)] = data

    put(0, name, 100)
    put(100, raw_mode if raw_mode is not None else octal(mode, 8), 8)
    put(108, octal(0, 8), 8)
    put(116, octal(0, 8), 8)
    put(124, raw_size if raw_size is not None else octal(size, 12), 12)
    put(136, raw_mtime if raw_mtime is not None else octal(mtime, 12), 12)
    put(156, kind, 1)
    put(157, link, 100)
    put(257, magic, 8)
    put(345, prefix, 155)
    if tail:
        for offset, data in tail.items():
            put(offset, data, 512 - offset)
    block[148:156] = b" " * 8
    total = sum(block)
    block[148:156] = checksum if checksum is not None else b"%06o\0 " % total
    return bytes(block)


def pad(data):
    return data + bytes(-len(data) % 512)


def member(name=b"a", content=b"", **options):
    options.setdefault("size", len(content))
    return header(name, **options) + pad(content)


def record(key, value):
    rest = len(key) + len(value) + 3
    length = rest + 1
    while length != rest + len(str(length)):
        length = rest + len(str(length))
    return b"%d %s=%s\n" % (length, key, value)


def pax(records, kind=b"x", name=b"PaxHeaders/a"):
    data = records if isinstance(records, bytes) else b"".join(record(k, v) for k, v in records)
    return member(name, data, kind=kind)


def long_name(name, kind=b"L"):
    return member(b"././@LongLink", name + b"\0", kind=kind, magic=b"ustar  \0")


END = bytes(1024)


def tar(*parts):
    return b"".join(parts) + END


FILE = member(b"good", b"good\n")

# A1: names. Forty path vectors, each in the header or in a PAX record.
vectors = [
    ("absolute", b"/etc/passwd"), ("double-absolute", b"//etc/passwd"), ("root", b"/"), ("dotdot", b".."),
    ("dotdot-slash", b"../x"), ("dotdot-twice", b"../../x"), ("dotdot-middle", b"a/../b"), ("dotdot-end", b"a/.."),
    ("dotdot-escape", b"a/../../b"), ("dot-dotdot", b"./../x"), ("dot-middle", b"a/./b"), ("dot-end", b"a/."),
    ("empty-middle", b"a//b"), ("empty-twice", b"a///b"), ("dot-empty", b".//x"), ("dot-absolute", b".//etc/passwd"),
    ("slash-end-of-file", b"a/"), ("two-slashes-end", b"a//"), ("dotdot-dir-end", b"a/../"), ("file-dot", b"."),
    ("file-dot-slash", b"./"), ("deep-dotdot", b"a/b/c/../../../../x"), ("dotdot-first-deep", b"../a/b/c/d"),
    ("long-dotdot", b"../" * 30 + b"x"), ("absolute-dotdot", b"/../x"), ("proc-self", b"/proc/self/root"),
]
for what, path in vectors:
    save("A1", "refuse", f"name-{what}", tar(member(path, b"x")))
for what, path in [("absolute", b"/x"), ("dotdot", b"../x"), ("dotdot-middle", b"a/../x"), ("empty", b""), ("nul", b"a\0b"),
                   ("nul-end", b"a\0"), ("dot-middle", b"a/./x"), ("empty-middle", b"a//x"),
                   ("long-dotdot", b"../" * 200 + b"x")]:
    save("A1", "refuse", f"pax-path-{what}", tar(pax([(b"path", path)]), member(b"safe", b"x")))
for what, path in [("absolute", b"/x"), ("dotdot", b"../x"), ("dotdot-middle", b"a/../x"), ("nul-middle", b"a\0b"), ("empty", b"")]:
    save("A1", "refuse", f"gnu-path-{what}", tar(long_name(path), member(b"safe", b"x", magic=b"ustar  \0")))
save("A1", "refuse", "prefix-dotdot", tar(member(b"x", b"x", prefix=b"..")))
save("A1", "refuse", "prefix-absolute", tar(member(b"x", b"x", prefix=b"/etc")))
save("A1", "refuse", "prefix-slash", tar(member(b"x", b"x", prefix=b"a/")))
save("A1", "refuse", "name-absolute-behind-prefix", tar(member(b"/etc/x", b"x", prefix=b"a")))
save("A1", "refuse", "empty-name", tar(member(b"", b"x")))
save("A1", "refuse", "sparse-name-dotdot", tar(pax([(b"GNU.sparse.major", b"1"), (b"GNU.sparse.minor", b"0"), (
    b"GNU.sparse.name", b"../x"), (b"GNU.sparse.realsize", b"4")]), member(b"x", pad(b"1\n0\n4\n") + b"data")))
save("A1", "refuse", "directory-dotdot", tar(member(b"../", kind=b"5")))
save("A1", "accept", "leading-dot", tar(member(b"./", kind=b"5", mode=0o755), member(b"./a/b", b"x")))
save("A1", "accept", "leading-dot-twice", tar(member(b"././a", b"x")))
save("A1", "accept", "directory-slash", tar(member(b"d/", kind=b"5", mode=0o700), member(b"d/x", b"x")))
save("A1", "accept", "three-dots", tar(member(b".../..a/a..", b"x")))
save("A1", "accept", "backslashes", tar(member(b"..\\..\\x", b"x"), member(b"C:\\x", b"x")))
save("A1", "accept", "control-characters", tar(member(b"a\n\x1b[31m\r", b"x")))
save("A1", "accept", "no-text", tar(member(b"\xff\xfe\x80", b"x")))
save("A1", "accept", "space-names", tar(member(b" ", b"x"), member(b"a ", b"x"), member(b"-rf", b"x")))

# A2: links that something is written through.
link = lambda name, target: member(name, kind=b"2", link=target, mode=0o777)
save("A2", "refuse", "file-below-symlink", tar(link(b"d", b"/tmp"), member(b"d/x", b"x")))
save("A2", "refuse", "file-below-symlink-before", tar(member(b"d/x", b"x"), link(b"d", b"/tmp")))
save("A2", "refuse", "file-below-relative-symlink", tar(link(b"d", b".."), member(b"d/x", b"x")))
save("A2", "refuse", "directory-then-symlink", tar(member(b"d/", kind=b"5"), link(b"d", b"/tmp"), member(b"d/x", b"x")))
save("A2", "refuse", "symlink-then-directory", tar(link(b"d", b"/tmp"), member(b"d/", kind=b"5"), member(b"d/x", b"x")))
save("A2", "refuse", "symlink-then-file", tar(link(b"f", b"/etc/passwd"), member(b"f", b"x")))
save("A2", "refuse", "file-then-symlink", tar(member(b"f", b"x"), link(b"f", b"/etc/passwd")))
save("A2", "refuse", "two-symlinks-and-hardlink", tar(link(b"a", b"."), link(b"a/b", b".."), member(b"c", kind=b"1", link=b"a/b/x")))
save("A2", "refuse", "chain", tar(*[link(b"l%d" % n, b"l%d/.." % (n - 1)) for n in range(1, 20)], member(b"l19/x", b"x")))
save("A2", "refuse", "beyond-path-max", tar(
    *[pax([(b"path", b"/".join([b"d" * 240] * (n + 1)))]) + member(b"d", kind=b"5", mode=0o755) for n in range(16)],
    pax([(b"path", b"/".join([b"d" * 240] * 16) + b"/l"), (b"linkpath", b"../" * 1400)]) + link(b"l", b"x")))
save("A2", "refuse", "empty-target", tar(link(b"l", b"")))
save("A2", "refuse", "target-4096", tar(pax([(b"linkpath", b"t" * 4096)]), link(b"l", b"t")))
save("A2", "refuse", "target-nul", tar(pax([(b"linkpath", b"a\0b")]), link(b"l", b"a")))
save("A2", "refuse", "name-slash", tar(link(b"l/", b"x")))
save("A2", "accept", "absolute-target", tar(link(b"l", b"/etc/passwd")))
save("A2", "accept", "parent-target", tar(link(b"l", b"../../../../etc")))
save("A2", "accept", "loop", tar(link(b"a", b"b"), link(b"b", b"a")))
save("A2", "accept", "target-4095", tar(pax([(b"linkpath", b"t" * 4095)]), link(b"l", b"t")))

# A3: hardlinks.
hard = lambda name, target, **options: member(name, kind=b"1", link=target, **options)
for what, target in [("absolute", b"/etc/hostname"), ("dotdot", b"../x"), ("nothing", b"missing"), ("empty", b""),
                     ("itself", b"h"), ("dotdot-middle", b"d/../good")]:
    save("A3", "refuse", f"hardlink-{what}", tar(FILE, hard(b"h", target)))
save("A3", "refuse", "hardlink-later", tar(hard(b"h", b"good"), FILE))
save("A3", "refuse", "hardlink-directory", tar(member(b"d/", kind=b"5"), hard(b"h", b"d")))
save("A3", "refuse", "hardlink-symlink", tar(link(b"l", b"/etc/passwd"), hard(b"h", b"l")))
save("A3", "refuse", "hardlink-through-symlink", tar(link(b"l", b"/etc"), hard(b"h", b"l/passwd")))
save("A3", "refuse", "hardlink-content", tar(FILE, hard(b"h", b"good", size=5), pad(b"evil\n")))
save("A3", "refuse", "hardlink-pax-size", tar(FILE, pax([(b"size", b"512")]), hard(b"h", b"good"), member(b"inner", b"")))
save("A3", "refuse", "hardlink-twice", tar(FILE, hard(b"h", b"good"), hard(b"h", b"good")))
save("A3", "refuse", "hardlink-then-file", tar(FILE, hard(b"h", b"good"), member(b"h", b"x")))
save("A3", "accept", "hardlink", tar(FILE, hard(b"h", b"good")))
save("A3", "accept", "hardlink-chain", tar(FILE, hard(b"h", b"good"), hard(b"a", b"h"), hard(b"z", b"./a")))

# A4: what is neither file, directory nor link.
for what, kind in [("character-device", b"3"), ("block-device", b"4"), ("pipe", b"6"), ("socket", b"s"),
                   ("unknown", b"Z"), ("multi-volume", b"M"), ("dump-directory", b"D"), ("volume-label", b"V"),
                   ("solaris-pax", b"X"), ("solaris-acl", b"A"), ("old-long-names", b"N")]:
    save("A4", "refuse", what, tar(member(b"special", kind=kind), FILE))

# A5: modes and owners.
save("A5", "accept", "setuid", tar(member(b"su", b"x", mode=0o4755)))
save("A5", "accept", "setgid-sticky", tar(member(b"su", b"x", mode=0o6755), member(b"t/", kind=b"5", mode=0o1777)))
save("A5", "accept", "mode-with-type", tar(member(b"x", b"x", mode=0o100644)))
save("A5", "accept", "capabilities", tar(pax([(b"SCHILY.xattr.security.capability", b"\1\0\0\2\0\4")]), member(b"ping", b"x", mode=0o755)))

# A6: headers on which programs disagree.
inner = member(b"smuggled", b"evil")
save("A6", "refuse", "pax-size-content-then-inner-tar", tar(pax([(b"size", b"5000")]), member(b"outer", pad(b"x" * 4)), FILE))
save("A6", "accept", "pax-size-wins-over-zero", tar(pax([(b"size", b"%d" % len(inner))]), header(b"outer", size=0), inner, FILE))
save("A6", "refuse", "pax-size-smaller", tar(pax([(b"size", b"0")]), header(b"outer", size=4), pad(b"evil"), FILE))
for what, value in [("negative", b"-1"), ("letters", b"12x"), ("empty", b""), ("hex", b"0x10"), ("huge", b"9" * 30),
                    ("plus", b"+5"), ("space", b" 5"), ("overflow", b"18446744073709551621"), ("fraction", b"5.0")]:
    save("A6", "refuse", f"pax-size-{what}", tar(pax([(b"size", value)]), member(b"x", b"12345")))
save("A6", "refuse", "pax-path-twice", tar(pax([(b"path", b"a"), (b"path", b"b")]), member(b"x", b"x")))
save("A6", "refuse", "pax-size-twice", tar(pax([(b"size", b"1"), (b"size", b"513")]), member(b"x", b"x")))
save("A6", "refuse", "pax-headers-twice", tar(pax([(b"path", b"a")]), pax([(b"size", b"1")]), member(b"x", b"x")))
save("A6", "refuse", "pax-record-length-short", tar(pax(b"5 path=a\n"), member(b"x", b"x")))
save("A6", "refuse", "pax-record-length-long", tar(pax(b"99 path=a\n"), member(b"x", b"x")))
save("A6", "refuse", "pax-record-length-zero", tar(pax(b"0 path=a\n"), member(b"x", b"x")))
save("A6", "refuse", "pax-record-length-negative", tar(pax(b"-10 path=a\n"), member(b"x", b"x")))
save("A6", "refuse", "pax-record-length-huge", tar(pax(b"99999999999999999999 path=a\n"), member(b"x", b"x")))
save("A6", "refuse", "pax-record-length-leading-zero", tar(pax(b"011 path=a\n"), member(b"x", b"x")))
save("A6", "refuse", "pax-record-no-newline", tar(pax(b"10 path=aa"), member(b"x", b"x")))
save("A6", "refuse", "pax-record-no-equals", tar(pax(b"9 path a\n"), member(b"x", b"x")))
save("A6", "refuse", "pax-record-no-keyword", tar(pax(b"6 =aa\n"), member(b"x", b"x")))
save("A6", "refuse", "pax-record-nul-padding", tar(pax(b"9 path=a\n\0\0\0"), member(b"x", b"x")))
save("A6", "refuse", "pax-garbage", tar(pax(b"\xff" * 40), member(b"x", b"x")))
save("A6", "refuse", "pax-larger-than-limit", tar(pax([(b"comment", b"x" * (1 << 20))]), member(b"x", b"x")))
save("A6", "refuse", "pax-claims-gigabytes", header(b"PaxHeaders/a", kind=b"x", raw_size=b"77777777777\0") + bytes(1024))
save("A6", "refuse", "pax-then-end", tar(pax([(b"path", b"a")])))
save("A6", "refuse", "pax-then-nothing", pax([(b"path", b"a")]))
save("A6", "refuse", "pax-file-over-old-directory", tar(pax([(b"path", b"a")]), member(b"d/", kind=b"\0", magic=b"")))
save("A6", "refuse", "pax-directory-over-old-file", tar(pax([(b"path", b"d/")]), member(b"a", kind=b"\0", magic=b"")))
save("A6", "refuse", "pax-global-path", tar(pax([(b"path", b"all")], kind=b"g"), member(b"x", b"x")))
save("A6", "refuse", "pax-global-size", tar(pax([(b"size", b"512")], kind=b"g"), member(b"x", b""), member(b"y", b"")))
save("A6", "refuse", "pax-global-linkpath", tar(pax([(b"linkpath", b"/etc")], kind=b"g"), link(b"x", b"y")))
save("A6", "refuse", "prefix-without-ustar", tar(member(b"x", b"x", prefix=b"../../etc", magic=b"\0" * 8)))
save("A6", "refuse", "user-id-malformed", tar(member(b"x", b"x", tail={108: b"0000/00\0"})))
save("A6", "refuse", "pax-global-sparse", tar(pax([(b"GNU.sparse.size", b"99")], kind=b"g"), member(b"x", b"x")))
save("A6", "refuse", "pax-global-between", tar(pax([(b"path", b"a")]), pax([(b"comment", b"x")], kind=b"g"), member(b"x", b"x")))
save("A6", "refuse", "pax-mtime-letters", tar(pax([(b"mtime", b"now")]), member(b"x", b"x")))
save("A6", "refuse", "pax-mtime-huge", tar(pax([(b"mtime", b"9" * 25)]), member(b"x", b"x")))
save("A6", "refuse", "pax-and-gnu-path", tar(long_name(b"gnu"), pax([(b"path", b"pax")]), member(b"x", b"x")))
save("A6", "refuse", "gnu-path-twice", tar(long_name(b"a" * 150), long_name(b"b" * 150), member(b"x", b"x", magic=b"ustar  \0")))
save("A6", "refuse", "gnu-target-twice", tar(long_name(b"a", b"K"), long_name(b"b", b"K"), member(b"x", kind=b"2", link=b"y", magic=b"ustar  \0")))
save("A6", "refuse", "gnu-path-without-end", tar(member(b"././@LongLink", b"a", kind=b"L", magic=b"ustar  \0"), member(b"safe", b"x", magic=b"ustar  \0")))
save("A6", "refuse", "gnu-path-then-end", tar(long_name(b"a" * 150)))
save("A6", "refuse", "checksum-wrong", tar(member(b"x", b"x", checksum=b"000000\0 ")))
save("A6", "refuse", "checksum-letters", tar(member(b"x", b"x", checksum=b"zzzzzz\0 ")))
save("A6", "refuse", "checksum-empty", tar(member(b"x", b"x", checksum=b"\0" * 8)))
flipped = bytearray(tar(member(b"x", b"x")))
flipped[0] ^= 1
save("A6", "refuse", "checksum-flipped-bit", bytes(flipped))
save("A6", "refuse", "checksum-second-member", tar(FILE, member(b"x", b"x", checksum=b"001234\0 ")))
save("A6", "refuse", "pax-checksum-wrong", tar(header(b"PaxHeaders/a", kind=b"x", size=9, checksum=b"000001\0 "), pad(b"9 path=a\n"), member(b"x", b"x")))
save("A6", "refuse", "size-letters", tar(member(b"x", b"x", raw_size=b"0000000000x\0")))
save("A6", "refuse", "size-nine", tar(member(b"x", b"x", raw_size=b"00000000009\0")))
save("A6", "refuse", "size-digits-behind-space", tar(member(b"x", b"x", raw_size=b"1 0000000001")))
save("A6", "refuse", "size-base256-negative", tar(member(b"x", b"x", raw_size=b"\xff" * 12)))
save("A6", "refuse", "size-base256-huge", tar(member(b"x", b"x", raw_size=b"\x80" + b"\x7f" * 11)))
save("A6", "refuse", "mode-letters", tar(member(b"x", b"x", raw_mode=b"rwxr-xr\0")))
save("A6", "refuse", "mtime-letters", tar(member(b"x", b"x", raw_mtime=b"yesterday!!\0")))
save("A6", "refuse", "directory-with-content", tar(member(b"d/", inner, kind=b"5"), FILE))
save("A6", "refuse", "symlink-with-content", tar(member(b"l", inner, kind=b"2", link=b"x"), FILE))
save("A6", "refuse", "old-directory-with-content", tar(member(b"d/", inner, kind=b"\0", magic=b""), FILE))
save("A6", "refuse", "lone-zero-block", member(b"a", b"x") + bytes(512) + inner + END)
save("A6", "refuse", "second-tar-behind-the-end", tar(FILE) + tar(inner))
save("A6", "refuse", "garbage-behind-the-end", tar(FILE) + b"garbage")
save("A6", "refuse", "no-tar", b"this is no tar at all " * 100)
save("A6", "refuse", "star-sparse", tar(pax([(b"SCHILY.realsize", b"100000")]), member(b"x", b"x")))
save("A6", "accept", "size-base256", tar(member(b"x", b"12345", raw_size=b"\x80" + struct.pack(">3xQ", 5))))
save("A6", "accept", "mtime-base256-negative", tar(member(b"x", b"x", raw_mtime=b"\xff" * 12)))
save("A6", "accept", "size-spaces", tar(member(b"x", b"12345", raw_size=b"          5 ")))
save("A6", "accept", "v7", tar(member(b"d/", kind=b"\0", magic=b""), member(b"d/x", b"x", kind=b"\0", magic=b"")))
save("A6", "accept", "contiguous", tar(member(b"x", b"x", kind=b"7")))
save("A6", "accept", "pax-global-comment", tar(pax([(b"comment", b"0" * 40), (b"mtime", b"5.5")], kind=b"g"), FILE))
save("A6", "accept", "pax-unknown-keywords", tar(pax([(b"VENDOR.thing", b"\0\1\2"), (b"uid", b"99999999999")]), FILE))
save("A6", "refuse", "gnu-magic-with-prefix-field", tar(member(b"x", b"x", magic=b"ustar  \0", prefix=b"../../etc")))

# A7: sparse files.
def sparse10(lines, data, realsize, name=b"s", size=None):
    content = pad(lines) + data
    return pax([(b"GNU.sparse.major", b"1"), (b"GNU.sparse.minor", b"0"), (b"GNU.sparse.name", name),
                (b"GNU.sparse.realsize", b"%d" % realsize)]) + member(b"GNUSparseFile.0/s", content)


def old_sparse(extents, data, realsize, extended=b"\0", extra=b""):
    fields = b"".join(octal(o, 12) + octal(n, 12) for o, n in extents)
    tail = {386: fields, 482: extended, 483: octal(realsize, 12) if realsize < 1 << 33 else b"\x80" + struct.pack(">3xQ", realsize)}
    return header(b"s", kind=b"S", size=len(data), magic=b"ustar  \0", tail=tail) + extra + pad(data)


terabyte = 1 << 40
save("A7", "refuse", "bomb-1.0", tar(sparse10(b"1\n%d\n0\n" % terabyte, b"", terabyte)))
save("A7", "refuse", "bomb-0.1", tar(pax([(b"GNU.sparse.size", b"%d" % terabyte), (b"GNU.sparse.map", b"0,1"), (b"GNU.sparse.numblocks", b"1")]), member(b"s", b"x")))
save("A7", "refuse", "bomb-0.0", tar(pax([(b"GNU.sparse.size", b"%d" % terabyte), (b"GNU.sparse.offset", b"0"), (b"GNU.sparse.numbytes", b"1")]), member(b"s", b"x")))
save("A7", "refuse", "bomb-old", tar(old_sparse([(0, 4)], b"data", terabyte)))
save("A7", "refuse", "bomb-many", tar(*[sparse10(b"0\n", b"", 7 << 30, name=b"s%d" % n) for n in range(10)]))
save("A7", "refuse", "overlap-1.0", tar(sparse10(b"2\n0\n4\n2\n4\n", b"datadata", 100)))
save("A7", "refuse", "backwards-1.0", tar(sparse10(b"2\n50\n4\n0\n4\n", b"datadata", 100)))
save("A7", "refuse", "past-the-end", tar(sparse10(b"1\n98\n4\n", b"data", 100)))
save("A7", "refuse", "too-little-stored", tar(sparse10(b"1\n0\n50\n", b"data", 100)))
save("A7", "refuse", "too-much-stored", tar(sparse10(b"1\n0\n2\n", b"data", 100)))
save("A7", "refuse", "map-letters", tar(sparse10(b"x\n0\n4\n", b"data", 100)))
save("A7", "refuse", "map-negative", tar(sparse10(b"1\n-4\n4\n", b"data", 100)))
save("A7", "refuse", "map-too-long", tar(sparse10(b"99999999\n0\n4\n", b"data", 100)))
save("A7", "refuse", "map-overflow", tar(sparse10(b"1\n999999999999999999999\n4\n", b"data", 100)))
save("A7", "refuse", "map-unfinished", tar(sparse10(b"3\n0\n4\n", b"", 100)))
save("A7", "refuse", "map-odd-0.1", tar(pax([(b"GNU.sparse.size", b"10"), (b"GNU.sparse.map", b"0,1,2")]), member(b"s", b"x")))
save("A7", "refuse", "map-count-0.1", tar(pax([(b"GNU.sparse.size", b"10"), (b"GNU.sparse.numblocks", b"5"), (b"GNU.sparse.map", b"0,1")]), member(b"s", b"x")))
save("A7", "refuse", "no-count-0.0", tar(pax([(b"GNU.sparse.size", b"1000"), (b"GNU.sparse.offset", b"10"), (b"GNU.sparse.numbytes", b"4")]), member(b"s", b"data")))
save("A7", "refuse", "offset-twice-0.0", tar(pax([(b"GNU.sparse.size", b"10"), (b"GNU.sparse.offset", b"0"), (b"GNU.sparse.offset", b"1"), (b"GNU.sparse.numbytes", b"1")]), member(b"s", b"x")))
save("A7", "refuse", "no-real-size", tar(pax([(b"GNU.sparse.major", b"1"), (b"GNU.sparse.minor", b"0")]), member(b"s", pad(b"0\n"))))
save("A7", "refuse", "version-2", tar(pax([(b"GNU.sparse.major", b"2"), (b"GNU.sparse.minor", b"0"), (b"GNU.sparse.realsize", b"1")]), member(b"s", pad(b"0\n"))))
save("A7", "refuse", "two-forms", tar(pax([(b"GNU.sparse.major", b"1"), (b"GNU.sparse.minor", b"0"), (b"GNU.sparse.realsize", b"4"), (b"GNU.sparse.map", b"0,4")]), member(b"s", pad(b"1\n0\n4\n") + b"data")))
save("A7", "refuse", "old-endless-extension", tar(old_sparse([(0, 1)], b"", 10, extended=b"\1", extra=(bytes(504) + b"\1" + bytes(7)) * 3)))
save("A7", "refuse", "old-in-ustar", tar(header(b"s", kind=b"S", size=0)))
save("A7", "refuse", "old-overlap", tar(old_sparse([(0, 4), (2, 4)], b"datadata", 100)))
save("A7", "refuse", "name-on-a-symlink", tar(pax([(b"GNU.sparse.name", b"other")]), link(b"l", b"x")))
save("A7", "accept", "sparse-1.0", tar(sparse10(b"2\n512\n4\n100000\n0\n", b"data", 100000)))
save("A7", "accept", "sparse-0.1", tar(pax([(b"GNU.sparse.size", b"1000"), (b"GNU.sparse.numblocks", b"1"), (b"GNU.sparse.map", b"10,4"), (b"GNU.sparse.name", b"s")]), member(b"x", b"data")))
save("A7", "accept", "sparse-0.0", tar(pax([(b"GNU.sparse.size", b"1000"), (b"GNU.sparse.numblocks", b"2"), (b"GNU.sparse.offset", b"10"), (b"GNU.sparse.numbytes", b"4"), (b"GNU.sparse.offset", b"20"), (b"GNU.sparse.numbytes", b"4")]), member(b"s", b"datadata")))
save("A7", "accept", "sparse-old", tar(old_sparse([(10, 4), (20, 4)], b"datadata", 1000)))

# A8: collisions and long names.
save("A8", "accept", "case", tar(member(b"a", b"1"), member(b"A", b"2")))
save("A8", "accept", "normal-forms", tar(member("é".encode(), b"1"), member(b"e\xcc\x81", b"2")))
save("A8", "accept", "name-255", tar(pax([(b"path", b"n" * 255)]), member(b"n", b"x")))
save("A8", "refuse", "name-256", tar(pax([(b"path", b"n" * 256)]), member(b"n", b"x")))
save("A8", "refuse", "name-4096", tar(pax([(b"path", b"n" * 4096)]), member(b"n", b"x")))
save("A8", "refuse", "name-65536", tar(pax([(b"path", b"n" * 65536)]), member(b"n", b"x")))
save("A8", "refuse", "gnu-name-65536", tar(long_name(b"n" * 65536), member(b"n", b"x", magic=b"ustar  \0")))
deep = b"/".join([b"n" * 255] * 256)
save("A8", "accept", "path-4095", tar(pax([(b"path", deep[:4095])]), member(b"n", b"x")))
save("A8", "accept", "path-65535", tar(pax([(b"path", deep)]), member(b"n", b"x")))
save("A8", "refuse", "path-65537", tar(pax([(b"path", deep + b"/n")]), member(b"n", b"x")))
save("A8", "refuse", "path-of-30000-directories", tar(pax([(b"path", b"d/" * 30000 + b"x")]), member(b"n", b"x")))

# A9: one path twice.
save("A9", "refuse", "two-files", tar(member(b"a", b"1"), member(b"a", b"2")))
save("A9", "refuse", "two-files-dot", tar(member(b"a", b"1"), member(b"./a", b"2")))
save("A9", "refuse", "two-equal-files", tar(member(b"a", b"1"), member(b"a", b"1")))
save("A9", "refuse", "two-symlinks", tar(link(b"a", b"x"), link(b"a", b"y")))
save("A9", "refuse", "file-then-directory", tar(member(b"a", b"1"), member(b"a/", kind=b"5")))
save("A9", "refuse", "directory-then-file", tar(member(b"a/", kind=b"5"), member(b"a", b"1")))
save("A9", "refuse", "file-is-parent", tar(member(b"a", b"1"), member(b"a/b", b"2")))
save("A9", "refuse", "file-becomes-parent", tar(member(b"a/b", b"2"), member(b"a", b"1")))
save("A9", "accept", "directories-merge", tar(member(b"a/", kind=b"5", mode=0o755), member(b"a/x", b"1"), member(b"a/", kind=b"5", mode=0o700)))
save("A9", "accept", "implied-directories", tar(member(b"a/b/c/d", b"1"), member(b"a/", kind=b"5", mode=0o700)))

# A11: bombs.
bomb = member(b"bomb", b"", raw_size=octal(256 << 20, 12))
compressor = zlib.compressobj(9, zlib.DEFLATED, 31)
packed = [compressor.compress(bomb)]
for _ in range(256):
    packed.append(compressor.compress(bytes(1 << 20)))
packed += [compressor.compress(END), compressor.flush()]
save("A11", "refuse", "gzip-bomb", b"".join(packed), "tar.gz")
frame = b"\x28\xb5\x2f\xfd\x00\x58"
blocks = struct.pack("<I", (len(bomb) << 3) | 0)[:3] + bomb
# Run-length blocks: one byte stands for 128 KiB.
blocks += b"".join(struct.pack("<I", (131072 << 3) | 2)[:3] + b"\0" for _ in range(2048))
blocks += struct.pack("<I", (1024 << 3) | 3)[:3] + b"\0"
save("A11", "refuse", "zstd-bomb", frame + blocks, "tar.zst")
good = tar(FILE)
save("A11", "accept", "gzip", gzip.compress(good, mtime=0), "tar.gz")
save("A11", "accept", "gzip-members", gzip.compress(good[:700], mtime=0) + gzip.compress(good[700:], mtime=0), "tar.gz")
save("A11", "refuse", "gzip-truncated", gzip.compress(good, mtime=0)[:-4], "tar.gz")
save("A11", "refuse", "gzip-trailing-garbage", gzip.compress(good, mtime=0) + b"garbage", "tar.gz")
broken = bytearray(gzip.compress(good, mtime=0))
broken[-6] ^= 0xff
save("A11", "refuse", "gzip-checksum", bytes(broken), "tar.gz")
raw = lambda data: b"\x28\xb5\x2f\xfd\x00\x58" + struct.pack("<I", (len(data) << 3) | 1)[:3] + data
save("A11", "accept", "zstd", raw(good), "tar.zst")
save("A11", "accept", "zstd-frames", raw(good[:700]) + raw(good[700:]), "tar.zst")
save("A11", "accept", "zstd-skippable", struct.pack("<II", 0x184d2a50, 4) + b"skip" + raw(good), "tar.zst")
save("A11", "refuse", "zstd-truncated", raw(good)[:-4], "tar.zst")
save("A11", "refuse", "zstd-trailing-garbage", raw(good) + b"garbage", "tar.zst")

# A12: frames that ask for much memory or for a dictionary.
save("A12", "refuse", "zstd-window-2-gib", b"\x28\xb5\x2f\xfd\x00\xa8" + struct.pack("<I", (len(good) << 3) | 1)[:3] + good, "tar.zst")
save("A12", "refuse", "zstd-window-256-mib", b"\x28\xb5\x2f\xfd\x00\x90" + struct.pack("<I", (len(good) << 3) | 1)[:3] + good, "tar.zst")
save("A12", "refuse", "zstd-dictionary", b"\x28\xb5\x2f\xfd\x01\x58\x07" + struct.pack("<I", (len(good) << 3) | 1)[:3] + good, "tar.zst")

# A13: what is cut off leaves nothing.
whole = tar(pax([(b"path", b"p")]), member(b"x", b"x" * 1000), member(b"y", b"y" * 100))
for what, size in [("in-a-header", 300), ("in-a-pax-header", 700), ("behind-a-pax-header", 1024), ("in-content", 2000),
                   ("in-padding", 2548), ("in-the-second-header", 2800)]:
    save("A13", "refuse", f"cut-{what}", whole[:size])
save("A13", "accept", "no-end-marker", whole[:-1024])
save("A13", "accept", "half-an-end-marker", whole[:-512])
save("A13", "accept", "empty", END)
save("A13", "accept", "record-padding", whole + bytes(10240 - len(whole) % 10240))
print(count)

"""Row 17. Fault: tars that two readers may read differently (forged sizes, PAX against ustar, links, duplicates).

Invariant: what Tarn accepts has the members that GNU tar, bsdtar and Python's tarfile see in it; all else is refused.
How: tars of several writers and the hostile corpus are mutated (bytes of headers with the checksum put right, blocks
moved, cut, doubled, spliced) and uploaded. Only for accepted ones the other readers are asked: names, kinds, sizes,
link targets and, for Python and bsdtar, the bytes.
"""

import concurrent.futures
import hashlib
import io
import os
import re
import subprocess
import tarfile
import threading

from .. import api, trees
from ..board import Skip, row
from ..context import command
from ..server import Server

BLOCK, LARGEST = 512, 32 << 20


@row(17, "tar-readers", "mutated tars, read by Tarn, GNU tar, bsdtar and Python",
     "what is accepted has the same members for all readers", plants=("other member list",))
def run(context, tally):
    for tool in ("tar", "bsdtar"):
        if subprocess.run(["which", tool], stdout=subprocess.DEVNULL).returncode:
            raise Skip(f"{tool} is not installed")
    wanted = 300 if context.plant else context.size(3_000, 50_000)
    seeds = Seeds(context)
    server = Server(context, "--durability", "relaxed", "--max-entry-size", "64MiB", "--log-level", "error")
    state = dict(lock=threading.Lock(), accepted=0, refused=0, others={})
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        for _ in pool.map(lambda worker: work(context, tally, server, seeds, state, worker, -(-wanted // 3)), range(3)):
            pass
    tally.figure(accepted_and_compared=state["accepted"], refused=state["refused"], seeds=len(seeds.tars),
                 **{f"accepted_but_refused_by_{name.replace(' ', '_')}": count
                    for name, count in sorted(state["others"].items())})
    if not context.quick and not context.plant:
        tally.need(tally.cases >= 50_000, f"only {tally.cases} files, 50,000 are wanted")


def work(context, tally, server, seeds, state, worker, count):
    random, client = context.random(f"worker{worker}"), server.api()
    for number in range(count):
        tar = mutate(random, seeds)
        answer = client.put_tar(f"w{worker}", tar, path="")
        with state["lock"]:
            tally.case()
        if answer is None or answer[0] >= 500:
            tally.violation(f"worker {worker}, file {number}: {answer}")
            continue
        if answer[0] != 200:
            with state["lock"]:
                state["refused"] += 1
            continue
        with state["lock"]:
            state["accepted"] += 1
        refusals = []
        ours = client.get_tar(f"w{worker}")
        wrong = compare(context, ours[1], tar, refusals) if ours and ours[0] == 200 else f"accepted, then {ours}"
        with state["lock"]:
            for name in refusals:
                state["others"][name] = state["others"].get(name, 0) + 1
        if wrong:
            kept = os.path.join(context.root, "Tests", "faults", "results", "disagreements")
            os.makedirs(kept, exist_ok=True)
            name = hashlib.sha256(tar).hexdigest()[:16] + ".tar"
            with open(os.path.join(kept, name), "wb") as file:
                file.write(tar)
            with state["lock"]:
                tally.violation(f"worker {worker}, file {number} ({name}): {wrong}")
        client.delete(f"w{worker}")
    client.close()


class Seeds:
    """Tars of several writers and the accepted part of the hostile corpus, as bytes."""

    def __init__(self, context):
        folder = context.fresh("seeds")
        tools = os.path.join(context.root, "Tests", "Corpora")
        awkward = os.path.join(folder, "awkward")
        command("python3", os.path.join(tools, "tar-tools.py"), "make", awkward)
        plain = os.path.join(folder, "plain")
        trees.make(plain, context.random("tree"), files=5, largest=1500)
        self.tars = []
        for tree in (awkward, plain):
            name = os.path.basename(tree)
            for kind in ("ustar", "gnu", "pax"):
                for tool in ("tar", "bsdtar"):
                    kind_of_tool = {"gnu": "gnutar"}.get(kind, kind) if tool == "bsdtar" else kind
                    done = subprocess.run([tool, "-c", f"--format={kind_of_tool}", "-C", folder, "-f", "-", name],
                                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
                    if len(done.stdout) < 400_000:
                        self.tars.append(done.stdout)
        corpus = os.path.join(folder, "corpus")
        command("python3", os.path.join(tools, "hostile-tars.py"), corpus)
        for name in sorted(os.listdir(corpus)):
            path = os.path.join(corpus, name)
            if name.endswith(".tar") and os.path.getsize(path) < 40_000:
                with open(path, "rb") as file:
                    self.tars.append(file.read())
        self.tars = [tar for tar in self.tars if len(tar) >= BLOCK]


def mutate(random, seeds):
    tar = bytearray(random.choice(seeds.tars))
    for _ in range(random.choice([1, 1, 1, 2, 3])):
        if len(tar) < BLOCK:
            tar = bytearray(random.choice(seeds.tars))
        tar = random.choice(MUTATIONS)(random, tar, seeds) or tar
    return bytes(tar[:300_000])


def headers(tar):
    """Offsets of what looks like a header."""
    return [at for at in range(0, len(tar) - BLOCK + 1, BLOCK) if tar[at + 257:at + 262] == b"ustar"] or [0]


def put_checksum(tar, at):
    tar[at + 148:at + 156] = b" " * 8
    tar[at + 148:at + 156] = b"%06o\0 " % sum(tar[at:at + BLOCK])


def header_byte(random, tar, seeds):
    at = random.choice(headers(tar))
    place = random.choice([random.randrange(0, 100), random.randrange(100, 148), random.randrange(124, 136), 156,
                           random.randrange(157, 257), random.randrange(257, 512)])
    tar[at + place] = random.choice([0, 32, 48, 49, 53, 55, 47, 46, 0x80, 0xFF, random.randrange(256)])
    put_checksum(tar, at)


def kind(random, tar, seeds):
    at = random.choice(headers(tar))
    tar[at + 156] = random.choice(b"0123456789xgLKSDVMNXA\0")
    put_checksum(tar, at)


def size(random, tar, seeds):
    at = random.choice(headers(tar))
    value = random.choice([0, 1, 511, 512, 513, 1024, random.randrange(1 << 14)])
    tar[at + 124:at + 136] = random.choice([b"%011o\0" % value, b"%011o " % value, b"%12o" % value,
                                            b"\x80" + value.to_bytes(11, "big"), b" %10o\0" % value])[:12]
    put_checksum(tar, at)


def body_byte(random, tar, seeds):
    place = random.randrange(len(tar))
    tar[place] = random.randrange(256)


def swap_blocks(random, tar, seeds):
    count = len(tar) // BLOCK
    a, b = random.randrange(count) * BLOCK, random.randrange(count) * BLOCK
    tar[a:a + BLOCK], tar[b:b + BLOCK] = tar[b:b + BLOCK], tar[a:a + BLOCK]


def cut(random, tar, seeds):
    del tar[random.randrange(BLOCK, len(tar) + 1):]


def double(random, tar, seeds):
    at = random.choice(headers(tar))
    length = BLOCK * random.choice([1, 1, 2, 3])
    return tar[:at] + tar[at:at + length] + tar[at:]


def splice(random, tar, seeds):
    other = random.choice(seeds.tars)
    at, there = random.choice(headers(tar)), random.choice(headers(other))
    return tar[:at] + other[there:there + BLOCK * random.randrange(1, 8)] + tar[at:]


def pax_number(random, tar, seeds):
    """Changes a digit of a PAX record, such as its length or a size."""
    places = [match.start() for match in re.finditer(rb"[0-9]+ (path|size|linkpath|mtime|GNU)", bytes(tar))]
    if places:
        at = random.choice(places)
        tar[at] = 48 + random.randrange(10)
        equal = tar.find(b"=", at)
        if equal > 0 and random.random() < 0.5:
            tar[equal + 1] = 48 + random.randrange(10)


MUTATIONS = [header_byte, header_byte, kind, kind, size, size, body_byte, swap_blocks, cut, double, splice, pax_number]


def compare(context, ours, tar, refusals):
    """Why Tarn's members are not those that the others read, or an empty text.

    A reader that complains misleads nobody; its name is added to `refusals`.
    """
    mine = python_members(ours)
    for name, members in (("Python", python_members(tar)), ("bsdtar", bsdtar_members(tar)), ("GNU tar", gnu(tar))):
        if isinstance(members, str):
            refusals.append(name)
            continue
        sizes = name == "GNU tar"
        left = {path: what[:2] if sizes else what for path, what in mine.items()}
        right = {path: what[:2] if sizes else what for path, what in members.items()}
        if context.planted("other member list"):
            right["planted"] = ("file", 1)
        if left != right:
            different = [path for path in sorted(set(left) | set(right)) if left.get(path) != right.get(path)]
            return f"{name}: " + "; ".join(f"{path!r}: Tarn {left.get(path)}, {name} {right.get(path)}"
                                           for path in different[:3])
    return ""


def clean(path):
    return "/".join(part for part in path.split("/") if part not in ("", "."))


def python_members(tar):
    """Path → (kind, size or target, digest) of what is there after extracting; folders are left out."""
    members = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(tar), errorlevel=2, encoding="utf-8", errors="surrogateescape") as file:
            for member in file:
                path = clean(member.name)
                if member.isreg() and member.size > LARGEST:  # sparse: its bytes would not fit into memory
                    members[path] = ("file", member.size, "too large to compare")
                elif member.isreg():
                    content = file.extractfile(member).read()
                    members[path] = ("file", len(content), hashlib.sha256(content).hexdigest()[:16])
                elif member.issym():
                    members[path] = ("link", member.linkname, "")
                elif member.islnk():
                    members[path] = members.get(clean(member.linkname), ("dangling", member.linkname, ""))
                elif member.isdir():
                    members.pop(path, None)
                else:
                    members[path] = ("special", 0, "")
            end = file.offset
        if any(tar[end:end + BLOCK]):  # it ends an archive at a header that it does not understand
            return "a bad header ends it"
    except (tarfile.TarError, ValueError, OSError, OverflowError, EOFError) as error:
        return f"{type(error).__name__}: {error}"
    return members


def bsdtar_members(tar):
    """What bsdtar reads, written by it as a tar that Python reads without doubt."""
    done = subprocess.run(["bsdtar", "-c", "--format=pax", "-f", "-", "@-"], input=tar, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, env={**os.environ, "LC_ALL": "C.UTF-8"})
    if done.returncode:
        return done.stderr.decode(errors="replace").strip()[-200:]
    return python_members(done.stdout)


LINE = re.compile(rb"^(.)\S+ \S+ +(\d+)(?:,\s*\d+)? \S+ \S+ (.*)$")


def gnu(tar):
    done = subprocess.run(["tar", "-tv", "--numeric-owner", "--quoting-style=escape", "-f", "-"],
                          input=tar, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          env={**os.environ, "LC_ALL": "C"})
    if done.returncode:
        return done.stderr.decode(errors="replace").strip()[-200:]
    members = {}
    for line in done.stdout.splitlines():
        match = LINE.match(line)
        if not match:
            return f"a line that is not understood: {line!r}"
        mark, length, rest = match[1].decode(), int(match[2]), match[3]
        if mark == "d":
            members.pop(clean(unescape(rest)), None)
        elif mark == "l":
            path, target = rest.split(b" -> ", 1)
            members[clean(unescape(path))] = ("link", unescape(target))
        elif mark == "h":
            path, target = rest.split(b" link to ", 1)
            target = unescape(target)
            members[clean(unescape(path))] = members.get(clean(target), ("dangling", target))
        else:
            members[clean(unescape(rest))] = ("file" if mark in "-C" else "special", length if mark in "-C" else 0)
    return members


ESCAPES = {b"n": b"\n", b"t": b"\t", b"\\": b"\\", b"b": b"\b", b"r": b"\r", b"f": b"\f", b"v": b"\v", b"a": b"\a",
           b" ": b" "}


def unescape(name):
    text = re.sub(rb"\\([0-7]{3}|.)",
                  lambda m: bytes([int(m[1], 8)]) if len(m[1]) == 3 else ESCAPES.get(m[1], m[1]), name)
    return text.decode("utf-8", "surrogateescape")

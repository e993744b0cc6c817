#!/usr/bin/env python3
"""Makes seeds for a fuzz target from real formats: seeds.py TARGET FOLDER

The tars are written by Python's tarfile and, for what it cannot write, by hand.
"""
import gzip
import hashlib
import io
import json
import pathlib
import struct
import sys
import tarfile


# Protobuf, as far as Sources/LayerFormat/layer.proto needs it.


def varint(number):
    number &= (1 << 64) - 1
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes(out) + bytes([number])


def integer(field, number):
    return varint(field << 3) + varint(number)


def blob(field, data):
    data = data.encode() if isinstance(data, str) else data
    return varint(field << 3 | 2) + varint(len(data)) + data


def packed(field, numbers):
    return blob(field, b"".join(varint(number) for number in numbers))


def zigzag(number):
    return (number << 1) ^ (number >> 63)


def sha(text):
    return hashlib.sha256(text.encode()).digest()


def recipe(members, chunk_sizes):
    """Members are (path, kind, mode or None, size or None, target or None)."""
    shared, suffixes, previous = [], [], b""
    for path, *_ in members:
        path = path.encode()
        count = 0
        while count < min(len(path), len(previous)) and path[count] == previous[count]:
            count += 1
        shared.append(count)
        suffixes.append(path[count:])
        previous = path
    targets = [target.encode() for *_, target in members if target is not None]
    columns = (
        packed(1, shared)
        + packed(2, [len(suffix) for suffix in suffixes])
        + blob(3, b"".join(suffixes))
        + blob(4, bytes(kind for _, kind, *_ in members))
        + packed(5, [mode for _, _, mode, _, _ in members if mode is not None])
        + packed(6, [size for _, _, _, size, _ in members if size is not None])
        + packed(7, [len(target) for target in targets])
        + blob(8, b"".join(targets))
    )
    digests = b"".join(sha(str(index)) for index in range(len(chunk_sizes)))
    return (
        integer(1, 1)
        + integer(2, sum(chunk_sizes))
        + blob(3, sha("tree"))
        + packed(4, chunk_sizes)
        + blob(5, digests)
        + blob(6, columns)
        + blob(7, sha("contents"))
    )


MEMBERS = [
    ("d", 0, 0o755, None, None),
    ("d/e", 0, 0o700, None, None),
    ("d/e/a", 1, 0o644, 1000, None),
    ("d/l", 2, None, None, "../x"),
    ("d/a.pyc", 1, 0o600, 2000, None),
    ("d/b.pyc", 3, None, None, "d/a.pyc"),
]


def stamps():
    sparse = integer(1, 2) + packed(2, [0, 4096, 8192, 100])
    return (
        integer(1, 1)
        + packed(2, [zigzag(delta) for delta in (1_700_000_000_000_000_000, -5, 0, 7)])
        + packed(3, [1, 1])
        + blob(4, struct.pack("<II", 1_700_000_000, 7))
        + blob(5, sparse)
    )


def layer_blobs():
    yield b"\0" + recipe(MEMBERS, [8192])
    yield b"\0" + recipe([], [1024])
    yield b"\0" + recipe(MEMBERS[:2], [2097152, 512])
    yield b"\0" + recipe([("a" * 200 + "/" + "b" * 200, 1, 0o644, 1 << 50, None)], [1])
    yield b"\1" + stamps()
    for count in range(3):
        yield b"\2" + blob(1, b"".join(sha(str(index)) for index in range(count)))


def entry_records():
    layer = (
        blob(1, "venv")
        + blob(2, "workdir")
        + b"".join(blob(field, sha(str(field))) for field in (3, 4, 5))
        + integer(6, 123456)
        + integer(7, 12)
        + integer(8, 2)
    )
    part = blob(1, ".Branch") + blob(2, "main")
    literal = blob(1, "deps-") + blob(2, "deps-") + integer(3, 1)
    file = blob(1, "requirements.txt") + blob(2, sha("r")) + blob(3, "flask==3.0\n")
    provenance = blob(1, "deps-{{ .Branch }}") + blob(2, literal) + blob(2, part) + blob(3, file)
    provenance += b"".join(blob(field, text) for field, text in ((4, "main"), (5, "abc"), (6, "7"), (7, "circleci"), (8, "h")))
    head = integer(1, 1) + blob(2, "acme/shop") + blob(3, "shared") + blob(4, "deps-main") + integer(5, 1_700_000_000_000)
    yield head + blob(7, layer) + blob(8, provenance)
    yield head + integer(6, 1_800_000_000_000) + blob(7, layer) + blob(7, layer) + blob(8, blob(1, "x"))
    yield head + blob(7, blob(1, ".") + blob(2, "home")) + blob(15, bytes(32))


# Tars.


def header(name, size=0, flag=b"0", target=b"", magic=b"ustar\x0000", mode=0o644, prefix=b"", extra=b""):
    block = bytearray(512)
    block[0 : len(name)] = name
    block[100:108] = b"%07o\0" % mode
    block[108:124] = b"0000000\x000000000\0"
    block[124:136] = b"%011o\0" % size if isinstance(size, int) else size
    block[136:148] = b"%011o\0" % 1_700_000_000
    block[156:157] = flag
    block[157 : 157 + len(target)] = target
    block[257:265] = magic
    block[345 : 345 + len(prefix)] = prefix
    if extra:
        block[386 : 386 + len(extra)] = extra
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def padded(data):
    return data + bytes(-len(data) % 512)


def record(keyword, value):
    keyword, value = keyword.encode(), value if isinstance(value, bytes) else value.encode()
    rest = len(keyword) + len(value) + 3
    length = rest + len(str(rest))
    if len(str(length)) != len(str(rest)):
        length = rest + len(str(length))
    return b"%d %s=%s\n" % (length, keyword, value)


def pax(*records, flag=b"x"):
    data = b"".join(record(keyword, value) for keyword, value in records)
    return header(b"PaxHeaders/x", len(data), flag) + padded(data)


GNU = b"ustar  \0"
END = bytes(1024)


def old_extents(*extents):
    return b"".join(b"%011o\0%011o\0" % extent for extent in extents)


def written(format, compressed=None):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=format) as tar:
        def add(name, type=tarfile.REGTYPE, data=b"", **fields):
            info = tarfile.TarInfo(name)
            info.type, info.size, info.mtime = type, len(data), 1_700_000_000.5 if format == tarfile.PAX_FORMAT else 1_700_000_000
            for field, value in fields.items():
                setattr(info, field, value)
            tar.addfile(info, io.BytesIO(data))

        add("venv", tarfile.DIRTYPE, mode=0o755)
        add("venv/a.txt", data=b"hello\n")
        add("venv/empty")
        add("venv/hard", tarfile.LNKTYPE, linkname="venv/a.txt")
        add("venv/soft", tarfile.SYMTYPE, linkname="../elsewhere")
        if format != tarfile.USTAR_FORMAT:
            add("venv/" + "n" * 150, data=b"x" * 600)
            add("venv/ünïcode", tarfile.SYMTYPE, linkname="t" * 150)
        add("venv/sub/deep/file.pyc", data=b"\x6f\r\r\n" + bytes(12) + b"code")
    tar = out.getvalue().rstrip(b"\0")
    return padded(tar) + END


def tars():
    for format in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        yield written(format)
    yield END
    yield b""
    yield header(b"v7", 5, b"\0", magic=bytes(8)) + padded(b"hello") + END
    yield header(b"dir/", 0, b"\0", magic=bytes(8)) + header(b"dir/f", 0, b"7") + END
    yield header(b"name", 3, prefix=b"pre/fix") + padded(b"abc") + END
    yield header(b"./", 0, b"5") + header(b"./a", 0) + header(b"./a/", 0, b"5") + END
    yield pax(("path", "d/long"), ("size", "4"), ("mtime", "-1.25")) + header(b"short", 0) + padded(b"abcd") + END
    yield pax(("comment", "x"), ("mtime", "5"), flag=b"g") + header(b"a", 0) + pax(("mtime", "")) + header(b"b", 0) + END
    yield pax(("hdrcharset", "BINARY"), ("linkpath", b"\xff\xfe")) + header(b"l", 0, b"2", b"x") + END
    yield header(b"././@LongLink", 130, b"L", magic=GNU) + padded(b"p" * 129 + b"\0") + header(b"p" * 100, 0, magic=GNU) + END
    yield header(b"././@LongLink", 121, b"K", magic=GNU) + padded(b"t" * 120 + b"\0") + header(b"l", 0, b"2", b"t", magic=GNU) + END
    yield header(b"big", b"\x80" + (3).to_bytes(11, "big"), magic=GNU) + padded(b"abc") + END
    # Sparse: the old form with and without extension blocks, and the three PAX forms.
    real = b"%011o\0" % 10_000
    yield header(b"s", 512, b"S", magic=GNU, extra=old_extents((0, 256), (8192, 256)) + bytes(49) + real) + bytes(512) + END
    extension = old_extents(*((512 * (4 + index), 1) for index in range(3)))
    yield (
        header(b"s", 7, b"S", magic=GNU, extra=old_extents(*((512 * index, 1) for index in range(4))) + b"\1" + real)
        + extension + bytes(512 - len(extension)) + padded(b"abcdefg") + END
    )
    yield pax(("GNU.sparse.size", "1000"), ("GNU.sparse.numblocks", "1"), ("GNU.sparse.map", "100,4")) + header(b"s", 4) + padded(b"abcd") + END
    yield (
        pax(("GNU.sparse.size", "1000"), ("GNU.sparse.numblocks", "2"), ("GNU.sparse.offset", "0"), ("GNU.sparse.numbytes", "2"),
            ("GNU.sparse.offset", "500"), ("GNU.sparse.numbytes", "2")) + header(b"s", 4) + padded(b"abcd") + END
    )
    content = padded(b"2\n0\n4\n900\n0\n") + padded(b"abcd")
    yield (
        pax(("GNU.sparse.major", "1"), ("GNU.sparse.minor", "0"), ("GNU.sparse.name", "s"), ("GNU.sparse.realsize", "900"))
        + header(b"GNUSparseFile.0/s", 516) + content + END
    )


def streams():
    tar = written(tarfile.USTAR_FORMAT)
    for data in (b"", b"hello", tar[:1536]):
        yield b"\3" + data
        yield b"\3" + gzip.compress(data, mtime=0)
        yield b"\x10" + gzip.compress(data, mtime=0) + gzip.compress(b"more", 1, mtime=0)
        yield b"\6" + frame(data)
        yield b"\x20" + frame(data) + frame(b"more") + skippable(b"abc")
    yield b"\2" + gzip.compress(b"hello", mtime=0)[:-3]
    yield b"\2" + gzip.compress(bytes(50_000), mtime=0)
    yield b"\2" + rle(200_000)


def frame(data):
    """A zstd frame with one raw block."""
    size = len(data)
    head = b"\x28\xb5\x2f\xfd" + bytes([0xA0]) + size.to_bytes(4, "little")
    return head + (size << 3 | 1).to_bytes(3, "little") + data


def rle(size):
    """A zstd frame that says one byte many times."""
    head = b"\x28\xb5\x2f\xfd" + bytes([0xA0]) + size.to_bytes(4, "little")
    blocks, left = b"", size
    while left:
        part = min(left, 100_000)
        left -= part
        blocks += (part << 3 | 2 | (left == 0)).to_bytes(3, "little") + b"z"
    return head + blocks


def skippable(data):
    return b"\x50\x2a\x4d\x18" + len(data).to_bytes(4, "little") + data


def frames():
    for data in (b"", b"hello", b"hello" * 100):
        yield frame(data)
        yield frame(data) + frame(data)
        yield data
    yield rle(200_000)
    yield skippable(b"abc")
    # A frame without a content size.
    yield b"\x28\xb5\x2f\xfd\x00\x58" + (5 << 3 | 1).to_bytes(3, "little") + b"hello"


def uploads():
    yield from tars()
    for format in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        yield gzip.compress(written(format), mtime=0)
        yield frame(written(format))


def piece(data):
    data = data.encode() if isinstance(data, str) else data
    return bytes([len(data)]) + data


def members():
    yield b"\1\1" + b"\0" + b"\0" + piece("d") + b"\x44" + b"\1" + b"\2\0" + piece("a.txt") + b"\x44\x05"
    yield b"\0\0" + b"\0" + b"\0" + piece("d") + b"\x44" + b"\3\2\0" + piece("l") + b"\0" + piece("d/a")
    yield b"\1\0" + b"\0\0" + piece("a") + b"\x44" + b"\1\0" + piece("a.b") + b"\x44\1" + b"\3\0" + piece("c.b") + b"\1\1"
    yield b"\1\1\2\0" + piece("..") + b"\0" + piece("x")


def templates():
    return [
        text.encode()
        for text in (
            'v1-deps-{{ .Branch }}-{{ checksum "requirements.txt" }}',
            "{{ arch }}-{{ .Revision }}-{{ .BuildNum }}-{{ epoch }}-{{ .Environment.A_B }}-{{ .CheckoutKey }}",
            "a {{- .Branch -}} b",
            '{{ checksum `a.txt` "sub/*.txt" "**/b.txt" }}',
            """{{ hashFiles('**/*.txt', "!a.txt", 'it"s') }}""",
            '{{ hashFiles "[a-c].txt" "[!a]?.txt" }}',
            "<< parameters.x >>-{{ .Branch }}<<pipeline.id>>",
            '{{ checksum "~/x.txt" "/w/a.txt" "a\\"\\\\\\n\\t.txt" }}',
            "{{ parameters.x }}",
            "{ { {{{ .Branch }}}",
            "{{ .Environment }}{{.X.Y}}",
            "Größe-{{ .Branch }}-日本",
        )
    ]


def globs():
    pairs = [
        ("**/*.txt", "a/b/c.txt"), ("a/**", "a/b"), ("**", "a"), ("[a-c]?[!x]*", "abcd"), ("~/x/*", "~/x/y"), ("/a/**/b", "/a/b"),
        ("**/a/**/a/**/b", "a/a/a/a/b"), ("[]]*[", "]x["), ("*a*b*c*", "xxaxxbxxc"), ("./a//b", "a/b"), ("[z-a]", "b"), ("é*", "é"),
    ]
    return [f"{pattern}\0{name}".encode() for pattern, name in pairs]


def words():
    yield b"\0" + hashlib.sha256(b"x").hexdigest().encode()
    for text in ("deps-v1", "k" * 900, "é", "e\u0301"):
        yield b"\1" + text.encode()
    for text in ("acme/shop", "acme/*", "*", "a.b-c_d/e", "/", "a/b/c"):
        yield b"\2" + text.encode()
    for one, other in (("branch/main", "branch/main"), ("é", "e\u0301"), ("release/*", "release/1"), ("a*b*c", "axbxc"), ("**", "x")):
        yield b"\3" + piece(one) + piece(other)
    for text in ("50GB", "1.5 GiB", "512kib", "7d", "500ms", "2w", "9" * 30, "1e5"):
        yield b"\4" + text.encode()
    for text in ("https://user:pass@host/owner/name.git?x#y", "git@host:owner/name.git", "/srv/repo", "file:///x/.git", "ssh://a@b@c/d", "a/b/c/d"):
        yield b"\5" + text.encode()
    for text in ("a%2Fb", "%e2%82%ac", "%ff", "%", "%zz", "+"):
        yield b"\6" + text.encode()
    for text in ("bytes=0-", "bytes=-5", "bytes=5-9", "bytes=0-0,5-6", "bytes=9223372036854775807-", "bytes=-9223372036854775807"):
        yield b"\7" + struct.pack(">Q", 2000) + b"\0" + text.encode()


def messages():
    digest = hashlib.sha256(b"x").hexdigest()
    layer = {
        "path": "venv", "anchor": "workdir", "treeDigest": digest, "recipe": digest, "stamps": digest, "size": 1, "memberCount": 1,
        "chunkCount": 1,
    }
    provenance = {
        "template": "k", "parts": [{"source": "k", "value": "k", "isLiteral": True}],
        "files": [{"path": "r.txt", "digest": digest, "text": "é"}], "branch": "main",
    }
    entry = {
        "id": 1, "project": "acme/shop", "scope": "shared", "key": "k", "layers": [layer], "provenance": provenance, "createdAt": 1,
        "lastUsedAt": 2, "expiresAt": 3, "isPinned": False, "removal": {"at": 4, "reason": "evicted"},
    }
    documents = [
        {"keys": [{"key": "k", "match": "prefix", "provenance": provenance}], "scope": "pr/1", "isDryRun": True},
        {"session": "s", "layers": [layer], "provenance": provenance, "scope": "shared", "ttlSeconds": 60, "replace": False},
        {"session": "s", "trees": [digest]},
        {"session": "s", "digests": [digest, digest]},
        {"action": "remove", "key": "k", "prefix": None, "scope": "shared", "isDryRun": False},
        {"entry": entry, "keyIndex": 0, "isExact": True, "lease": "l", "explanations": [{"key": "k", "summary": "s", "details": ["d"]}]},
        {"entries": [entry], "cursor": "c"},
        {"events": [{"key": "k", "scope": "shared", "kind": "saved", "at": 1, "detail": ""}]},
    ]
    for index, document in enumerate(documents):
        yield bytes([index]) + json.dumps(document).encode()
        yield bytes([index]) + json.dumps(document, ensure_ascii=False, indent=1).encode()
    yield b'\2{"session":"\\ud83d\\ude00","trees":[]}'
    yield b"\3[[[[[[[[[[[[[[[["


def blob_records():
    def one(data, encoding, stored):
        return hashlib.sha256(data).digest() + bytes([encoding, 0, 0, 0]) + struct.pack("<II", len(data), len(stored)) + stored

    yield b"\0" + one(b"hello", 0, b"hello")
    yield b"\x07" + one(b"hello", 0, b"hello") + one(b"", 0, b"") + one(b"x" * 100, 1, frame(b"x" * 100))
    yield b"\x2b" + one(b"hello", 0, b"hello")[:-1]


def yaml():
    texts = [
        "restore_cache:\n  keys:\n    - v1-{{ checksum \"a\" }}\n    - v1-\n",
        "- save_cache:\n    key: 'v1-{{ .Branch }}'\n    paths: [a, ~/b]\n    when: always\n",
        "keys: [a, b]\n",
        """version: 2.1
x: &x {a: 1}
commands:
  c:
    parameters: {s: {type: steps, default: [{restore_cache: {key: k}}]}}
    steps: [{when: {condition: true, steps: [{save_cache: {key: k, paths: [p]}}]}}]
jobs:
  j:
    <<: *x
    steps:
      - restore_cache: {keys: [k-, "k-{{ .Revision }}"]}
      - save_cache: {key: "k-{{ epoch }}", paths: [p]}
workflows: {w: {jobs: [{j: {pre-steps: [{restore_cache: [k]}]}}]}}
orbs: {o: {jobs: {}}}
""",
        "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n",
        "? [k]\n: v\n",
        "a: |\n  text\n  more\nb: >-\n  x\n",
        "--- a\n--- b\n",
        "%YAML 1.2\n---\n!!str x\n",
    ]
    return [text.encode() for text in texts]


def policies():
    yield bytes(range(64))
    yield bytes([1, 0, 0, 1, 1, 1, 1, 0, 5, 0, 0, 1, 0, 2, 4]) + b"main" + bytes(20)
    yield bytes([1, 0, 1, 0, 0, 0, 0, 0, 6, 4, 1]) + b"7" + bytes([1, 4]) + b"main" + bytes([0, 0, 1, 1, 2, 1]) + b"x"
    yield bytes([1, 1, 4]) + b"main" + bytes([1, 1, 9]) + b"release/*" + bytes([1, 1, 1, 0, 2, 0, 2, 9]) + b"release/1" + bytes(20)


def requests():
    chunked = b"POST /a HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n"
    yield b"\0" + chunked + b"5;a=b\r\nhello\r\n0\r\nTrailer: x\r\n\r\n" + chunked + b"0;" + b"a" * 300 + b"\r\n\r\n"
    yield b"\7" + b"PUT /a HTTP/1.1\r\ncontent-length:  5 \r\n\r\nhelloGET / HTTP/1.1\r\nHost: t\r\n\r\n" + chunked + b"ff\r\n" + bytes(255)
    yield b"\x20" + b"\r\n\nGET / HTTP/1.1\nA: b\n\n" + chunked + b"zz\r\n"


def identities():
    yield b"\1" + b"""default: {mode: shared}
issuers:
  github: {provider: github, url: "https://token.actions.githubusercontent.com", audience: "https://cache.example.com"}
  ci: {provider: circleci, url: "https://oidc.circleci.com/org/1", audience: "1", jwks-url: "https://x/y"}
projects:
  acme/shop:
    mode: isolated
    default-branch: main
    protected-branches: [main, "release/*"]
    forks-save: true
    identities:
      - {issuer: github, claims: {repository_id: ["1", "2"]}, protected-claims: {environment: prod}}
"""
    yield b"\1" + b"projects: {a/b: {identities: [{issuer: x, claims: {}}]}}"
    for claims in (
        {"ref": "refs/pull/7/merge", "event_name": "pull_request", "base_ref": "main", "repository_id": 1, "aud": ["a", "b"]},
        {"oidc.circleci.com/vcs-ref": "refs/heads/main", "oidc.circleci.com/ssh-rerun": False, "oidc.circleci.com/vcs-origin": "x"},
        {"ref_path": "refs/merge-requests/1/head", "pipeline_source": "merge_request_event", "project_id": "1", "job_project_id": "1"},
        {"ref_type": "tag", "ref": "v1", "trusted": True, "exp": 1.5e300, "x": {"a": None}, "y": [1]},
    ):
        yield b"\0" + json.dumps(claims).encode()


SEEDS = {
    "FuzzTarReader": tars,
    "FuzzTarUpload": uploads,
    "FuzzStreams": streams,
    "FuzzFrames": frames,
    "FuzzLayerBlobs": layer_blobs,
    "FuzzEntryRecord": entry_records,
    "FuzzMembers": members,
    "FuzzTemplates": templates,
    "FuzzGlobs": globs,
    "FuzzWords": words,
    "FuzzMessages": messages,
    "FuzzBlobRecords": blob_records,
    "FuzzYAML": yaml,
    "FuzzPolicy": policies,
    "FuzzRequests": requests,
    "FuzzIdentities": identities,
}


def main():
    target, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(SEEDS[target]()):
        (folder / f"{number:03}").write_bytes(data)


if __name__ == "__main__":
    main()

"""Blobs as the native API carries them, and requests that upload them."""

import hashlib
import json
import os
import struct
import urllib.error
import urllib.request

from . import measure

PROJECT = "bench/web"
MEDIA = "application/vnd.tarn.blobs"
MAGIC, BLOCK = 0xFD2FB528, 128 << 10


def frame(content):
    """A zstd frame of stored blocks: what the client sends of content that does not compress."""
    size = len(content)
    if size < 256:
        head = struct.pack("<IBB", MAGIC, 0x20, size)
    elif size < 65_792:
        head = struct.pack("<IBH", MAGIC, 0x60, size - 256)
    else:
        head = struct.pack("<IBI", MAGIC, 0xA0, size)
    blocks = [content[start:start + BLOCK] for start in range(0, size, BLOCK)]
    parts = [head]
    for number, block in enumerate(blocks):
        header = len(block) << 3 | (number == len(blocks) - 1)
        parts += [struct.pack("<I", header)[:3], block]
    return b"".join(parts)


def record(content):
    """The record of a blob: 44 bytes of header and its frame (BlobRecordCoding.swift)."""
    stored = frame(content)
    return hashlib.sha256(content).digest() + struct.pack("<B3xII", 1, len(content), len(stored)) + stored


def request(method, path, body, media="application/octet-stream"):
    """The bytes of a request, with its length in front as floors/client.c reads it."""
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", f"Content-Type: {media}", f"Content-Length: {len(body)}"]
    message = "\r\n".join([*lines, "", ""]).encode() + body
    return struct.pack("<I", len(message)) + message


def upload_path(session):
    return f"/v1/projects/{PROJECT}/blobs?session={session}"


def ask(server, path, body=None, media="application/json"):
    """One request; its answer's bytes. An error shows what the server said."""
    question = urllib.request.Request(server.url + path, body, {"Content-Type": media})
    try:
        with urllib.request.urlopen(question, timeout=600) as answer:
            return answer.read()
    except urllib.error.HTTPError as error:
        raise measure.CommandFailed(f"{path}: {error.code} {error.read().decode(errors='replace')}")


def upload(server, contents, session):
    """Uploads blobs; the digests in hexadecimal. The session's pins make them visible."""
    for start in range(0, len(contents), 32):
        body = b"".join(record(content) for content in contents[start:start + 32])
        ask(server, upload_path(session), body, MEDIA)
    return [hashlib.sha256(content).hexdigest() for content in contents]


def require_stored(server, digests, session, content):
    """Fails unless the server has all of these blobs and sends the first of them as it was."""
    path = f"/v1/projects/{PROJECT}/blobs/"
    body = json.dumps({"session": session, "digests": digests[:8000]}).encode()
    missing = json.loads(ask(server, path + "missing", body))["missing"]
    if missing:
        raise measure.CommandFailed(f"{len(missing)} of {len(digests)} uploaded blobs are not in the store")
    if ask(server, path + "fetch", json.dumps({"digests": digests[:1]}).encode()) != record(content):
        raise measure.CommandFailed("a blob came back as another one")


def contents(count, size):
    return [os.urandom(size) for _ in range(count)]

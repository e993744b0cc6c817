"""Blobs as the native API carries them, and requests that upload them."""

import hashlib
import json
import os
import struct
import urllib.request

from . import measure

PROJECT = "bench/web"


def record(content):
    """The record of a blob that is stored raw: 44 bytes of header and the bytes (BlobRecordCoding.swift)."""
    return hashlib.sha256(content).digest() + struct.pack("<B3xII", 0, len(content), len(content)) + content


def request(method, path, body, media="application/octet-stream"):
    """The bytes of a request, with its length in front as floors/client.c reads it."""
    head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {media}\r\nContent-Length: {len(body)}\r\n\r\n"
    message = head.encode() + body
    return struct.pack("<I", len(message)) + message


def upload_path(session):
    return f"/v1/projects/{PROJECT}/blobs?session={session}"


def upload(server, contents, session):
    """Uploads blobs; the digests in hexadecimal. The session's pins make them visible."""
    digests = []
    for start in range(0, len(contents), 32):
        some = contents[start:start + 32]
        body = b"".join(record(content) for content in some)
        headers = {"Content-Type": "application/vnd.tarn.blobs"}
        with urllib.request.urlopen(urllib.request.Request(server.url + upload_path(session), body, headers)) as answer:
            answer.read()
        digests += [hashlib.sha256(content).hexdigest() for content in some]
    return digests


def require_stored(server, digests, session):
    """Fails unless the server has all of these blobs and sends the first of them as it was."""
    body = json.dumps({"session": session, "digests": digests[:2000]}).encode()
    path = f"/v1/projects/{PROJECT}/blobs/missing"
    with urllib.request.urlopen(urllib.request.Request(server.url + path, body)) as answer:
        missing = json.load(answer)["missing"]
    if missing:
        raise measure.CommandFailed(f"{len(missing)} of {len(digests)} uploaded blobs are not in the store")
    body = json.dumps({"digests": digests[:1]}).encode()
    path = f"/v1/projects/{PROJECT}/blobs/fetch"
    with urllib.request.urlopen(urllib.request.Request(server.url + path, body)) as answer:
        header, content = answer.read(44), answer.read()
    if header[32] != 0 or hashlib.sha256(content).hexdigest() != digests[0]:
        raise measure.CommandFailed("a blob came back as another one")


def contents(count, size):
    return [os.urandom(size) for _ in range(count)]

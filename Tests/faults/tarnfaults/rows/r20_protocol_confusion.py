"""Row 20. Fault: requests whose end two servers may see at different places, and floods of HTTP/2 frames.

Invariant: no desync: a request hidden in another's body is never answered as one of its own; after a malformed request
the connection ends; other clients are not affected. How: raw bytes to the server, and through HAProxy and nginx. Each
vector hides a `GET …/statistics`, which nothing else asks for; the server's log must not have one more of them after a
vector whose framing is doubtful (unless a proxy took it for a request of its own, and answered it), and a proxy's answer
to the next, innocent request must be the right one.
"""

import os
import re
import shutil
import socket
import subprocess
import time

from ..board import Skip, row
from ..server import Server

OK, ANSWER = b"HTTP/1.1 200", re.compile(rb"HTTP/1\.1 \d{3} ")


@row(20, "protocol-confusion", "requests with doubtful ends, direct and behind HAProxy and nginx, HTTP/2 floods",
     "no hidden request is answered, others are unaffected", plants=("answered hidden request",))
def run(context, tally):
    server = Server(context, "--header-timeout", "2s", "--body-timeout", "2s", "--idle-timeout", "5s")
    ports = {"direct": server.port}
    for name, start in (("haproxy", haproxy), ("nginx", nginx)):
        if shutil.which(name):
            ports[name] = start(context, server.port)
    if len(ports) < 3:
        raise Skip(f"haproxy and nginx are needed, there is {', '.join(ports)}")
    number = 0
    for way, port in ports.items():
        for name, make, doubtful in vectors():
            number += 1
            hidden = f"GET /v1/projects/hidden/n{number}/statistics HTTP/1.1\r\nHost: x\r\n\r\n".encode()
            before = hidden_requests(server)
            answers = send(port, make(hidden))
            innocent(tally, port, f"{way}, {name}")
            if context.planted("answered hidden request"):
                send(server.port, hidden)
            if doubtful and way == "direct":
                count = len(ANSWER.findall(answers))
                tally.hold(count <= 1, f"{way}, {name}: {count} answers")
                tally.hold(not answers.startswith(OK), f"{way}, {name}: answered 200")
            tally.case()
            # A proxy may take what is hidden for a second request of the same client: then the client gets two answers.
            if doubtful and (way == "direct" or len(ANSWER.findall(answers)) < 2):
                tally.hold(hidden_requests(server) == before, f"{way}, {name}: the hidden request was answered")
            tally.hold(server.runs, f"{way}, {name}: the server ended")
            if context.plant and tally.violations:
                return
    dead_connections(tally, server)
    floods(context, tally, server, ports)
    tally.figure(vectors=number, ways=len(ports))
    tally.need(number >= 60, f"only {number} vectors, 60 are wanted")


def send(port, message, wait=0.25):
    """All that comes back within a moment."""
    received = b""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            for part in message if isinstance(message, list) else [message]:
                connection.sendall(part)
                time.sleep(0.01)
            connection.settimeout(wait)
            while len(received) < 1 << 20:
                part = connection.recv(65536)
                if not part:
                    break
                received += part
    except OSError:
        pass
    return received


def innocent(tally, port, where):
    """Another client's request, which a desync would answer with something else; without an answer it asks again."""
    answer = b""
    for _ in range(2):  # a proxy may have taken a connection that the server was just closing
        answer = answer or send(port, b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", wait=5)
    tally.hold(answer.startswith(OK) and b'"status"' in answer, f"{where}: another client got {answer[:120]!r}")


def hidden_requests(server):
    """How many requests the server has answered that nothing but a hidden one asks for; its log names their route."""
    with open(server.log, errors="replace") as file:
        return sum('"route":"/v1/projects/{owner}/{name}/statistics"' in line for line in file)


def post(headers, body, path="/v1/projects/a/b/resolve", line=b"POST %s HTTP/1.1\r\n", end=b"\r\n"):
    head = line % path.encode() + b"Host: x\r\nContent-Type: application/json\r\n"
    return head + b"".join(header + end for header in headers) + end + body


def vectors():
    """(name, function of the hidden request's bytes, whether its framing is doubtful)."""
    chunk = b"0\r\n\r\n"

    def length(hidden, body=b""):
        return b"Content-Length: %d" % len(body + hidden)

    yield "CL and TE", lambda h: post([length(h, chunk), b"Transfer-Encoding: chunked"], chunk + h), True
    yield "TE and CL", lambda h: post([b"Transfer-Encoding: chunked", b"Content-Length: 4"], chunk + h), True
    yield "two CL, other", lambda h: post([b"Content-Length: 0", length(h)], h), True
    yield "two CL, other, reversed", lambda h: post([length(h), b"Content-Length: 0"], h), True
    yield "CL list", lambda h: post([b"Content-Length: 0, %d" % len(h)], h), True
    for value in (b"+0", b"-1", b"0x0", b"00 00", b"0 ,", b"\x0b0", b"1e1", b"", b"99999999999999999999999", b"0;a"):
        yield f"CL {value!r}", lambda h, v=value: post([b"Content-Length: " + v], h), True
    for value in (b"xchunked", b"chunked, identity", b"identity", b"chunked;a=b", b"\x0bchunked",
                  b"gzip, chunked", b'"chunked"', b"chunked, chunked", b"chunked\x00", b"cow", b"chunked , x"):
        yield (f"TE {value!r} and CL", lambda h, v=value: post([b"Transfer-Encoding: " + v, length(h, chunk)],
                                                            chunk + h), True)
    for header in (b"Transfer-Encoding : chunked", b" Transfer-Encoding: chunked", b"Transfer-Encoding\t: chunked",
                   b"X: y\r\n Transfer-Encoding: chunked", b"Transfer-Encoding:\r\n chunked",
                   b"Content-Length : 0", b"Content-Length\x00: 0", b"X: y\rTransfer-Encoding: chunked",
                   b"X: y\nTransfer-Encoding: chunked", b"Trans\xc3\xa9fer-Encoding: chunked"):
        yield f"header {header!r}", lambda h, x=header: post([x, b"Content-Length: 0"], chunk + h), True
    for size in (b"0x0", b"-0", b"+0", b"0 0", b"\x0b0", b"g", b"ffffffffffffffffff", b"1\n", b"0_0", b"",
                 b"00000000000000000000000000000000000000000000000000000000000000000000000000000001"):
        yield (f"chunk size {size!r}", lambda h, s=size: post([b"Transfer-Encoding: chunked"],
                                                            s + b"\r\n\r\n" + h), True)
    yield "chunk without its end", lambda h: post([b"Transfer-Encoding: chunked"], b"1\r\naXX0\r\n\r\n" + h), True
    yield "bare LF after the head", lambda h: post([b"Content-Length: 0"], b"", end=b"\n") + b"\x00" + h, True
    yield "a long chunk extension", lambda h: post([b"Transfer-Encoding: chunked"],
                                                  b"0;" + b"a" * 70_000 + b"\r\n\r\n" + h), True
    yield "NUL in the path", lambda h: post([b"Content-Length: 0"], b"", path="/v1/\0") + h, True
    yield "no version", lambda h: b"GET /healthz\r\n\r\n" + h, True
    yield "HTTP/0.9", lambda h: b"GET /healthz HTTP/0.9\r\nHost: x\r\n\r\n" + h, True
    yield "HTTP/3.7", lambda h: b"GET /healthz HTTP/3.7\r\nHost: x\r\n\r\n" + h, True
    yield "two Host", lambda h: b"GET /healthz HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", False
    yield "space before the colon of Host", lambda h: b"GET /healthz HTTP/1.1\r\nHost : x\r\n\r\n" + h, True
    yield "CR in the path", lambda h: b"GET /healthz\r HTTP/1.1\r\nHost: x\r\n\r\n" + h, True
    yield "absolute target", lambda h: b"GET http://other/healthz HTTP/1.1\r\nHost: x\r\n\r\n", False
    yield "CONNECT", lambda h: b"CONNECT other:443 HTTP/1.1\r\nHost: other:443\r\n\r\n" + h, True
    yield "upgrade to h2c", lambda h: (b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\n"
                                      b"Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAA\r\n\r\n"), False
    yield "a body with GET", lambda h: (b"GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(h)
                                       + h), False
    yield "a megabyte of head", lambda h: b"GET / HTTP/1.1\r\nX: " + b"a" * (1 << 20) + b"\r\n\r\n" + h, True
    yield "ten thousand headers", lambda h: b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 10_000 + b"\r\n" + h, True


def dead_connections(tally, server):
    """A connection that was answered and not closed must answer again: a proxy gives it to somebody else."""
    head = b"GET /healthz HTTP/1.1\r\nHost: x\r\n"
    for name, lines in (("h2c", b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"),
                        ("websocket", b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"),
                        ("TLS/1.0", b"Connection: upgrade\r\nUpgrade: TLS/1.0\r\n"), ("nothing", b""),
                        ("Expect", b"Expect: 100-continue\r\n"), ("TE", b"TE: trailers\r\n")):
        with socket.create_connection(("127.0.0.1", server.port), timeout=3) as connection:
            try:
                connection.sendall(head + lines + b"\r\n")
                first = connection.recv(65536)
                connection.sendall(head + b"\r\n")
                again = connection.recv(65536) if b"close" not in first.lower() else OK
                alive = again.startswith(OK) or not again
            except ConnectionError:
                alive = True  # closed, which a proxy sees
            except OSError:
                alive = False
        tally.hold(alive, f"direct, after an Upgrade to {name}: the connection is kept and answers nothing")
        tally.case()


def floods(context, tally, server, ports):
    """HTTP/2 frames to a server of HTTP/1: refused at once, whatever follows the preface."""
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

    def frame(kind, flags, stream, payload=b""):
        return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload

    settings = frame(4, 0, 0)
    attacks = {
        "rapid reset": [frame(1, 5, 2 * n + 1, b"\x82\x86\x84") + frame(3, 0, 2 * n + 1, bytes(4)) for n in range(5000)],
        "continuations": [frame(1, 0, 1, b"\x82")] + [frame(9, 0, 1, b"\x40\x01a\x01b") for _ in range(5000)],
        "settings": [settings] * 5000, "pings": [frame(6, 0, 0, bytes(8))] * 5000,
        "empty data": [frame(0, 0, 1)] * 5000,
    }
    for name, frames in attacks.items():
        began = time.monotonic()
        answer = send(ports["direct"], [preface + settings, b"".join(frames)], wait=10)
        tally.hold(time.monotonic() - began < 8, f"HTTP/2 {name}: the connection stays open")
        tally.hold(not answer.startswith(OK), f"HTTP/2 {name}: {answer[:80]!r}")
        innocent(tally, ports["direct"], f"HTTP/2 {name}")
        tally.case()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def haproxy(context, upstream):
    port, path = free_port(), context.path("haproxy.cfg")
    with open(path, "w") as file:
        file.write(f"""global
    maxconn 200
defaults
    mode http
    timeout connect 5s
    timeout client 10s
    timeout server 10s
    http-reuse always
frontend in
    bind 127.0.0.1:{port}
    default_backend tarn
backend tarn
    server tarn 127.0.0.1:{upstream}
""")
    return started(context, ["haproxy", "-db", "-f", path], port)


def nginx(context, upstream):
    port, folder = free_port(), context.fresh("nginx")
    path = os.path.join(folder, "nginx.conf")
    with open(path, "w") as file:
        file.write(f"""daemon off;
pid {folder}/pid;
error_log {folder}/error crit;
events {{ worker_connections 200; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    upstream tarn {{ server 127.0.0.1:{upstream}; keepalive 4; }}
    server {{
        listen 127.0.0.1:{port};
        client_max_body_size 0;
        location / {{
            proxy_pass http://tarn;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_request_buffering off;
        }}
    }}
}}
""")
    return started(context, ["nginx", "-c", path, "-p", folder], port)


def started(context, command, port):
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
    context.defer(process.wait, 10)
    context.defer(process.terminate)
    deadline = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return port
        except OSError:
            if time.monotonic() > deadline or process.poll() is not None:
                raise RuntimeError(f"{command[0]} does not start")
            time.sleep(0.05)

"""The server against nginx: blobs of four sizes, sent and received."""

import hashlib
import json
import os
import urllib.request

from . import load, measure, peers, records, tarn
from .case import Case, Side, register
from .goals import GOALS, Goal, share
from .uploads import SYNCED, Uploads

KIB, MIB = 1 << 10, 1 << 20
LIMIT = "256MiB"
BIG = 100 * MIB


class Servers:
    """A tarnd and an nginx for a series of cases."""

    def __init__(self, context):
        self.context, self.started = context, None

    def start(self):
        if self.started is None:
            arguments = ["--log-level", "warning", "--max-blob-body", LIMIT, "--session-time", "12h"]
            ours, nginx = self.context.tarn(*arguments), peers.Nginx(self.context.workspace)
            self.context.closers.append(nginx.stop)
            self.started = ours, nginx
        return self.started

    tarn = property(lambda self: self.start()[0])
    nginx = property(lambda self: self.start()[1])


def get(url, headers={}):
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=60) as answer:
        return answer.read()


class Downloads:
    """The same blobs on both servers."""

    def __init__(self, servers, size, count):
        self.servers, self.size, self.count = servers, size, count
        self.scripts = {}

    def setup(self):
        servers, contents = self.servers, records.contents(self.count, self.size)
        digests = records.upload(servers.tarn, contents, "downloads")
        folder = os.path.join(servers.nginx.files, str(self.size))
        os.makedirs(folder)
        for digest, content in zip(digests, contents):
            with open(os.path.join(folder, digest), "wb") as file:
                file.write(records.frame(content))
        paths = {"tarn": f"/v1/projects/{records.PROJECT}/blobs/", "nginx": f"/{self.size}/"}
        for name, path in paths.items():
            url = getattr(servers, name).url
            sent = get(url + path + digests[0], {"Accept-Encoding": "zstd"})
            if sent != records.frame(contents[0]):
                raise measure.CommandFailed(f"{name} sent another blob than was asked for")
            script = os.path.join(servers.context.workspace.fresh("requests"), "get.lua")
            self.scripts[name] = load.script(script, [path + digest for digest in digests],
                                              setup='wrk.headers["Accept-Encoding"] = "zstd"')

    def side(self, name, connections):
        def run(round):
            server = getattr(self.servers, name)
            seconds = 1 if self.servers.context.quick else 3
            return load.run(server.url, self.scripts[name], connections, seconds, server.process)

        command = f"wrk -t1 -c{connections} -s get.lua URL  ({self.count} different blobs)"
        return Side(name, run, command=command)


def downloads(servers, name, size, count, connections):
    load_ = Downloads(servers, size, count)
    title = f"GET of blobs of {name}, {connections} connections, no TLS; wall and CPU of 1,000 requests"
    return Case(f"get-{name}", title, [load_.side(side, connections) for side in ("tarn", "nginx")], load_.setup)


class BigDownload:
    """100 MiB that zstd cannot shrink: a stored layer, the same bytes as a file of nginx, and a batch of blobs."""

    def __init__(self, servers):
        self.servers = servers

    def setup(self):
        ours, nginx, context = self.servers.tarn, self.servers.nginx, self.servers.context
        source = context.workspace.fresh("big")
        load.random_file(os.path.join(source, "blob.bin"), BIG)
        tarn.save(context, ours, source, "big", path="blob.bin", project=records.PROJECT)
        self.paths = {"tarn": f"/v1/projects/{records.PROJECT}/entries/big/layers/0.tar.zst?form=canonical",
                      "nginx": "/big.tar.zst"}
        layer = get(ours.url + self.paths["tarn"])
        self.size, self.digest = len(layer), hashlib.sha256(layer).digest()
        with open(os.path.join(nginx.files, "big.tar.zst"), "wb") as file:
            file.write(layer)
        self.requests = os.path.join(source, "requests")

    def curl(self, name):
        def run(round):
            server = getattr(self.servers, name)
            return load.transfer(server.process, ["curl", "-sSf", "-o", "/dev/null", server.url + self.paths[name]],
                                 self.size)

        def check(round):
            if hashlib.sha256(get(getattr(self.servers, name).url + self.paths[name])).digest() != self.digest:
                raise measure.CommandFailed(f"{name} sent other bytes")

        path = "URL/v1/projects/O/N/entries/KEY/layers/0.tar.zst?form=canonical" if name == "tarn" else "URL/FILE"
        return Side(name, run, check=check, command=f"curl -sSf -o /dev/null {path}")

    def raw(self, name):
        """A reader that only takes the bytes from its socket."""

        def run(round):
            server = getattr(self.servers, name)
            path = self.requests + "-" + name
            with open(path, "wb") as file:
                file.write(records.request("GET", self.paths[name], b""))
            return load.send(server, path, 1)

        return Side(name, run, command="floors/client PORT 1 GET")


class BatchDownload:
    """100 blobs of 1 MiB in one answer, as the client asks for them."""

    def __init__(self, servers):
        self.servers = servers

    def setup(self):
        ours, nginx = self.servers.tarn, self.servers.nginx
        contents = records.contents(BIG // MIB, MIB)
        digests = records.upload(ours, contents, "batch-download")
        body = json.dumps({"digests": digests}).encode()
        folder = self.servers.context.workspace.fresh("batch")
        self.files = {"tarn": os.path.join(folder, "fetch"), "nginx": os.path.join(folder, "get")}
        with open(self.files["tarn"], "wb") as file:
            path = f"/v1/projects/{records.PROJECT}/blobs/fetch"
            file.write(records.request("POST", path, body, "application/json"))
        with open(os.path.join(nginx.files, "batch"), "wb") as file:
            file.write(b"".join(records.record(content) for content in contents))
        with open(self.files["nginx"], "wb") as file:
            file.write(records.request("GET", "/batch", b""))
        if records.ask(ours, path, body) != get(nginx.url + "/batch"):
            raise measure.CommandFailed("the batch is not the blobs that were asked for")

    def side(self, name):
        what = "POST blobs/fetch" if name == "tarn" else "GET of the same bytes"
        return Side(name, lambda round: load.send(getattr(self.servers, name), self.files[name], 1),
                    command=f"floors/client PORT 1 REQUEST  ({what})")


def uploads(servers, name, size, count, connections, together=1):
    load_ = Uploads(servers, size, count, connections, together)
    what = f"{together} blobs of 1 MiB in one body" if together > 1 else f"{count} blobs of {name}"
    title = f"PUT of {what}, {connections} connections; tarnd hashes and syncs, nginx does neither"
    sides = [load_.side("tarn", "POST blobs"), load_.side("nginx", "PUT by DAV"),
             load_.side(SYNCED, "PUT by DAV; sync -f FOLDER")]
    return Case(f"put-{name}", title, sides, servers.start)


def big_downloads(servers):
    big = BigDownload(servers)
    return [
        Case("get-100MiB", "GET of a stored layer of 100 MiB by curl, no TLS", [big.curl("tarn"), big.curl("nginx")],
             big.setup, shares=True),
        Case("get-100MiB-raw", "the same by a client that only reads its socket", [big.raw("tarn"), big.raw("nginx")]),
    ]


def batch_download(servers):
    batch = BatchDownload(servers)
    return Case("fetch-100MiB", "100 blobs of 1 MiB in one answer, against a file of the same bytes",
                [batch.side("tarn"), batch.side("nginx")], batch.setup)


def many(servers, count):
    """Fewer requests in a quick run."""
    return count // 4 if servers.context.quick else count


CASES = {
    "get-4KiB": lambda servers: downloads(servers, "4KiB", 4 * KIB, 1000, 64),
    "get-64KiB": lambda servers: downloads(servers, "64KiB", 64 * KIB, 500, 64),
    "get-1MiB": lambda servers: downloads(servers, "1MiB", MIB, 64, 8),
    "get-100MiB": big_downloads,
    "fetch-100MiB": batch_download,
    "put-4KiB": lambda servers: uploads(servers, "4KiB", 4 * KIB, many(servers, 4000), 64),
    "put-64KiB": lambda servers: uploads(servers, "64KiB", 64 * KIB, many(servers, 2000), 32),
    "put-1MiB": lambda servers: uploads(servers, "1MiB", MIB, many(servers, 200), 8),
    "put-100MiB": lambda servers: uploads(servers, "100MiB", MIB, 1, 1, together=BIG // MIB),
}
for name, make in CASES.items():
    register(lambda context, make=make: make(Servers(context)), name)


def throughput(result):
    """Our MB/s, of those of nginx."""
    return share("nginx", "mb_per_second")(result)


for name in ("1MiB", "100MiB"):
    GOALS.append(Goal(f"get-{name}", "throughput, of nginx sendfile", throughput, 0.95, 0.8))
    GOALS.append(Goal(f"get-{name}", "CPU of server and client per byte, of nginx", share("nginx", "cpu"), 1.2, 1.5,
                      most=True))
GOALS.append(Goal("get-4KiB", "requests/s, of nginx", share("nginx", "per_second"), 0.7, 0.45))
GOALS.append(Goal("put-100MiB", "throughput with hash and sync, of nginx with neither", throughput, 0.8, 0.5))

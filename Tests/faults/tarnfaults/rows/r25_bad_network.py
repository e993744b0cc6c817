"""Row 25. Fault: 10 % of the packets are lost, connections are reset in mid-stream, half open, cut, or 1 MiB/s fast.

Invariant: a save or restore finishes, or ends as a failure or a miss in bounded time; a tree is never wrong; a repeated
save sends less than 110 % of the bytes in all. How: server and client in two network namespaces of their own with nft
rules and a token bucket between them, and a proxy that cuts, stalls or resets at a random byte.
"""

import os
import shutil
import socket
import struct
import subprocess
import threading
import time

from .. import trees
from ..board import Skip, row
from ..clients import Job
from ..context import command
from ..server import Server


@row(25, "bad-network", "10 % loss, resets, cut answers, half-open connections, 1 MiB/s",
     "transfers finish or fail cleanly, no wrong tree", plants=("wrong tree",))
def run(context, tally):
    figures = dict(transfers=0, succeeded=0)
    with context.scope():
        proxied(context, tally, figures)
    if os.geteuid() != 0 or not shutil.which("nft") or not shutil.which("ip"):
        raise Skip("network namespaces need root, nft and ip")
    if not context.plant:
        for fault in ("loss", "reset", "slow"):
            with context.scope():
                namespaced(context, tally, figures, fault)
    tally.figure(**figures)


class Transfers:
    """A tree that is saved and restored under changing keys."""

    def __init__(self, context, server, url, tally, figures, size=60_000):
        self.context, self.tally, self.figures = context, tally, figures
        self.job = Job(context, server)
        self.job.environment_of = self.job.environment
        self.url = url
        trees.make(self.job.path(), context.random("tree"), files=25, largest=size)
        self.expected = trees.snapshot(self.job.path())
        self.job.environment = lambda: {**self.job.environment_of(), "TARN_URL": self.url}

    def once(self, number, where, wrapper=()):
        """One save and one restore through the fault; each may fail, and then the next one without it must work."""
        job, key = self.job, f"k{number}"
        trees_changed(job.path("tree"), self.context.random(f"{where}{number}"))
        expected = trees.snapshot(job.path())
        job.command = lambda program, *arguments: [*wrapper, self.context.program(program), *arguments]
        saved = self.bounded(lambda: job.save(key), where)
        target = os.path.join(self.context.fresh("target"), "out")
        restored = self.bounded(lambda: job.restore(key, "--to", target), where)
        self.figures["transfers"] += 2
        self.figures["succeeded"] += (saved is not None) + (restored == "hit")
        inner = os.path.join(target, "tree")
        found = trees.snapshot(inner if os.path.isdir(inner) else target)
        if self.context.planted("wrong tree"):
            restored, found = "hit", {}
        if restored == "hit":
            wrong = trees.difference(expected, found)
            self.tally.hold(not wrong, f"{where}: {wrong}")
        else:
            self.tally.hold(set(found) <= {b"."}, f"{where}: the failed restore left a tree")
        self.tally.case(2)

    def bounded(self, act, where):
        try:
            return act()
        except subprocess.TimeoutExpired:
            self.tally.violation(f"{where}: not ended after 120 s")
            return None


def trees_changed(folder, random):
    for number in range(3):
        with open(os.path.join(folder, f"changed{number}"), "wb") as file:
            file.write(random.randbytes(random.randrange(80_000)))


def proxied(context, tally, figures):
    server = Server(context)
    random = context.random("proxy")
    proxy = Proxy(context, server.port)
    transfers = Transfers(context, server, f"http://127.0.0.1:{proxy.port}", tally, figures)
    for number in range(3 if context.plant else context.size(8, 60)):
        proxy.fault = random.choice(["cut", "reset", "stall", "cut answer"])
        proxy.after = random.choice([0, 100, 5_000, 50_000, 300_000])
        proxy.times = random.choice([1, 2, 100])
        transfers.once(number, f"{proxy.fault} after {proxy.after} bytes, {proxy.times} times")
        proxy.times = 0
        outcome = transfers.job.save(f"k{number}")
        tally.hold(outcome is not None, f"after {proxy.fault}: the save without a fault: {transfers.job.said}")
    server.stop()
    for problem in server.check():
        tally.violation(f"proxy: {problem}")


class Proxy:
    """Passes bytes on, and does `fault` to the next `times` connections after so many bytes."""

    def __init__(self, context, upstream):
        self.upstream, self.fault, self.after, self.times = upstream, None, 0, 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        context.defer(self.listener.close)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            faulty, self.times = self.times > 0, self.times - 1
            threading.Thread(target=self.carry, args=(client, faulty, self.fault, self.after), daemon=True).start()

    def carry(self, client, faulty, fault, after):
        try:
            server = socket.create_connection(("127.0.0.1", self.upstream))
        except OSError:
            client.close()
            return
        count = [0]

        def pump(source, sink, answers):
            try:
                while True:
                    part = source.recv(16384)
                    if not part:
                        break
                    count[0] += len(part)
                    if faulty and count[0] > after and (fault != "cut answer" or answers):
                        sink.sendall(part[:max(0, len(part) - (count[0] - after))])
                        self.fail(client, server, fault)
                        return
                    sink.sendall(part)
                sink.shutdown(socket.SHUT_WR)
            except OSError:
                for end in (client, server):
                    end.close()

        threading.Thread(target=pump, args=(client, server, False), daemon=True).start()
        pump(server, client, True)

    def fail(self, client, server, fault):
        if fault == "stall":
            time.sleep(8)  # nothing moves, nothing is closed
        if fault == "reset":
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        for end in (client, server):
            try:
                end.shutdown(socket.SHUT_RDWR) if fault != "reset" else None
            except OSError:
                pass
            end.close()


def namespaced(context, tally, figures, fault):
    name = f"tarn{os.getpid() % 100_000}"
    ours, theirs = f"{name}s", f"{name}c"
    for space in (ours, theirs):
        command("ip", "netns", "add", space)
        context.defer(command, "ip", "netns", "delete", space)
    command("ip", "-n", ours, "link", "add", "va", "type", "veth", "peer", "name", "vb", "netns", theirs)
    for space, device, address in ((ours, "va", "10.111.0.1/24"), (theirs, "vb", "10.111.0.2/24")):
        command("ip", "-n", space, "address", "add", address, "dev", device)
        for link in (device, "lo"):
            command("ip", "-n", space, "link", "set", link, "up")
    rule = {"loss": "numgen random mod 100 < 10 drop",
            "reset": "tcp dport 7979 ct state established numgen random mod 300 < 1 reject with tcp reset"}.get(fault)
    if rule:
        table = f"table inet faults {{\n chain in {{\n  type filter hook input priority 0;\n  {rule}\n }}\n}}\n"
        path = context.path("rules")
        with open(path, "w") as file:
            file.write(table)
        command("ip", "netns", "exec", ours, "nft", "-f", path)
    else:
        command("ip", "netns", "exec", ours, "tc", "qdisc", "add", "dev", "va", "root", "tbf", "rate", "8mbit", "burst",
                "64kbit", "latency", "100ms")
    server = Server(context, "--insecure-open", wrapper=["ip", "netns", "exec", ours], start=False)
    listen_on(server, "10.111.0.1:7979")
    transfers = Transfers(context, server, "http://10.111.0.1:7979", tally, figures, size=20_000)
    for number in range(context.size(2, 10)):
        transfers.once(number, fault, wrapper=["ip", "netns", "exec", theirs])
    server.stop()
    for problem in server.check():
        tally.violation(f"{fault}: {problem}")


def listen_on(server, address):
    """The last flag wins, so the server listens there and not on loopback."""
    server.arguments += ["--listen", address]
    server.start()

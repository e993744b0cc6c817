"""Row 21. Fault: a thousand connections that send heads slowly, send bodies slowly, or read slowly.

Invariant: a healthy client is served all the time (99 % of its requests within 250 ms on an idle machine), descriptors
stay below the limit, memory grows by less than 200 MiB, and the slow connections are ended. How: slowhttptest with -H,
-B and -X beside a client that reads an entry again and again. Times are judged at twice the goal: machines differ.
"""

import os
import shutil
import statistics
import subprocess
import threading
import time

from ..board import Skip, row
from ..history import History
from ..server import Server


@row(21, "slow-clients", "1,000 connections with slow heads, slow bodies, slow reads",
     "a healthy client is served, descriptors and memory stay bounded")
def run(context, tally):
    if not shutil.which("slowhttptest"):
        raise Skip("slowhttptest is not installed")
    for attack in ("-H", "-B", "-X"):
        with context.scope():
            attacked(context, tally, attack)


def attacked(context, tally, attack):
    server = Server(context, "--header-timeout", "10s", "--body-timeout", "10s", "--write-timeout", "10s",
                    "--max-connections", "4096", "--log-level", "error")
    history = History(lambda key: 400_000)
    client = server.api()
    history.save(client, "k")
    before, pid = memory(server.process.pid), server.process.pid
    seconds, count = context.size(15, 60), 1000
    # Slow readers read stored bytes: what is tested is that they hold connections, not that they make work.
    layer = server.url + client.entry("k") + "/layers/0.tar"
    url = {"-H": f"{server.url}/v1/openapi.json", "-B": layer, "-X": f"{layer}.zst?form=canonical"}[attack]
    command = ["slowhttptest", attack, "-c", str(count), "-r", "150", "-i", "3", "-l", str(seconds), "-u", url]
    command += {"-H": ["-t", "GET"], "-B": ["-t", "PUT", "-s", "8192"],
                "-X": ["-w", "64", "-y", "128", "-n", "5", "-z", "8", "-k", "1"]}[attack]
    slow = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    context.defer(slow.kill)
    times, peak, descriptors = [], 0, 0
    while slow.poll() is None and len(times) < 100_000:
        began = time.monotonic()
        problem, answer = history.read(client, "k")
        times.append(time.monotonic() - began)
        tally.case()
        if problem or answer is None:
            tally.violation(f"{attack}: a healthy read: {problem or 'no answer'}")
        peak = max(peak, memory(pid))
        descriptors = max(descriptors, len(os.listdir(f"/proc/{pid}/fd")))
        time.sleep(0.02)
    slow.wait()
    p99 = statistics.quantiles(times, n=100)[98] if len(times) > 2 else 0
    tally.hold(p99 < 0.5, f"{attack}: 99 % of healthy reads took up to {p99 * 1000:.0f} ms")
    tally.hold(peak - before < 200 << 20, f"{attack}: memory grew by {(peak - before) >> 20} MiB")
    tally.hold(server.runs, f"{attack}: the server ended")
    deadline = time.monotonic() + 40
    while len(os.listdir(f"/proc/{pid}/fd")) > 60 and time.monotonic() < deadline:
        time.sleep(0.2)
    left = len(os.listdir(f"/proc/{pid}/fd"))
    tally.hold(left <= 60, f"{attack}: {left} descriptors are open after the attack")
    name = {"-H": "heads", "-B": "bodies", "-X": "reads"}[attack]
    tally.figure(**{f"{name}_p99_ms": round(p99 * 1000, 1), f"{name}_memory_growth_mib": (peak - before) >> 20,
                    f"{name}_descriptors": descriptors})


def memory(pid):
    with open(f"/proc/{pid}/statm") as file:
        return int(file.read().split()[1]) * 4096

"""Many requests at once by wrk, with latencies; and the CPU time of a server in fine steps."""

import glob
import json
import os
import subprocess
import time

from . import measure

# Prints what wrk found as one line of JSON; latencies in microseconds.
DONE = """
function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format(
    '\\n{"requests":%d,"micros":%d,"bytes":%d,"p50":%d,"p99":%d,"max":%d,"failed":%d}\\n',
    summary.requests, summary.duration, summary.bytes, latency:percentile(50), latency:percentile(99), latency.max,
    e.connect + e.read + e.write + e.status + e.timeout))
end
"""


def script(path, lines, method="GET", setup=""):
    """Writes a wrk script that sends the requests of `lines` in turn: a path, or a path and a file with the body.

    `setup` is Lua that sets wrk.headers or wrk.body.
    """
    with open(path + ".list", "w") as file:
        file.write("\n".join(lines))
    with open(path, "w") as file:
        file.write(f"""
local requests, at = {{}}, 0
function init(args)
  wrk.method = "{method}"
  {setup}
  for line in io.lines("{path}.list") do
    local path, body = line:match("^(%S+) ?(.*)$")
    requests[#requests + 1] = wrk.format(nil, path, nil, body ~= "" and body or wrk.body)
  end
  at = math.random(#requests)
end
function request()
  at = at % #requests + 1
  return requests[at]
end
{DONE}""")
    return path


def command(url, script, connections, seconds):
    return ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "60s", "-s", script, url]


def run(url, script, connections, seconds, server):
    """Loads a server for some seconds; figures: per_second, p50_ms, p99_ms, max_ms, server_cpu_us of a request.

    The sample's wall and CPU time are those of a thousand requests, so that sides compare as in other cases.
    """
    before = cpu(server)
    done = subprocess.run(command(url, script, connections, seconds), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True)
    spent = cpu(server) - before
    lines = [line for line in done.stdout.splitlines() if line.startswith('{"requests"')]
    if done.returncode or not lines:
        raise measure.CommandFailed(f"wrk ended with {done.returncode}:\n{done.stdout}")
    told = json.loads(lines[-1])
    if told["failed"] or not told["requests"]:
        raise measure.CommandFailed(f"wrk says that requests failed:\n{done.stdout}")
    count, duration = told["requests"], told["micros"] / 1e6
    return measure.Sample(
        wall=1000 * duration / count, cpu=1000 * spent / count, peak=server.peak(),
        figures={
            "per_second": count / duration, "mb_per_second": told["bytes"] / duration / 1e6,
            "p50_ms": told["p50"] / 1000, "p99_ms": told["p99"] / 1000, "max_ms": told["max"] / 1000,
            "server_cpu_us": 1e6 * spent / count,
        })


def cpu(process):
    """CPU seconds of a server's threads so far, from schedstat: finer than the ticks of stat.

    Only for servers whose threads live on: a thread that ended is no longer counted.
    """
    total = 0
    for pid in process.members():
        for path in glob.glob(f"/proc/{pid}/task/*/schedstat"):
            try:
                with open(path) as file:
                    total += int(file.read().split()[0])
            except OSError:
                pass
    return total / 1e9


def with_server(process, run):
    """Runs `run()`, which gives the bytes that went over the wire; wall, server CPU and MB/s."""
    process.reset_peak()
    before, start = cpu(process), time.monotonic()
    size = run()
    wall, spent = time.monotonic() - start, cpu(process) - before
    return measure.Sample(
        wall=wall, cpu=spent, peak=process.peak(),
        figures={"mb_per_second": size / wall / 1e6, "cpu_per_gb": spent / size * 1e9})


def send(server, path, connections, sent=0):
    """Sends the requests of a file; MB/s of what came back, or of the `sent` bytes."""
    told = {}

    def run():
        sample = measure.command([measure.floor("client"), str(server.port), str(connections), path])
        told.update(json.loads(sample.output))
        return sent or told["received"]

    sample = with_server(server.process, run)
    sample.wall = told["seconds"]
    sample.figures.update(
        mb_per_second=(sent or told["received"]) / told["seconds"] / 1e6,
        per_second=told["requests"] / told["seconds"], server_cpu_us=1e6 * sample.cpu / told["requests"],
        p50_ms=told["p50"] * 1e3, p99_ms=told["p99"] * 1e3)
    return sample


def random_file(path, size):
    """A file of incompressible bytes."""
    with open(path, "wb") as file:
        for start in range(0, size, 1 << 20):
            file.write(os.urandom(min(1 << 20, size - start)))
    return path

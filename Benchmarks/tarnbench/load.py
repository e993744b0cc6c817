"""Many requests at once by wrk, with latencies; and the CPU time of a server in fine steps."""

import glob
import json
import os

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
    done = measure.command(command(url, script, connections, seconds))
    spent = cpu(server) - before
    lines = [line for line in done.output.splitlines() if line.startswith('{"requests"')]
    told = json.loads(lines[-1]) if lines else {"failed": 1}
    if told["failed"] or not told["requests"]:
        raise measure.CommandFailed(f"wrk says that requests failed:\n{done.output}")
    count, duration = told["requests"], told["micros"] / 1e6
    return measure.Sample(
        wall=1000 * duration / count, cpu=1000 * (spent + done.cpu) / count, peak=server.peak(),
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


def transfer(process, command, size=None):
    """Runs a client that moves `size` bytes to or from a server; figures: mb_per_second, cpu_per_gb of the server.

    The sample's CPU time is that of both: over loopback the kernel does much of the work of a transfer in whichever
    process happens to run. `size` may be a function of what the client wrote.
    """
    process.reset_peak()
    before = cpu(process)
    sample = measure.command(command)
    spent = cpu(process) - before
    moved = size(sample.output) if callable(size) else size
    sample.cpu += spent
    sample.peak = process.peak()
    sample.figures.update(mb_per_second=moved / sample.wall / 1e6, cpu_per_gb=sample.cpu / moved * 1e9,
                          server_cpu_per_gb=spent / moved * 1e9)
    return sample


def send(server, path, connections, sent=0):
    """Sends the requests of a file; MB/s of what came back, or of the `sent` bytes."""
    client = [measure.floor("client"), str(server.port), str(connections), path]
    sample = transfer(server.process, client, lambda output: sent or json.loads(output)["received"])
    told = json.loads(sample.output)
    count = told["requests"]
    sample.wall = told["seconds"]
    sample.figures.update(
        mb_per_second=(sent or told["received"]) / told["seconds"] / 1e6, per_second=count / told["seconds"],
        server_cpu_us=sample.figures["server_cpu_per_gb"] * (sent or told["received"]) / 1e3 / count,
        p50_ms=told["p50"] * 1e3, p99_ms=told["p99"] * 1e3)
    return sample


def random_file(path, size):
    """A file of incompressible bytes."""
    with open(path, "wb") as file:
        for start in range(0, size, 1 << 20):
            file.write(os.urandom(min(1 << 20, size - start)))
    return path

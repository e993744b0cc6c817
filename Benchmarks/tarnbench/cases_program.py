"""The programs themselves: how soon a client's first request is on its way, how large they are, what they link."""

import os
import signal
import socket
import statistics
import subprocess
import time

from . import measure
from .case import Case, Side, register
from .goals import GOALS, Goal, own, share

CURL = "curl, first request"
CURL_VERSION = "curl --version"
TIMES = 21  # starts that one round takes the median of
GLIBC = {"libc.so.6", "libm.so.6", "libdl.so.2", "libpthread.so.0", "librt.so.1", "libresolv.so.2"}
PROGRAMS = ["restore_cache", "save_cache", "cachectl", "tarnd"]


def stripped(context, name):
    """A copy of a program without symbols, as it is shipped."""
    path = context.workspace.path(name)
    subprocess.run(["strip", "-o", path, context.program(name)], check=True)
    return path


def until_first_byte(command, listener, env):
    """Seconds from starting a command until the first byte of its request is here, and its CPU until then."""
    began = time.monotonic()
    running = subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
    connection, _ = listener.accept()
    connection.recv(1)
    wall = time.monotonic() - began
    running.send_signal(signal.SIGKILL)
    connection.close()
    return ended(running, wall)


def until_end(command, env):
    began = time.monotonic()
    running = subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    _, _, usage = os.wait4(running.pid, 0)
    running.returncode = 0
    return time.monotonic() - began, usage.ru_utime + usage.ru_stime


def ended(running, wall):
    _, _, usage = os.wait4(running.pid, 0)
    running.returncode = 0
    return wall, usage.ru_utime + usage.ru_stime


def median(pairs):
    return measure.Sample(statistics.median(w for w, _ in pairs), statistics.median(c for _, c in pairs))


def start(context):
    """Against curl doing the same, and against curl that only says its version."""
    state = {}

    def setup():
        state["listener"] = socket.create_server(("127.0.0.1", 0), backlog=64)
        state["listener"].settimeout(10)
        url = f"http://127.0.0.1:{state['listener'].getsockname()[1]}"
        kept = {k: v for k, v in os.environ.items() if not k.startswith("TARN_") and not k.endswith("_proxy")}
        state["env"] = dict(kept, TARN_URL=url, TARN_PROJECT="bench/web", TARN_CACHE_DIR=context.workspace.path("client"))
        state["client"] = [stripped(context, "restore_cache"), "--key", "deps-", "--to", context.workspace.fresh("out")]
        state["curl"] = ["curl", "-s", url + "/"]

    def request(name):
        return lambda round: median([until_first_byte(state[name], state["listener"], state["env"]) for _ in range(TIMES)])

    return Case("client-start", "a client's start until its first request arrives", [
        Side("tarn", request("client"), command="restore_cache --key deps-"),
        Side(CURL, request("curl"), command="curl -s URL"),
        Side(CURL_VERSION, lambda round: median([until_end(["curl", "--version"], state["env"]) for _ in range(TIMES)]),
             command="curl --version"),
    ], setup, lambda: state["listener"].close())


def libraries(program):
    """Names of the shared libraries that a program needs, without glibc's own."""
    lines = subprocess.run(["ldd", program], stdout=subprocess.PIPE, text=True).stdout.splitlines()
    names = [line.split()[0] for line in lines if "=>" in line]
    return sorted(name for name in names if name not in GLIBC)


def size(context):
    """Bytes of the stripped programs, and the shared libraries besides glibc that they ask for."""

    def run(round):
        figures = {f"{name}_bytes": os.path.getsize(stripped(context, name)) for name in PROGRAMS}
        figures.update({f"{name}_libraries": len(libraries(context.program(name))) for name in PROGRAMS})
        return measure.Sample(0, 0, figures=figures)

    found = sorted({library for name in PROGRAMS for library in libraries(context.program(name))})
    title = f"stripped programs; shared libraries besides glibc: {', '.join(found) or 'none'}"
    return Case("program-size", title, [Side("tarn", run, command="strip PROGRAM; ldd PROGRAM")], warmups=0, rounds=1)


register(start, "client-start")
register(size, "program-size")

GOALS += [
    Goal("client-start", "of " + CURL_VERSION, share(CURL_VERSION, "wall"), 3, 10, most=True),
    Goal("program-size", "restore_cache, stripped", own("restore_cache_bytes", 1e6), 15, 35, most=True, unit="MB"),
    Goal("program-size", "save_cache, stripped", own("save_cache_bytes", 1e6), 15, 35, most=True, unit="MB"),
    Goal("program-size", "shared libraries of restore_cache besides glibc", own("restore_cache_libraries"), 0, 0, most=True,
         unit=""),
    Goal("program-size", "shared libraries of save_cache besides glibc", own("save_cache_libraries"), 0, 0, most=True,
         unit=""),
]

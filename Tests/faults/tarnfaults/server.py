"""A tarnd that is started, killed, started again and checked."""

import datetime
import itertools
import json
import os
import re
import signal
import subprocess
import time

from . import api
from .gate import Gate

STRAY = re.compile(r"has \d+ bytes but no row$")


class NotStarted(Exception):
    """The server ended before it listened; the text is the end of its log."""


class Server:
    """A tarnd and its data folder. Its log goes to a file: a pipe that nobody reads would stop it."""

    def __init__(self, context, *arguments, data=None, environment=None, wrapper=(), start=True,
                 flagless=False):
        self.context, self.arguments = context, list(arguments)
        self.wrapper = list(wrapper)  # the command that starts it, such as prlimit
        # Settings as variables: Swift finds its arguments from `environ`, which libfaketime moves.
        self.flagless = flagless
        self.environment = dict(environment or {})
        self.folder = context.fresh("server")
        self.data = data or os.path.join(self.folder, "data")
        self.log = os.path.join(self.folder, "log")
        self.process, self.gate, self.port = None, None, 0
        context.defer(self.kill)
        if start:
            self.start()

    def start(self, gate=None, timeout=60):
        """Starts it (again) and waits until it listens. With `gate` a call gate decides about its system calls."""
        port = os.path.join(self.folder, "port")
        if os.path.exists(port):
            os.unlink(port)
        command = [*self.wrapper, self.context.program("tarnd"), "--data", self.data, "--port-file", port,
                   "--listen", f"127.0.0.1:{self.port}", *self.arguments]
        environment = clean_environment(**self.environment)
        if self.flagless:
            flags = command[len(self.wrapper) + 1:]
            environment |= {"TARND_" + flag[2:].upper().replace("-", "_"): value
                            for flag, value in zip(flags[::2], flags[1::2])}
            command = command[:len(self.wrapper) + 1]
        began = time.monotonic()
        with open(self.log, "a") as log:
            if gate:
                self.gate = Gate(command, gate, environment=environment, output=log)
                self.process = self.gate.process
            else:
                self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                                env=environment, start_new_session=True)
        while not (os.path.exists(port) and os.path.getsize(port)):
            if self.process.poll() is not None:
                raise NotStarted(f"tarnd ended with {self.process.returncode}: {self.last_words()}")
            if time.monotonic() > began + timeout:
                raise NotStarted(f"tarnd does not listen after {timeout} s: {self.tail()}")
            time.sleep(0.003)
        self.start_seconds = time.monotonic() - began
        self.port = int(open(port).read())
        self.url = f"http://127.0.0.1:{self.port}"
        return self

    def api(self, project="faults/board", timeout=60):
        return api.Client("127.0.0.1", self.port, project, timeout)

    def tail(self, size=1500):
        with open(self.log, errors="replace") as file:
            return file.read()[-size:]

    def last_words(self):
        """What it said last that is no line of its log, or else its last line."""
        lines = self.tail(4000).strip().splitlines()
        said = list(itertools.takewhile(lambda line: not line.startswith("{"), reversed(lines)))
        return " ".join(reversed(said))[-600:] if said else "".join(lines[-1:])[-400:]

    def clock(self):
        """The wall clock of the server in seconds since 1970, as its newest log line has it."""
        line = [line for line in self.tail(4000).splitlines() if line.startswith('{"time":')][-1]
        return datetime.datetime.fromisoformat(json.loads(line)["time"].replace("Z", "+00:00")).timestamp()

    @property
    def runs(self):
        return self.process is not None and self.process.poll() is None

    def kill(self):
        """kill -9; nothing if it does not run."""
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        if self.gate:
            self.gate.close()
            self.gate = None
        self.process = None

    def stop(self, timeout=60):
        """SIGTERM; its exit status. One that does not end in time is killed, and that is an error."""
        if self.process is None:
            return 0
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise RuntimeError(f"tarnd does not end {timeout} s after SIGTERM")
        self.kill()
        return status

    def check(self, read_data=True, repair=False, strays=False):
        """`tarnd check` of the stopped server: its problems, without bytes that have no row unless `strays` asks.

        Those are no damage: an upload that was interrupted leaves them, and the next one takes them over.
        """
        command = [self.context.program("tarnd"), "check", "--data", self.data, "--json"]
        command += ["--read-data"] if read_data else []
        command += ["--repair"] if repair else []
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=600,
                              env=clean_environment())
        try:
            problems = json.loads(done.stdout)["problems"]
        except (ValueError, KeyError):
            return [f"tarnd check: {done.returncode}: {done.stderr.strip()[-500:]}"]
        return [problem for problem in problems if strays or not STRAY.search(problem)]


def clean_environment(**added):
    """The environment without what Tarn or a CI system left in it."""
    kept = {k: v for k, v in os.environ.items()
            if not k.startswith(("TARN_", "TARND_", "CIRCLE", "GITHUB_", "GITLAB_")) and k not in ("CI", "LD_PRELOAD")}
    return {**kept, "SWIFT_BACKTRACE": "enable=no", **added}

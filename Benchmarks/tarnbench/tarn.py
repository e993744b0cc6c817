"""A tarnd with a fresh data folder, and its clients as measured commands."""

import json
import os
import signal
import subprocess
import time

from . import measure
from .workspace import size_of


class Server:
    """A running tarnd. Its log goes to a file: a pipe that nobody reads would stop it."""

    def __init__(self, program, workspace, arguments=(), data=None):
        self.program, self.workspace, self.arguments = program, workspace, list(arguments)
        self.folder = workspace.fresh("tarnd")
        self.data = data or os.path.join(self.folder, "data")
        self.log = os.path.join(self.folder, "log")
        self.running = None
        self.start()

    def start(self):
        """Starts it (again) on any free port; `start_seconds` is how long it took until it answered."""
        port = os.path.join(self.folder, "port")
        if os.path.exists(port):
            os.unlink(port)
        command = [self.program, "--data", self.data, "--listen", "127.0.0.1:0", "--port-file", port]
        began = time.monotonic()
        with open(self.log, "a") as log:
            self.running = subprocess.Popen(command + self.arguments, stderr=log, stdout=log)
        while not self.listens(port):
            if self.running.poll() is not None:
                raise measure.CommandFailed(f"tarnd ended at once:\n{open(self.log).read()[-4000:]}")
            time.sleep(0.002)
        self.start_seconds = time.monotonic() - began
        self.port = int(open(port).read())
        self.url = f"http://127.0.0.1:{self.port}"
        self.process = measure.Process(self.running.pid)

    def listens(self, port):
        try:
            return open(port).read().endswith("\n") or os.path.getsize(port) > 0
        except FileNotFoundError:
            return False

    def stop(self):
        """Stops it if it runs; the data folder stays until remove()."""
        if self.running and self.running.poll() is None:
            self.running.send_signal(signal.SIGTERM)
            try:
                self.running.wait(60)
            except subprocess.TimeoutExpired:
                self.running.kill()
                self.running.wait()
        self.running = None

    def remove(self):
        """Stops it and renames its folder away."""
        self.stop()
        self.workspace.away(self.folder)

    def stored(self):
        """Bytes of the stored blobs, without the catalog."""
        return size_of(os.path.join(self.data, "blobs"))

    def cpu(self):
        return self.process.cpu()


def environment(server, project="bench/web", cache=None, home=None):
    """The environment of a client that knows its server, and nothing else of where it runs."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("TARN_") and k not in ("CI", "CIRCLECI")}
    kept.update({"HOME": home} if home else {})
    return dict(kept, TARN_URL=server.url, TARN_PROJECT=project, TARN_CACHE_DIR=cache or server.folder + "/client")


def save(context, server, source, key, path="venv", project="bench/web", cache=None, level=None, home=None):
    """Saves `path` of the folder `source` under a key; figures: sent, chunks_sent, outcome's flag `known`."""
    command = [context.program("save_cache"), "--strict", "--json", "--key", key, "--path", path]
    if level:
        command += ["--level", str(level)]
    env = environment(server, project, cache, home)
    sample = measure.with_server(server.process, lambda: measure.command(command, cwd=source, env=env))
    told = json.loads(sample.output)
    sample.figures.update(sent=told["bytesUploaded"], chunks_sent=told["chunksUploaded"])
    if told["outcome"] not in ("saved", "known"):
        raise measure.CommandFailed(f"save_cache says {told}")
    return sample


def restore(context, server, key, to, project="bench/web", cache=None, home=None):
    """Restores a key into the folder `to`, or with `to` None where it was saved below `home`.

    Figures: received, files_written, files_kept.
    """
    command = [context.program("restore_cache"), "--strict", "--require-hit", "--json", "--key", key]
    command += ["--to", to] if to else []
    env, cwd = environment(server, project, cache, home), os.path.dirname(to) if to else home
    sample = measure.with_server(server.process, lambda: measure.command(command, cwd=cwd, env=env))
    told = json.loads(sample.output)
    sample.figures.update(received=told["bytesDownloaded"], files_written=told["filesWritten"],
                          files_kept=told["filesKept"])
    return sample

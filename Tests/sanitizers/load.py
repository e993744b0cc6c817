"""Saves, restores, removals and collections at once, on a server under ThreadSanitizer."""

import pathlib
import random
import subprocess
import threading
import time

from reports import environment, reports

WORKERS = 4


def run(programs, seconds, folder):
    """Starts tarnd and clients of a build and lets them work; returns the reports and whether something failed."""
    log = folder / "load-report"
    variables = environment("thread", log)
    server = start(programs, folder, variables)
    try:
        port = wait_for_port(server, folder / "port")
        variables = {**variables, "TARN_URL": f"http://127.0.0.1:{port}", "TARN_PROJECT": "acme/shop", "HOME": str(folder)}
        deadline = time.monotonic() + seconds
        workers = [Worker(number, programs, folder, variables, deadline) for number in range(WORKERS)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    finally:
        server.terminate()
        status = server.wait(timeout=60)
    failures = [failure for worker in workers for failure in worker.failures]
    counts = {name: sum(worker.counts[name] for worker in workers) for name in workers[0].counts}
    found = reports(folder, "load-report")
    print(f"load of {seconds} s: {counts}, {len(failures)} failed, server ended with {status}; {len(found)} reports", flush=True)
    for failure in failures[:10]:
        print(failure)
    # 66 is ThreadSanitizer's status for "reported something", which the reports tell.
    return found, bool(failures) or status not in (0, 66) or not all(counts.values())


def start(programs, folder, variables):
    command = [programs / "tarnd", "--data", folder / "data", "--listen", "127.0.0.1:0", "--port-file", folder / "port"]
    # A small budget and a short interval, so that eviction and collection run all the time.
    command += ["--max-size", "8MiB", "--collect-interval", "2s"]
    with open(folder / "tarnd.log", "w") as log:
        return subprocess.Popen(command, env=variables, stdout=log, stderr=subprocess.STDOUT)


def wait_for_port(server, path):
    for _ in range(600):
        if path.exists() and path.read_text().strip():
            return int(path.read_text())
        if server.poll() is not None:
            break
        time.sleep(0.1)
    raise SystemExit(f"tarnd did not start: {(path.parent / 'tarnd.log').read_text()[-2_000:]}")


class Worker(threading.Thread):
    """One job after another, with keys that all workers share."""

    def __init__(self, number, programs, folder, variables, deadline):
        super().__init__()
        self.random = random.Random(number)
        self.programs, self.variables, self.deadline = programs, variables, deadline
        self.folder = pathlib.Path(folder) / f"job{number}"
        self.folder.mkdir()
        self.counts = dict.fromkeys(("save", "restore", "remove", "collect", "list"), 0)
        self.failures = []

    def run(self):
        while time.monotonic() < self.deadline:
            action = self.random.choice(["save", "save", "restore", "restore", "restore", "remove", "collect", "list"])
            getattr(self, action)()
            self.counts[action] += 1

    def save(self):
        for number in range(self.random.randrange(1, 20)):
            path = self.folder / "tree" / f"d{self.random.randrange(4)}" / f"f{number}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(self.random.randbytes(self.random.randrange(200_000)))
        options = ["--replace"] if self.random.random() < 0.3 else []
        self.client("save_cache", "--strict", "--key", self.key(), "--path", "tree", "--allow-empty", *options)

    def restore(self):
        self.client("restore_cache", "--strict", "--key", self.key(), "--key", "k")

    def remove(self):
        self.client("cachectl", "rm", self.key(), allowed=(0, 1, 10))

    def collect(self):
        self.client("cachectl", "gc")

    def list(self):
        self.client("cachectl", "ls")
        self.client("cachectl", "stats")

    def key(self):
        return f"k{self.random.randrange(12)}"

    def client(self, program, *arguments, allowed=(0,)):
        # A budget that others have used up is no mistake.
        done = subprocess.run(
            [self.programs / program, *arguments], cwd=self.folder, env=self.variables, capture_output=True, text=True, errors="replace"
        )
        if done.returncode not in allowed and "quota" not in done.stderr and "budget" not in done.stderr:
            self.failures.append(f"{program} {' '.join(arguments)}: {done.returncode}: {done.stderr[-500:]}")

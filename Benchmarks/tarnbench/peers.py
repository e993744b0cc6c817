"""What people use instead: an archive on a web server, and three tools that deduplicate.

All keep their repositories in the workspace. `save` and `restore` are lines for bash, run in the folder that holds
(or gets) `path`; `index` numbers the saved versions of a repository.
"""

import os
import signal
import socket
import subprocess
import time

from . import measure
from .workspace import size_of

LEVEL = 3

CONFIGURATION = """
{user}
daemon off;
worker_processes {workers};
pid {folder}/pid;
error_log {folder}/error.log;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  sendfile on;
  tcp_nopush on;
  tcp_nodelay on;
  keepalive_requests 1000000;
  client_max_body_size 0;
  client_body_buffer_size 1m;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port} backlog=4096 reuseport;
    root {folder}/www;
    location / {{ dav_methods PUT DELETE; create_full_put_path on; }}
  }}
}}
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Nginx:
    """nginx with static files by sendfile and uploads by DAV, one worker a core."""

    def __init__(self, workspace, workers=None):
        self.folder = workspace.fresh("nginx")
        self.files = os.path.join(self.folder, "www")
        os.mkdir(self.files)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        path = os.path.join(self.folder, "nginx.conf")
        with open(path, "w") as file:
            file.write(CONFIGURATION.format(folder=self.folder, port=self.port, workers=workers or os.cpu_count(),
                                            user="user root;" if os.geteuid() == 0 else ""))
        self.running = subprocess.Popen(["nginx", "-e", f"{self.folder}/error.log", "-c", path, "-p", self.folder])
        self.process = measure.Process(self.running.pid)
        self.wait()

    def wait(self):
        for _ in range(500):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            if self.running.poll() is not None:
                break
            time.sleep(0.01)
        raise measure.CommandFailed(f"nginx did not start; see {self.folder}/error.log")

    def stop(self):
        if self.running.poll() is None:
            self.running.send_signal(signal.SIGTERM)
            self.running.wait(10)

    def run(self, line, cwd=None, env=None):
        """Runs a line for bash; the CPU of nginx counts."""
        return measure.with_server(self.process, lambda: measure.command(line, cwd=cwd, env=env))


class Restic:
    """restic with a local repository and its own compression (zstd, about level 3)."""

    name = "restic"
    shown = ("restic backup venv", "restic restore latest --target .")

    def environment(self, repository):
        return dict(os.environ, RESTIC_REPOSITORY=repository + "/repository", RESTIC_PASSWORD="x")

    def create(self, repository):
        os.makedirs(repository, exist_ok=True)
        measure.command("restic init -q --no-cache", env=self.environment(repository))

    def save(self, path, index):
        return f"restic backup -q --no-cache --compression auto --tag v{index} {path}"

    def restore(self, path, index):
        return f"restic restore -q --no-cache --tag v{index} latest --target ."

    def stored(self, repository):
        return size_of(repository + "/repository")


class Borg:
    """borg without encryption, zstd at the same level."""

    name = "borg"
    shown = (f"borg create --compression zstd,{LEVEL} repo::1 venv", "borg extract repo::1")

    def environment(self, repository):
        return dict(os.environ, BORG_REPO=repository + "/repository", BORG_BASE_DIR=repository + "/base",
                    BORG_RELOCATED_REPO_ACCESS_IS_OK="yes", BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK="yes")

    def create(self, repository):
        os.makedirs(repository + "/base", exist_ok=True)
        measure.command("borg init -e none", env=self.environment(repository))

    def save(self, path, index):
        return f"borg create --compression zstd,{LEVEL} ::v{index} {path}"

    def restore(self, path, index):
        return f"borg extract ::v{index}"

    def stored(self, repository):
        return size_of(repository + "/repository/data")


class Casync:
    """casync with a local store of zstd chunks (its fixed level)."""

    name = "casync"
    shown = ("casync make --compression=zstd --store=store venv.caidx venv", "casync extract --store=store venv.caidx venv")

    def environment(self, repository):
        return dict(os.environ, STORE=repository)

    def create(self, repository):
        os.makedirs(repository + "/store.castr")

    def save(self, path, index):
        kind = "caidx" if path == "venv" or path == "tree" else "caibx"
        return f'casync make --compression=zstd --store="$STORE/store.castr" "$STORE/v{index}.{kind}" {path} > /dev/null'

    def restore(self, path, index):
        kind = "caidx" if path == "venv" or path == "tree" else "caibx"
        return f'casync extract --store="$STORE/store.castr" "$STORE/v{index}.{kind}" {path}'

    def stored(self, repository):
        return size_of(repository)


TOOLS = [Restic(), Borg(), Casync()]


def tar_line(path, url):
    """Streams an archive to a web server."""
    return f"tar -c {path} | zstd -q -{LEVEL} -T2 | curl -sSf -T - -o /dev/null {url}"


def untar_line(url):
    """Streams an archive from a web server into the working directory."""
    return f"curl -sSf {url} | zstd -q -d | tar -x"


def download_line(url):
    """As actions/cache does it: the whole archive into a file, then tar with zstd."""
    return f"curl -sSf -o ../cache.tzst {url} && tar -x -f ../cache.tzst --use-compress-program=unzstd"

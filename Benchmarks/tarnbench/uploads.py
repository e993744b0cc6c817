"""Blobs that are sent to the server, and to nginx."""

import hashlib
import os
import subprocess
import time

from . import load, measure, records
from .case import Side

SYNCED = "nginx-and-sync"


class Uploads:
    """Blobs that neither server has yet, other ones in every round."""

    def __init__(self, servers, size, count, connections, together=1):
        self.servers, self.size, self.count = servers, size, count
        self.connections, self.together = connections, together

    def prepare(self, round):
        """`together` blobs in each body; nginx gets the same bytes, under a new name."""
        folder = self.servers.context.workspace.fresh("put")
        round["path"] = os.path.join(folder, "requests")
        digests = round["digests"] = []
        session = round["session"] = f"put-{self.size}-{self.together}-{round.number}-{round.side}"
        with open(round["path"], "wb") as file:
            for number in range(self.count):
                contents = records.contents(self.together, self.size)
                body = b"".join(records.record(content) for content in contents)
                round["content"] = round.values.get("content", contents[0])
                digests += [hashlib.sha256(content).hexdigest() for content in contents]
                if round.side == "tarn":
                    path = records.upload_path(session)
                    file.write(records.request("POST", path, body, records.MEDIA))
                else:
                    file.write(records.request("PUT", f"/{session}/{number}", body))

    def run(self, round):
        size = self.count * self.together * self.size
        sample = load.send(self.server(round), round["path"], self.connections, size)
        if round.side == SYNCED:
            began = time.monotonic()
            subprocess.run(["sync", "-f", self.servers.nginx.files], check=True)
            sample.wall += time.monotonic() - began
            sample.figures["mb_per_second"] = size / sample.wall / 1e6
        os.unlink(round["path"])
        return sample

    def server(self, round):
        return self.servers.tarn if round.side == "tarn" else self.servers.nginx

    def check(self, round):
        if round.side == "tarn":
            records.require_stored(self.servers.tarn, round["digests"], round["session"], round["content"])
            return
        folder = os.path.join(self.servers.nginx.files, round["session"])
        if len(os.listdir(folder)) != self.count:
            raise measure.CommandFailed(f"nginx has {len(os.listdir(folder))} of {self.count} files")
        self.servers.context.workspace.away(folder)

    def side(self, name, note):
        """One of the servers; SYNCED is nginx with one sync of the file system at the end, in the measured time."""
        return Side(name, self.run, self.prepare, self.check,
                    command=f"floors/client PORT {self.connections} {note}")

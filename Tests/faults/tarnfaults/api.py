"""The HTTP API as the rows use it: answers as (status, body), and None where no whole answer came."""

import http.client
import io
import json
import tarfile
import urllib.parse

BROKEN = (OSError, http.client.HTTPException)


class Client:
    """One connection, opened again when it breaks. For one thread."""

    def __init__(self, host, port, project, timeout=60, headers=None):
        self.host, self.port, self.project, self.timeout = host, port, project, timeout
        self.headers, self.connection = dict(headers or {}), None

    def ask(self, method, path, body=None, headers=None):
        """(status, body), or None if the connection broke before the whole answer was there."""
        sent = {**self.headers, **(headers or {})}
        if isinstance(body, (dict, list)):
            body, sent = json.dumps(body).encode(), {"Content-Type": "application/json", **sent}
        try:
            if self.connection is None:
                self.connection = http.client.HTTPConnection(self.host, self.port, timeout=self.timeout)
            self.connection.request(method, path, body, sent)
            answer = self.connection.getresponse()
            return answer.status, answer.read()
        except BROKEN:
            self.close()
            return None

    def close(self):
        if self.connection:
            self.connection.close()
            self.connection = None

    @property
    def base(self):
        return f"/v1/projects/{self.project}"

    def entry(self, key):
        return f"{self.base}/entries/{urllib.parse.quote(key, safe='')}"

    def put_tar(self, key, tar, replace=True, path="t"):
        """Saves a tar; without `path` the layer is named after what is at the top of the tar."""
        query = urllib.parse.urlencode({**({"path": path} if path else {}), **({"replace": "true"} if replace else {})})
        query = f"?{query}" if query else ""
        return self.ask("PUT", f"{self.entry(key)}/layers/0.tar{query}", tar)

    def get_file(self, key, path="t/f"):
        """One file of the entry's first layer; 404 is a miss."""
        return self.ask("GET", f"{self.entry(key)}/layers/0/files/{urllib.parse.quote(path)}")

    def get_tar(self, key):
        return self.ask("GET", f"{self.entry(key)}/layers/0.tar")

    def delete(self, key):
        return self.ask("DELETE", self.entry(key))

    def post(self, path, body):
        return self.ask("POST", f"{self.base}/{path}", body)

    def collect(self):
        return self.ask("POST", "/v1/collect", {})

    def entries(self, **query):
        answer = self.ask("GET", f"{self.base}/entries?{urllib.parse.urlencode(query)}")
        return json.loads(answer[1])["entries"] if answer and answer[0] == 200 else None

    def statistics(self):
        answer = self.ask("GET", "/v1/statistics")
        return json.loads(answer[1]) if answer and answer[0] == 200 else None


def tar_of(files, top="t"):
    """A tar with one folder and these files (name → bytes), the same for the same files."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as tar:
        folder = tarfile.TarInfo(top)
        folder.type, folder.mode = tarfile.DIRTYPE, 0o755
        tar.addfile(folder)
        for name, content in sorted(files.items()):
            member = tarfile.TarInfo(f"{top}/{name}")
            member.size, member.mode = len(content), 0o644
            tar.addfile(member, io.BytesIO(content))
    return stream.getvalue()

"""save_cache, restore_cache and cachectl as a job runs them."""

import json
import os
import subprocess

from .server import clean_environment


class Job:
    """A working directory, its cache of digests, and the server that the job uses."""

    def __init__(self, context, server, project="faults/board", folder=None, token=None):
        self.context, self.server, self.project, self.token = context, server, project, token
        self.folder = folder or context.fresh("job")
        self.cache = context.fresh("client")

    def environment(self):
        token = {"TARN_TOKEN": self.token} if self.token else {}
        return clean_environment(TARN_URL=self.server.url, TARN_PROJECT=self.project, TARN_CACHE_DIR=self.cache,
                                 HOME=self.folder, **token)

    def command(self, program, *arguments):
        return [self.context.program(program), *arguments]

    def run(self, program, *arguments, timeout=120, folder=None):
        """The finished process, with its output as text."""
        return subprocess.run(self.command(program, *arguments), cwd=folder or self.folder, env=self.environment(),
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              timeout=timeout)

    def save(self, key, path="tree", *flags, **options):
        """The outcome (saved, known, exists), or None with the reason in `self.said`."""
        done = self.run("save_cache", "--strict", "--json", "--key", key, "--path", path, *flags, **options)
        return self.told(done)

    def restore(self, key, *flags, **options):
        """The outcome (hit, miss), or None with the reason in `self.said`."""
        done = self.run("restore_cache", "--strict", "--json", "--match", "exact", "--key", key, *flags, **options)
        return self.told(done)

    def told(self, done):
        self.said = f"{done.returncode}: {done.stderr.strip()[-600:]}"
        if done.returncode != 0:
            return None
        try:
            return json.loads(done.stdout)["outcome"]
        except (ValueError, KeyError):
            return None

    def path(self, name="tree"):
        return os.path.join(self.folder, name)

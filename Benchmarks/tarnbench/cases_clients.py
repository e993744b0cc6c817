"""One, eight and thirty-two clients at once against one server."""

import os
import shlex

from . import filled, measure, peers, tarn, verify
from .case import Case, Side, register
from .goals import GOALS, Goal, own

FILES, FILE_SIZE = 200, 64 << 10
KEY = "clients"


def tree(folder):
    """A tree that zstd makes half as big; no two have a byte in common."""
    for number in range(FILES):
        parent = os.path.join(folder, "venv", f"package{number // 20}")
        os.makedirs(parent, exist_ok=True)
        with open(os.path.join(parent, f"module{number}.py"), "w") as file:
            file.write(os.urandom(FILE_SIZE // 2).hex())


def together(lines):
    """A line for bash that runs all lines at once and fails if one of them fails."""
    starts = " ".join(f"( {line} ) & p+=($!);" for line in lines)
    return f'p=(); {starts} for i in "${{p[@]}}"; do wait "$i" || exit 1; done'


class Clients:
    """`count` clients with a folder and a client cache of their own each."""

    def __init__(self, context, count):
        self.context, self.count = context, count

    def setup(self):
        workspace = self.context.workspace
        self.tarn, self.nginx = self.context.tarn("--log-level", "warning"), peers.Nginx(workspace)
        self.context.closers.append(self.nginx.stop)
        self.source = workspace.fresh("source")
        tree(self.source)
        tarn.save(self.context, self.tarn, self.source, KEY)
        measure.command(peers.tar_line("venv", self.nginx.url + "/saved.tar.zst"), cwd=self.source)

    def teardown(self):
        self.nginx.stop()
        self.tarn.remove()

    def folders(self, round):
        base = self.context.workspace.fresh("clients")
        round["folders"] = [os.path.join(base, str(number)) for number in range(self.count)]
        for folder in round["folders"]:
            os.mkdir(folder)

    def trees(self, round):
        self.folders(round)
        for folder in round["folders"]:
            tree(folder)

    def client(self, name, folder, arguments):
        command = shlex.join([self.context.program(name), "--strict", *arguments])
        return f"cd {folder} && TARN_CACHE_DIR={folder}.client {command} > /dev/null 2> {folder}.log"

    def run(self, lines, server):
        env = tarn.environment(self.tarn)
        sample = measure.with_server(server.process, lambda: measure.command(together(lines), env=env))
        sample.figures["mb_per_second"] = self.count * FILES * FILE_SIZE / sample.wall / 1e6
        return sample

    def restore(self, round):
        arguments = ["--require-hit", "--key", KEY, "--to"]
        lines = [self.client("restore_cache", folder, [*arguments, folder]) for folder in round["folders"]]
        return self.run(lines, self.tarn)

    def stream_restore(self, round):
        url = self.nginx.url + "/saved.tar.zst"
        return self.run([f"cd {folder} && {peers.untar_line(url)}" for folder in round["folders"]], self.nginx)

    def check_restored(self, round):
        """All restored trees are the saved one; tar keeps whole seconds only."""
        for folder in round["folders"]:
            verify.same_tree(os.path.join(self.source, "venv"), os.path.join(folder, "venv"), round.side == "tarn")
        self.clean(round)

    def key(self, round, number):
        return f"save-{self.count}-{round.number}-{number}"

    def save(self, round):
        lines = [self.client("save_cache", folder, ["--key", self.key(round, number), "--path", "venv"])
                 for number, folder in enumerate(round["folders"])]
        return self.run(lines, self.tarn)

    def stream_save(self, round):
        lines = [f"cd {folder} && " + peers.tar_line("venv", f"{self.nginx.url}/{self.key(round, number)}.tar.zst")
                 for number, folder in enumerate(round["folders"])]
        return self.run(lines, self.nginx)

    def check_saved(self, round):
        """All keys are there, and the last one restores to what was saved."""
        for number in range(self.count):
            if not filled.resolve(self.tarn, self.key(round, number), "exact").get("entry"):
                raise measure.CommandFailed(f"{self.key(round, number)} was not saved")
        folder, target = round["folders"][-1], self.context.workspace.fresh("restored")
        tarn.restore(self.context, self.tarn, self.key(round, self.count - 1), target)
        verify.same_tree(os.path.join(folder, "venv"), os.path.join(target, "venv"))
        self.clean(round)

    def clean(self, round):
        self.context.workspace.away(os.path.dirname(round["folders"][0]))

    def clean_stream(self, round):
        for number in range(self.count):
            self.context.workspace.away(os.path.join(self.nginx.files, self.key(round, number) + ".tar.zst"))
        self.clean(round)

    def cases(self):
        times = f"{self.count} times at once: " if self.count > 1 else "one client: "
        what = f"{FILES} files, {FILES * FILE_SIZE >> 20} MiB"
        restores = [
            Side("tarn", self.restore, self.folders, self.check_restored, times + "restore_cache --key KEY"),
            Side("curl|zstd|tar", self.stream_restore, self.folders, self.check_restored,
                 times + peers.untar_line("NGINX/saved.tar.zst"))]
        saves = [
            Side("tarn", self.save, self.trees, self.check_saved, times + "save_cache --key KEY --path venv"),
            Side("tar|zstd|curl", self.stream_save, self.trees, self.clean_stream,
                 times + peers.tar_line("venv", "NGINX/saved.tar.zst"))]
        number = f"{self.count} client" + ("s at once" if self.count > 1 else "")
        return [
            Case(f"clients-restore-{self.count}", f"restore of {what} into empty folders by {number}", restores,
                 self.setup, self.teardown, rounds=3 if self.count > 8 else None),
            Case(f"clients-save-{self.count}", f"first save of {what}, other ones for each, by {number}", saves,
                 self.setup, self.teardown, rounds=3 if self.count > 8 else None)]


for count in (1, 8, 32):
    register(lambda context, count=count: Clients(context, count).cases(), f"clients-{count}")
for direction in ("restore", "save"):
    GOALS.append(Goal(f"clients-{direction}-32", "peak memory of the server with 32 clients", own("server_peak", 1e6),
                      150, 300, most=True, unit="MB"))

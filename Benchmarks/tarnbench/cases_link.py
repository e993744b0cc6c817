"""Restoring over a slow link: how much of its rate is used."""

import json
import os

from . import load, measure, tarn, verify
from .case import Case, Side, register
from .goals import GOALS, Goal, own
from .link import HOST, Link, is_possible

FILES = 100


class SlowRestore:
    """100 MiB that zstd cannot shrink."""

    def __init__(self, context, megabits):
        self.context, self.megabits = context, megabits

    def setup(self):
        # Behind the link the server has another address than loopback.
        self.server = self.context.tarn("--log-level", "warning", "--listen", "0.0.0.0:0", "--insecure-open")
        self.source = self.context.workspace.fresh("source")
        os.mkdir(os.path.join(self.source, "venv"))
        for number in range(FILES):
            load.random_file(os.path.join(self.source, "venv", f"{number}.bin"), 1 << 20)
        tarn.save(self.context, self.server, self.source, "slow")
        self.link = Link(self.megabits)
        self.context.closers.append(self.link.close)
        self.url = f"http://{HOST}:{self.server.port}"

    def teardown(self):
        self.link.close()
        self.server.remove()

    def prepare(self, round):
        round["target"] = self.context.workspace.fresh("target")

    def check(self, round):
        saved, restored = os.path.join(self.source, "venv"), os.path.join(round["target"], "venv")
        verify.same_tree(saved, restored, round.side == "tarn")
        self.context.workspace.away(round["target"])

    def through(self, command, round):
        environment = dict(tarn.environment(self.server, cache=round["target"] + "-client"), TARN_URL=self.url)
        before = self.link.sent()
        run = lambda: measure.command(self.link.prefix + command, cwd=round["target"], env=environment)  # noqa: E731
        sample = measure.with_server(self.server.process, run)
        sent = self.link.sent() - before
        sample.figures.update(sent=sent, of_line_rate=sent * 8 / sample.wall / (self.megabits * 1e6))
        return sample

    def restore(self, round):
        program = self.context.program("restore_cache")
        arguments = ["--strict", "--require-hit", "--json", "--key", "slow", "--to", round["target"]]
        sample = self.through([program, *arguments], round)
        sample.figures["received"] = json.loads(sample.output)["bytesDownloaded"]
        return sample

    def stream(self, round):
        url = f"{self.url}/v1/projects/bench/web/entries/slow/layers/0.tar.zst"
        return self.through(["bash", "-o", "pipefail", "-c", f"curl -sSf {url} | zstd -q -d | tar -x"], round)

    def case(self):
        rate = "1 Gbit/s" if self.megabits == 1000 else f"{self.megabits} Mbit/s"
        sides = [
            Side("tarn", self.restore, self.prepare, self.check,
                 f"ip netns exec NAME restore_cache --key KEY  (behind tc tbf rate {self.megabits}mbit)"),
            Side("curl|zstd|tar", self.stream, self.prepare, self.check,
                 "ip netns exec NAME bash -c 'curl -sSf TARN/v1/.../layers/0.tar.zst | zstd -q -d | tar -x'")]
        return Case(f"link-{self.megabits}", f"restore of 100 MiB over a link of {rate}", sides, self.setup,
                    self.teardown, warmups=0 if self.megabits < 1000 else 1, rounds=3)


def cases(context):
    if not is_possible():
        print("  link: left out, a limited network namespace needs root, ip and tc", flush=True)
        return []
    return [SlowRestore(context, megabits).case() for megabits in (100, 1000)]


register(cases, "link")
GOALS.append(Goal("link-100", "line rate of the bytes sent", own("of_line_rate"), 0.95, 0.9))

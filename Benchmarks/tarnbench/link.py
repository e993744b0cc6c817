"""A slow link: a network namespace whose way to the server is limited by a token bucket. Needs root."""

import os
import shutil
import subprocess

HOST, GUEST = "10.213.7.1", "10.213.7.2"


def is_possible():
    return os.geteuid() == 0 and shutil.which("ip") and shutil.which("tc")


def ip(*arguments):
    subprocess.run(["ip", *arguments], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


class Link:
    """`prefix` before a command runs it behind the link; the server is at HOST from there."""

    def __init__(self, megabits):
        self.megabits = megabits
        self.name = f"tarn-{os.getpid()}-{megabits}"
        self.device = f"tn{os.getpid() % 10_000}h{megabits}"[:15]
        peer = self.device.replace("h", "g")
        self.prefix = ["ip", "netns", "exec", self.name]
        ip("netns", "add", self.name)
        try:
            ip("link", "add", self.device, "type", "veth", "peer", "name", peer, "netns", self.name)
            ip("addr", "add", f"{HOST}/30", "dev", self.device)
            ip("link", "set", self.device, "up")
            inside = ["netns", "exec", self.name, "ip"]
            ip(*inside, "addr", "add", f"{GUEST}/30", "dev", peer)
            ip(*inside, "link", "set", peer, "up")
            # A bucket of 2 ms, at least a few big packets; a queue of 20 ms, as a router has.
            bucket = max(64 << 10, megabits * 250)
            limit = ["rate", f"{megabits}mbit", "burst", str(bucket), "latency", "20ms"]
            subprocess.run(["tc", "qdisc", "add", "dev", self.device, "root", "tbf", *limit], check=True)
        except BaseException:
            self.close()
            raise

    def sent(self):
        """Bytes that went through the bucket to the client, with the headers of all packets."""
        show = ["tc", "-s", "qdisc", "show", "dev", self.device]
        words = subprocess.run(show, check=True, stdout=subprocess.PIPE, text=True).stdout.split()
        return int(words[words.index("Sent") + 1])

    def close(self):
        """The namespace's end of the pair goes with it, and ours with that."""
        subprocess.run(["ip", "netns", "del", self.name], stderr=subprocess.DEVNULL)
        subprocess.run(["ip", "link", "del", self.device], stderr=subprocess.DEVNULL)

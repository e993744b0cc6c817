"""The machine and the programs a result belongs to, and the peers it needs."""

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import time

# Program to Debian package.
PEERS = {
    "nginx": "nginx", "zstd": "zstd", "pigz": "pigz", "restic": "restic", "borg": "borgbackup", "casync": "casync",
    "wrk": "wrk", "hyperfine": "hyperfine", "curl": "curl", "cc": "gcc",
}
FLOORS_NEED = ["libc6-dev", "libssl-dev", "libzstd-dev"]


def missing():
    return [package for program, package in PEERS.items() if not shutil.which(program)]


def install_peers():
    """Installs what is missing, on Debian and as root; otherwise says what to install."""
    packages = missing()
    headers = all(os.path.exists(f"/usr/include/{name}") for name in ("openssl/evp.h", "zstd.h"))
    if not packages and headers:
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        sys.exit(f"install these first (or run as root on Debian): {' '.join(packages + FLOORS_NEED)}")
    wanted = packages + FLOORS_NEED
    print("installing", " ".join(wanted), flush=True)
    env = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    for command in (["update"], ["install", "--no-install-recommends", "-y"] + wanted):
        subprocess.run(["apt-get", "-qq"] + command, check=True, stdout=subprocess.DEVNULL, env=env)


def first_line(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return (done.stdout.strip().splitlines() or [""])[0]


def processor():
    with open("/proc/cpuinfo") as file:
        names = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    return names[0] if names else platform.machine()


def memory():
    with open("/proc/meminfo") as file:
        return int(file.readline().split()[1]) * 1024


def digest(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()[:16]


def versions(binaries):
    """What each program says of itself; our own also by digest, as two builds may say the same version."""
    ours = {name: digest(os.path.join(binaries, name)) for name in ("tarnd", "cachectl", "save_cache", "restore_cache")}
    return {
        "programs": ours, "tarn": first_line(os.path.join(binaries, "tarnd"), "--version"),
        "nginx": first_line("nginx", "-v"), "restic": first_line("restic", "version"),
        "borg": first_line("borg", "--version"), "casync": first_line("casync", "--version"),
        "zstd": first_line("zstd", "--version"), "curl": first_line("curl", "--version"),
        "tar": first_line("tar", "--version"), "openssl": first_line("openssl", "version"),
    }


def about(workspace, binaries, options):
    """The head of a file of results."""
    command = "Benchmarks/run" + (" --quick" if options.quick else "")
    command += f" --rounds {options.rounds}" if options.rounds else ""
    return {
        "machine": {
            "cpu": processor(), "cores": os.cpu_count(), "memory": memory(), "kernel": platform.release(),
            "file_system": workspace.file_system(), "load": os.getloadavg()[0],
        },
        "versions": versions(binaries), "durability": "strict", "page_cache": "warm",
        "date": time.strftime("%Y-%m-%dT%H:%M:%S%z"), "command": " ".join([command, *options.case]), "quick": options.quick,
    }

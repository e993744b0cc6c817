"""Installs the tools that rows use. A row whose tool cannot be had is skipped, so nothing here is fatal."""

import ctypes
import os
import shutil
import subprocess
import sys

PACKAGES = {  # what is looked for → the Debian package that has it
    "strace": "strace", "faketime": "faketime", "mkfs.ext4": "e2fsprogs", "mkfs.xfs": "xfsprogs", "nbdkit": "nbdkit",
    "/usr/lib/x86_64-linux-gnu/nbdkit/plugins/nbdkit-python-plugin.so": "nbdkit-plugin-python",
    "nbdfuse": "nbdfuse", "fusermount3": "fuse3", "slowhttptest": "slowhttptest", "zzuf": "zzuf", "nft": "nftables",
    "ip": "iproute2", "haproxy": "haproxy", "nginx": "nginx", "bsdtar": "libarchive-tools", "zstd": "zstd",
    "curl": "curl", "/usr/lib/python3/dist-packages/ensurepip": "python3-venv", "setpriv": "util-linux",
}
MODULES = {"schemathesis": "schemathesis==4.32.5", "h2": "h2", "cryptography": "cryptography"}


def install(venv):
    """Installs what is missing, and says what."""
    missing = sorted({package for tool, package in PACKAGES.items() if not found(tool)})
    if missing and shutil.which("apt-get"):
        if os.geteuid() != 0:
            print(f"not installed, and installing needs root: {' '.join(missing)}", file=sys.stderr)
        else:
            print(f"installing {' '.join(missing)}", flush=True)
            quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}
            subprocess.run(["apt-get", "update", "-qq"], **quiet)
            subprocess.run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing], **quiet,
                           env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"})
    use(venv)
    modules = [package for module, package in MODULES.items() if not importable(module)]
    if modules:
        print(f"installing {' '.join(modules)} into {os.path.relpath(venv)}", flush=True)
        # With the system's packages, so that only what this machine lacks is fetched.
        subprocess.run([sys.executable, "-m", "venv", "--system-site-packages", venv])
        subprocess.run([os.path.join(venv, "bin", "python"), "-m", "pip", "install", "-q", *modules])
        use(venv)


def use(venv):
    """Lets imports and programs come from the environment, too."""
    packages = os.path.join(venv, "lib", f"python{sys.version_info[0]}.{sys.version_info[1]}", "site-packages")
    if os.path.isdir(packages) and packages not in sys.path:
        sys.path.append(packages)
        os.environ["PATH"] = os.path.join(venv, "bin") + os.pathsep + os.environ["PATH"]


def hide_mounts():
    """Gives this process mounts of its own, so that nobody else keeps a file system that a row unmounts."""
    new_namespace = 0x20000
    if os.geteuid() == 0 and ctypes.CDLL(None).unshare(new_namespace) == 0:
        subprocess.run(["mount", "--make-rprivate", "/"])


def found(tool):
    if tool.startswith("/"):
        return os.path.exists(tool) or tool.endswith("ensurepip") and importable("ensurepip")
    return shutil.which(tool) is not None


def importable(module):
    import importlib.util

    return importlib.util.find_spec(module) is not None

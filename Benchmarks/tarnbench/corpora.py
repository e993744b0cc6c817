"""What is hashed, saved and restored: real trees made by pip, an image archive, many small files, one big file.

Each corpus is a folder that holds one thing (`venv`, `tree`, `app.tar`, `blob.bin`), made on first use and kept
between runs. Versions of a virtual environment are made at one path and moved away: pip writes the path into scripts
and into every .pyc, so that two environments made at different paths would not be re-creations of each other.
"""

import json
import os
import random
import shutil
import subprocess
import sys
import tarfile

WEB = ["Django==4.2.1", "djangorestframework==3.15.2", "sympy==1.12", "celery==5.3.6", "networkx==3.2.1"]
WEB_BUMPED = ["Django==4.2.7"] + WEB[1:]
DATA = [
    "numpy==1.26.4", "scipy==1.13.1", "pandas==2.2.2", "scikit-learn==1.5.1", "matplotlib==3.9.1", "pyarrow==16.1.0",
    "statsmodels==0.14.2", "sympy==1.12", "networkx==3.2.1",
]


class Corpora:
    """The corpora in one folder; `quick` makes the made-up ones smaller."""

    def __init__(self, root, quick=False):
        self.root, self.quick = os.path.abspath(root), quick

    def folder(self, name):
        """The folder of a corpus, made if it is not there yet."""
        make, sizes = MAKERS[name]
        folder = os.path.join(self.root, name + ("-quick" if self.quick and sizes else ""))
        if not os.path.exists(os.path.join(folder, ".complete")):
            print(f"  making the corpus {os.path.basename(folder)}", flush=True)
            shutil.rmtree(folder, ignore_errors=True)
            os.makedirs(folder)
            make(self, folder)
            open(os.path.join(folder, ".complete"), "w").close()
        return folder

    def venv(self, folder, requirements, base=None):
        """Makes a virtual environment, or upgrades a copy of `base` in place."""
        making = os.path.join(self.root, "making", "venv")
        shutil.rmtree(making, ignore_errors=True)
        os.makedirs(os.path.dirname(making), exist_ok=True)
        if base:
            run(["cp", "-a", os.path.join(self.folder(base), "venv"), making])
        else:
            run([sys.executable, "-m", "venv", making])
        pip = [os.path.join(making, "bin", "python"), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        run(pip + requirements)
        os.rename(making, os.path.join(folder, "venv"))


def run(command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}\nfailed:\n{done.stdout}")


def small_files(corpora, folder):
    """Files of 100 to 4,000 bytes, 100 in a directory, half as compressible as source text."""
    chance = random.Random(7)
    words = [bytes(chance.choices(b"abcdefghijklmnopqrstuvwxyz_", k=chance.randint(2, 9))) for _ in range(3000)]
    for index in range(10_000 if corpora.quick else 100_000):
        directory = os.path.join(folder, "tree", f"part-{index // 10_000}", f"group-{index // 100 % 100:02}")
        if index % 100 == 0:
            os.makedirs(directory)
        text = b" ".join(chance.choices(words, k=chance.randint(20, 600)))
        with open(os.path.join(directory, f"file-{index % 100:02}.txt"), "wb") as file:
            file.write(text[: chance.randint(100, 4000)])


def big_file(corpora, folder):
    """One file that nothing compresses: a cipher's key stream, the same in every run."""
    mebibytes = 256 if corpora.quick else 2048
    run(["bash", "-o", "pipefail", "-c",
         f"head -c {mebibytes}M /dev/zero | openssl enc -aes-128-ctr -K {'07' * 16} -iv {'00' * 16} "
         f"> '{folder}/blob.bin'"])


def image(version):
    """An image archive as `docker save` writes it: the interpreter, a virtual environment and an application.

    Version 2 differs from version 1 in the application's layer alone, as after a rebuild of a Dockerfile whose last
    line copies the source. No registry is asked; the layers come from what is installed here.
    """

    def make(corpora, folder):
        layers = os.path.join(folder, "layers")
        os.makedirs(layers)
        venv = os.path.join(corpora.folder("web-first"), "venv")
        tars = [] if corpora.quick else [layer(layers, "base", sys.base_prefix, "usr/local", "site-packages")]
        tars += [layer(layers, "packages", venv, "srv/venv"), application(layers, version)]
        archive(folder, tars)
        shutil.rmtree(layers)

    return make


def layer(folder, name, source, target, without=None):
    """A layer's tar of a folder, in a fixed order and with fixed owners, as builders make them.

    `without` names folders to leave out.
    """
    path = os.path.join(folder, name + ".tar")
    run(["tar", "--create", "--file", path, "--sort=name", "--owner=0", "--group=0", "--numeric-owner",
         "--mtime=@1700000000", *([f"--exclude={without}"] if without else []),
         f"--transform=s,^\\./,{target}/,RSh", "--directory", source, "."])
    return path


def application(folder, version):
    """300 source files, of which a new version changes 20."""
    root = os.path.join(folder, "app")
    os.makedirs(root)
    for index in range(300):
        chance = random.Random(index if index % 15 else index * 1000 + version)
        with open(os.path.join(root, f"module_{index:03}.py"), "w") as file:
            for line in range(chance.randint(50, 400)):
                file.write(f"value_{line} = {chance.random()!r}\n")
    return layer(folder, "app-layer", root, "srv/app")


def archive(folder, tars):
    """Writes app.tar: the layers named by their digests, the image's configuration and the manifest."""
    digests = [subprocess.run(["sha256sum", t], stdout=subprocess.PIPE, text=True).stdout[:64] for t in tars]
    config = {
        "architecture": "amd64", "os": "linux", "created": "2024-01-01T00:00:00Z",
        "config": {"Cmd": ["/srv/venv/bin/python", "/srv/app/module_000.py"]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{d}" for d in digests]},
        "history": [{"created": "2024-01-01T00:00:00Z", "created_by": os.path.basename(t)} for t in tars],
    }
    manifest = [{"Config": "config.json", "RepoTags": ["bench/app:1"], "Layers": [f"{d}/layer.tar" for d in digests]}]
    with tarfile.open(os.path.join(folder, "app.tar"), "w") as out:
        for path, digest in zip(tars, digests):
            out.add(path, f"{digest}/layer.tar", filter=anonymous)
        for name, value in (("config.json", config), ("manifest.json", manifest)):
            path = os.path.join(folder, name)
            with open(path, "w") as file:
                json.dump(value, file)
            out.add(path, name, filter=anonymous)
            os.remove(path)


def anonymous(member):
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mtime = 1_700_000_000
    return member


# Name to (maker, whether the quick one is smaller).
MAKERS = {
    "web-first": (lambda c, f: c.venv(f, WEB), False),
    "web-upgraded": (lambda c, f: c.venv(f, WEB_BUMPED, base="web-first"), False),
    "web-recreated": (lambda c, f: c.venv(f, WEB), False),
    "web-bumped": (lambda c, f: c.venv(f, WEB_BUMPED), False),
    "data-first": (lambda c, f: c.venv(f, DATA), False),
    "data-upgraded": (lambda c, f: c.venv(f, ["pandas==2.2.3"], base="data-first"), False),
    "small-files": (small_files, True),
    "big-file": (big_file, True),
    "image-1": (image(1), True),
    "image-2": (image(2), True),
}

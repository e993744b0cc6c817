"""That a restored tree is the saved one; runs after the clock stopped."""

import os
import subprocess


class Different(Exception):
    pass


def listing(root, nanoseconds):
    """Type, mode, size and modification time of every file below a folder, and the modes of folders."""
    found = {}
    queue = [""]
    while queue:
        folder = queue.pop()
        with os.scandir(os.path.join(root, folder)) as entries:
            for entry in entries:
                path = os.path.join(folder, entry.name)
                status = entry.stat(follow_symlinks=False)
                if entry.is_dir(follow_symlinks=False):
                    queue.append(path)
                    found[path] = (oct(status.st_mode),)
                elif entry.is_symlink():
                    found[path] = (oct(status.st_mode), os.readlink(os.path.join(root, path)))
                else:
                    found[path] = described(status, nanoseconds)
    return found


def described(status, nanoseconds):
    time = status.st_mtime_ns if nanoseconds else status.st_mtime_ns // 1_000_000_000
    return (oct(status.st_mode), status.st_size, time)


def same_tree(saved, restored, nanoseconds=True):
    """Raises unless both folders (or files) hold the same: content, types, modes, sizes, times of files.

    `nanoseconds` is false for peers whose format keeps whole seconds.
    """
    command = ["diff", "-r", "--no-dereference", saved, restored] if os.path.isdir(saved) else ["cmp", saved, restored]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode != 0:
        raise Different(f"{restored} is not {saved}:\n{done.stdout[-2000:].decode(errors='replace')}")
    both = [listing(p, nanoseconds) if os.path.isdir(p) else {"": described(os.lstat(p), nanoseconds)}
            for p in (saved, restored)]
    same_listing(*both, restored)


def same_listing(saved, restored, name):
    if saved != restored:
        wrong = [p for p in sorted(set(saved) | set(restored)) if saved.get(p) != restored.get(p)]
        rows = [f"  {p}: saved {saved.get(p)}, restored {restored.get(p)}" for p in wrong[:10]]
        raise Different("\n".join([f"{name}: {len(wrong)} entries differ in mode, size or time"] + rows))

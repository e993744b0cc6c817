"""Many blobs: tiny files with true digests, a hundred of them to an entry."""

import hashlib
import multiprocessing
import os
import struct

from . import entries

# Record, stamps, recipe, content digests, and chunks.
BLOBS_PER_ENTRY = 100
BLOB_SIZE = 16


def content(number):
    """The bytes of a blob."""
    return struct.pack("<QQ", number, 0x7461726E)


def digest(number):
    return hashlib.sha256(content(number)).digest()


def write_files(folder, count):
    """Writes the blobs as DiskLayout.swift names them: blobs/ab/cd/<hex>."""
    os.makedirs(os.path.join(folder, "blobs"), exist_ok=True)
    with multiprocessing.Pool(2) as pool:
        pool.starmap(write_share, [(folder, count, share) for share in range(2)])


def write_share(folder, count, share):
    """The blobs whose first byte is even or odd, so that two processes never make the same directory."""
    chosen = {}
    for number in range(count):
        name = digest(number)
        if name[0] & 1 == share:
            chosen.setdefault(name[:2].hex(), []).append((name.hex(), number))
    root = os.open(os.path.join(folder, "blobs"), os.O_RDONLY)
    for directory in sorted(chosen):
        path = f"{directory[:2]}/{directory[2:]}"
        os.makedirs(os.path.join(folder, "blobs", path), mode=0o700, exist_ok=True)
        for name, number in chosen[directory]:
            file = os.open(f"{path}/{name}", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=root)
            os.write(file, content(number))
            os.close(file)
    os.close(root)


def add(catalog, count):
    """Adds entries of a hundred blobs each, every one with a layer of its own, as first saves would."""
    project, scope, created = catalog.execute("SELECT project, scope, created_at FROM entries").fetchone()
    top = {table: catalog.execute(f"SELECT max(id) FROM {table}").fetchone()[0] + 1
           for table in ("blobs", "layers", "entries")}
    total = count // BLOBS_PER_ENTRY
    size = BLOBS_PER_ENTRY * BLOB_SIZE

    def blob(entry, index):
        return top["blobs"] + entry * BLOBS_PER_ENTRY + index

    def name(entry, index):
        return digest(entry * BLOBS_PER_ENTRY + index)

    catalog.executemany(
        "INSERT INTO blobs (id, digest, encoding, size, stored_size, refs, live) VALUES (?, ?, 0, ?, ?, 1, 1)",
        ((top["blobs"] + n, digest(n), BLOB_SIZE, BLOB_SIZE) for n in range(total * BLOBS_PER_ENTRY)))
    catalog.executemany(
        "INSERT INTO project_blobs VALUES (?, ?, 1, 1)",
        ((project, top["blobs"] + n) for n in range(total * BLOBS_PER_ENTRY)))
    catalog.executemany(
        "INSERT INTO layers (id, project, recipe, tree, stamps, path, anchor, size, members, chunks, entries)"
        " VALUES (?, ?, ?, ?, ?, 'venv', 'workdir', ?, 2, ?, 1)",
        ((top["layers"] + n, project, name(n, 2), name(n, 2), name(n, 1), size, BLOBS_PER_ENTRY - 4)
         for n in range(total)))
    catalog.executemany(
        "INSERT INTO layer_blobs VALUES (?, ?)",
        ((top["layers"] + n, blob(n, index)) for n in range(total) for index in range(2, BLOBS_PER_ENTRY)))

    def entry_rows():
        for number in range(total):
            key = entries.key(number, total)
            template, text = entries.provenance(key)
            yield (top["entries"] + number, project, scope, key, template, text, name(number, 0), size,
                   created + number, created + number)

    catalog.executemany(
        "INSERT INTO entries (id, project, scope, key, template, provenance, record, size, size_class, created_at,"
        " last_used_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0, ?, ?)", entry_rows())
    catalog.executemany(
        "INSERT INTO entry_layers VALUES (?, 0, ?, 'venv', 'workdir', ?)",
        ((top["entries"] + n, top["layers"] + n, name(n, 1)) for n in range(total)))
    catalog.executemany(
        "INSERT INTO entry_blobs VALUES (?, ?)",
        ((top["entries"] + n, blob(n, index)) for n in range(total) for index in range(2)))
    bytes_ = total * size
    catalog.execute("UPDATE totals SET used_bytes = used_bytes + ?1, live_bytes = live_bytes + ?1,"
                    " small_bytes = small_bytes + ?1", (bytes_,))
    catalog.execute("UPDATE projects SET live_bytes = live_bytes + ?1, small_bytes = small_bytes + ?1 WHERE id = ?2",
                    (bytes_, project))

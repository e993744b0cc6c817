"""Many entries that share the layers of a few that a real client saved."""

import hashlib
import json

# Of ten entries eight have a key of one of these families; a prefix `deps3-` matches a tenth of all entries.
FAMILIES = 8
# The other two have keys in groups of this size; a prefix `lint-000012-` matches one group.
GROUP = 200


def key(number, total):
    """The key of an entry; the hash makes the order of keys another one than that of the saves."""
    checksum = hashlib.sha256(b"%d" % number).hexdigest()
    if number % 10 < FAMILIES:
        return f"deps{number % 10}-{checksum[:40]}"
    groups = max(1, total // 5 // GROUP)
    return f"lint-{number // 10 % groups:06}-{checksum[:33]}"


def provenance(key):
    """The JSON that the catalog keeps about the origin of a key (StoredProvenance in Values.swift)."""
    stem, _, checksum = key.rpartition("-")
    source = '{{ checksum "requirements.txt" }}'
    template = f"{stem}-{source}"
    literal = {"source": stem + "-", "value": stem + "-", "literal": True}
    computed = {"source": source, "value": checksum, "literal": False}
    digest = hashlib.sha256(checksum.encode()).hexdigest()
    text = json.dumps({
        "template": template, "parts": [literal, computed], "files": [{"path": "requirements.txt", "digest": digest}],
        "branch": "main", "revision": digest[:40], "build": "4711", "system": "circleci", "host": "runner-1",
    }, separators=(",", ":"))
    return template, text


def add(catalog, count, total=None):
    """Adds `count` entries that clone those that are there, as saves of known content would."""
    seeds = catalog.execute(
        "SELECT id, project, scope, record, size, size_class, created_at FROM entries ORDER BY id").fetchall()
    layers = {seed[0]: catalog.execute(
        "SELECT position, layer, path, anchor, stamps FROM entry_layers WHERE entry = ?", seed[:1]).fetchall()
        for seed in seeds}
    blobs = {seed[0]: catalog.execute("SELECT blob FROM entry_blobs WHERE entry = ?", seed[:1]).fetchall()
             for seed in seeds}
    first = seeds[-1][0] + 1

    def seed_of(number):
        return seeds[number % len(seeds)]

    def rows():
        for number in range(count):
            _, project, scope, record, size, size_class, created = seed_of(number)
            name = key(number, total or count)
            template, text = provenance(name)
            yield (first + number, project, scope, name, template, text, record, size, size_class,
                   created + number, created + number)

    catalog.executemany(
        "INSERT INTO entries (id, project, scope, key, template, provenance, record, size, size_class, created_at,"
        " last_used_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows())
    catalog.executemany(
        "INSERT INTO entry_layers VALUES (?, ?, ?, ?, ?, ?)",
        ((first + n, *row) for n in range(count) for row in layers[seed_of(n)[0]]))
    catalog.executemany(
        "INSERT INTO entry_blobs VALUES (?, ?)",
        ((first + n, *row) for n in range(count) for row in blobs[seed_of(n)[0]]))
    for index, seed in enumerate(seeds):
        copies = len(range(index, count, len(seeds)))
        count_uses(catalog, seed, copies, layers[seed[0]], blobs[seed[0]])


def count_uses(catalog, seed, copies, layers, blobs):
    """Keeps the counts and sums that hang on the copies of one entry."""
    _, project, _, _, size, size_class, _ = seed
    for row in layers:
        catalog.execute("UPDATE layers SET entries = entries + ? WHERE id = ?", (copies, row[1]))
    for (blob,) in blobs:
        catalog.execute("UPDATE blobs SET refs = refs + ?1, live = live + ?1 WHERE id = ?2", (copies, blob))
        catalog.execute("UPDATE project_blobs SET refs = refs + ?1, live = live + ?1 WHERE project = ?2 AND blob = ?3",
                        (copies, project, blob))
    column = "large_bytes" if size_class else "small_bytes"
    catalog.execute(f"UPDATE totals SET {column} = {column} + ?", (copies * size,))
    catalog.execute(f"UPDATE projects SET {column} = {column} + ? WHERE id = ?", (copies * size, project))

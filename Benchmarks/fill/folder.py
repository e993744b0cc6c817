"""Opens the catalog of a stopped server for one big transaction."""

import contextlib
import os
import sqlite3
import time

SCHEMA = 2


@contextlib.contextmanager
def catalog(folder):
    """The catalog of a data folder that holds at least one entry that a real client saved."""
    connection = sqlite3.connect(os.path.join(folder, "catalog.sqlite"), isolation_level=None)
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version != SCHEMA:
        raise SystemExit(f"the catalog has schema {version}, Benchmarks/fill writes {SCHEMA}: bring it up to date")
    connection.execute("PRAGMA cache_size = -2000000")
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("BEGIN")
    # The server makes the index of prefixes anew when it opens a catalog of the schema before it.
    connection.execute("DROP TABLE entry_prefixes")
    connection.execute("DELETE FROM grdb_migrations WHERE identifier = '2-prefixes'")
    connection.execute("PRAGMA user_version = 1")
    yield connection
    problems = connection.execute("PRAGMA foreign_key_check").fetchmany(3)
    if problems:
        raise SystemExit(f"the filled rows do not fit the schema: {problems}")
    connection.execute("COMMIT")
    # The server starts with the log that it leaves itself when it stops: none.
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def entries(folder, count):
    """Fills with entries; returns the seconds it took."""
    from . import entries as rows
    start = time.monotonic()
    with catalog(folder) as connection:
        rows.add(connection, count)
    return time.monotonic() - start


def blobs(folder, count):
    """Fills with blobs and their entries; returns the seconds it took."""
    from . import blobs as rows
    start = time.monotonic()
    rows.write_files(folder, count)
    with catalog(folder) as connection:
        rows.add(connection, count)
    return time.monotonic() - start

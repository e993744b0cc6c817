"""All cases, in the order in which they run: each module registers its own when it is imported."""

import importlib.util

MODULES = ["tree", "save", "increment", "restore", "program", "server", "catalog", "blobs", "clients", "link"]

for module in MODULES:
    name = f"{__package__}.cases_{module}"
    if importlib.util.find_spec(name):
        importlib.import_module(name)

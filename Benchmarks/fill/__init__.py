"""Makes big data folders in seconds: rows are written straight into the catalog, blobs straight into their folders.

Every column is what the server itself would have written; `tarnd check` is run on the result, so that a change of the
schema shows at once.
"""

"""usage: python3 -m fill {entries|blobs} COUNT DATA-FOLDER   (of a stopped server with at least one saved entry)"""

import sys

from . import folder

if len(sys.argv) != 4 or sys.argv[1] not in ("entries", "blobs"):
    sys.exit(__doc__)
seconds = getattr(folder, sys.argv[1])(sys.argv[3], int(sys.argv[2]))
print(f"{int(sys.argv[2])} {sys.argv[1]} in {seconds:.1f} s")

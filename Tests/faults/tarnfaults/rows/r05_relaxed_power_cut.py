"""Row 5. Fault: a power cut of a server with `--durability relaxed`, which does not wait for the disk.

Invariant: saves may be lost, but nothing wrong is ever served, and the server starts. How: as rows 3 and 4, with all
acknowledgements forgiven. What was lost, and what the check found damaged, is reported.
"""

from ..board import row
from .r03_power_cut_prefixes import recorded, verify_cuts
from .r04_power_cut_under_load import LossyLoad, cut_often


@row(5, "relaxed-power-cut", "power cut of a server with relaxed durability",
     "nothing wrong is served; losses are misses", plants=("other bytes",))
def run(context, tally):
    total = {}
    cut_often(context, tally, "ext4", 2 if context.plant else context.size(5, 20), "relaxed", total, lossy=True)
    if not context.plant:
        record, acknowledged, history, first = recorded(context, "relaxed")
        cuts = verify_relaxed(context, tally, record, acknowledged, history, first)
        total["cuts_of_the_record"] = cuts
    tally.figure(**total, saves_refused_after_a_loss=LossyLoad.refusals)


def verify_relaxed(context, tally, record, acknowledged, history, first):
    return verify_cuts(context, tally, record, acknowledged, history, first, context.size(20, 80), lossy=True)

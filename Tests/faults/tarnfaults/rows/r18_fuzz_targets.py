"""Row 18. Fault: random bytes to everything that reads bytes or text of others.

Invariant: no trap, no second for one input, less than 256 MiB, and what the targets assert. How: Tests/Fuzz/run, with 20
million executions of each target, or a few seconds each in a quick run. A target whose code has made them before is not
run again: docs/reliability/fuzz.json says which, when, and with what seed.
"""

import glob
import json
import os
import subprocess

from ..board import Skip, row

EXECUTIONS = 20_000_000


@row(18, "fuzz-targets", "random bytes to every reader of foreign bytes (libFuzzer)",
     "no crash, no input that takes a second, less than 256 MiB")
def run(context, tally):
    folder = os.path.join(context.root, "Tests", "Fuzz")
    if not os.path.exists(os.path.join(folder, "run")):
        raise Skip("there is no Tests/Fuzz/run")
    jobs = ["--jobs", str(os.cpu_count())]
    amount = ["--seconds", "5"] if context.quick else ["--finish", str(EXECUTIONS), *jobs]
    before = set(glob.glob(os.path.join(folder, "results", "*.json")))
    with open(os.path.join(context.fresh("fuzz"), "log"), "w+") as log:
        subprocess.run([os.path.join(folder, "run"), *amount, "--seed", str(context.seed + 1)], stdin=subprocess.DEVNULL,
                       stdout=log, stderr=log)
        log.seek(0)
        told = log.read()
    new = sorted(set(glob.glob(os.path.join(folder, "results", "*.json"))) - before)
    if not new:
        raise RuntimeError(f"Tests/Fuzz/run left no results: {told[-600:]}")
    with open(new[-1]) as file:
        targets = json.load(file)["targets"]
    for target in targets:
        tally.case(target["executions"])
        for crash in target["crashes"]:
            tally.violation(f"{target['target']}: {crash['kind']}: {crash['message'][:300]}; {crash.get('repeat', '')}")
        if not context.quick:
            tally.need(target["executions"] >= EXECUTIONS or target["crashes"],
                       f"{target['target']}: only {target['executions']:,} executions")
    tally.figure(targets=len(targets), least_executions=min(target["executions"] for target in targets),
                 peak_mib=max(target.get("peakMiB", 0) for target in targets))

"""Row 30. Fault: data races and memory errors that tests do not show by themselves.

Invariant: none. How: Tests/sanitizers/run: all tests but the end-to-end ones under ThreadSanitizer and AddressSanitizer,
and clients against a server under ThreadSanitizer for five minutes.
"""

import os
import re
import subprocess

from ..board import Skip, row


@row(30, "sanitizers", "all tests and a load under ThreadSanitizer and AddressSanitizer", "no report")
def run(context, tally):
    program = os.path.join(context.root, "Tests", "sanitizers", "run")
    if not os.path.exists(program):
        raise Skip("there is no Tests/sanitizers/run")
    seconds = str(context.size(30, 300))
    done = subprocess.run([program, "--load", seconds], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, cwd=context.root)
    reports = 0
    for name, count, found in re.findall(r"^(\w+): .*?Test run with (\d+) tests?.*?; (\d+) reports", done.stdout, re.M):
        tally.case(int(count))
        reports += int(found)
        tally.hold(found == "0", f"{name}: {found} reports: {done.stdout[-1500:]}")
    tally.hold(done.returncode == 0, f"Tests/sanitizers/run ended with {done.returncode}: {done.stdout[-1500:]}")
    tally.need(tally.cases > 0, "no test has run")
    tally.figure(reports=reports, seconds_of_load=int(seconds))

"""What the terminal shows."""

import sys
import time

STATUS = {"passed": "passed", "failed": "FAILED", "skipped": "skipped"}


def rows(registered):
    for number, row in sorted(registered.items()):
        marks = "quick" if row.quick else "     "
        print(f"{number:>3}  {marks}  {row.name}: {row.fault}\n            {row.invariant}")


def progress(row, plant=None):
    """A function that shows a line: on a terminal over the one before, unless it is to be kept."""
    last = [0.0]

    def say(text, keep=False):
        if keep:
            print(f"       {text}", flush=True)
        elif sys.stdout.isatty() and time.monotonic() > last[0] + 0.2:
            last[0] = time.monotonic()
            print(f"\r\033[K{row.number:>3}  {row.name}: {text}", end="", flush=True)

    return say


def show(result):
    figures = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in result.figure.items())
    start = "\r\033[K" if sys.stdout.isatty() else ""
    print(f"{start}{result.row:>3}  {STATUS[result.status]:<7}  {result.name}: {result.cases} cases, "
          f"{result.violations} violations, {result.seconds:.0f} s{'; ' + figures if figures else ''}")
    if result.why:
        print(f"              {result.why[:400]}")
    sys.stdout.flush()

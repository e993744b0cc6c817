"""Rows of the board, and how one is run: a tally of cases and violations becomes a result."""

import dataclasses
import time
import traceback
from typing import Callable

ROWS = {}
SHOWN = 5  # violations of a row that are printed


@dataclasses.dataclass
class Row:
    """One fault. `plants` names the violations that `--prove` plants, one run for each."""

    number: int
    name: str
    fault: str
    invariant: str
    run: Callable
    quick: bool
    plants: tuple


class Skip(Exception):
    """The row cannot run on this machine; the text says why."""


def row(number, name, fault, invariant, quick=False, plants=()):
    """Registers `run(context, tally)` as a row. `quick` rows are run by --quick, too."""

    def register(run):
        ROWS[number] = Row(number, name, fault, invariant, run, quick, plants)
        return run

    return register


class Tally:
    """What a row counts. A case is one fault done; a violation is one invariant that did not hold."""

    def __init__(self, say=lambda text: None):
        self.cases, self.violations, self.figures, self.unmet, self.say = 0, [], {}, [], say

    def case(self, count=1):
        self.cases += count
        self.say(f"{self.cases} cases, {len(self.violations)} violations")

    def violation(self, text):
        self.violations.append(str(text)[:2000])
        if len(self.violations) <= SHOWN:
            more = "; more are only counted" if len(self.violations) == SHOWN else ""
            self.say(f"violation: {self.violations[-1][:300]}{more}", keep=True)

    def hold(self, condition, text):
        """Counts a violation unless the condition holds; the condition again."""
        if not condition:
            self.violation(text)
        return condition

    def need(self, condition, text):
        """A gate that is about how much was tried: unmet, the row is failed although nothing was violated."""
        if not condition:
            self.unmet.append(text)

    def figure(self, **figures):
        self.figures.update(figures)


@dataclasses.dataclass
class Result:
    row: int
    name: str
    seed: int
    cases: int
    violations: int
    seconds: float
    status: str
    why: str
    figure: dict
    quick: bool = False
    commit: str = ""
    examples: list = dataclasses.field(default_factory=list)


def run_row(row, context, say):
    """Runs a row; whatever happens, a result comes of it and everything that it started has ended."""
    tally, began, status, why = Tally(say), time.monotonic(), None, ""
    try:
        row.run(context, tally)
    except Skip as reason:
        status, why = (None, "") if tally.violations else ("skipped", str(reason))
    except Exception as error:  # the other rows are still worth having
        status, why = "failed", f"{type(error).__name__}: {error}"[:1000]
        say(traceback.format_exc(), keep=True)
    finally:
        context.close()
    if status is None:
        status = "failed" if tally.violations or tally.unmet else "passed"
        why = "; ".join(tally.unmet) or (tally.violations[0][:300] if tally.violations else "")
    return Result(row.number, row.name, context.seed, tally.cases, len(tally.violations),
                  round(time.monotonic() - began, 1), status, why, tally.figures, context.quick, context.commit,
                  tally.violations[:5])

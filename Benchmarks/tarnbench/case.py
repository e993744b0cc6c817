"""A case: sides that do the same job, run A B A B … in one series."""

import dataclasses
import os
import statistics
import time
from typing import Callable, Optional

from . import measure


@dataclasses.dataclass
class Round:
    """One run of one side. `values` carries what `prepare` made to `run` and `check`."""

    number: int
    side: str
    values: dict = dataclasses.field(default_factory=dict)

    def __getitem__(self, name):
        return self.values[name]

    def __setitem__(self, name, value):
        self.values[name] = value


@dataclasses.dataclass
class Side:
    """One way to do the job. `prepare` and `check` are not timed; `check` raises if the outcome is wrong."""

    name: str
    run: Callable[[Round], measure.Sample]
    prepare: Optional[Callable[[Round], None]] = None
    check: Optional[Callable[[Round], None]] = None
    command: str = ""


@dataclasses.dataclass
class Case:
    """`sides[0]` is ours; ratios are peer / ours, so that over 1 means that ours is faster or smaller."""

    name: str
    title: str
    sides: list
    setup: Optional[Callable[[], None]] = None
    teardown: Optional[Callable[[], None]] = None
    warmups: int = 1
    rounds: Optional[int] = None  # at most so many, for a case that takes long
    shares: bool = False  # whether the servers that it started serve the factory's next case, too


FACTORIES = {}


def register(factory, name):
    """`factory(context)` gives a Case or a list of them; NAME is what is typed at Benchmarks/run."""
    FACTORIES[name] = factory


class Context:
    """What factories build their cases from."""

    def __init__(self, options, workspace, corpora, binaries):
        self.options, self.workspace, self.corpora, self.binaries = options, workspace, corpora, binaries
        self.closers = []

    @property
    def quick(self):
        return self.options.quick

    def program(self, name):
        return os.path.join(self.binaries, name)

    def tarn(self, *arguments):
        """A running tarnd with a fresh data folder, stopped at the latest when the case ends."""
        from . import tarn

        server = tarn.Server(self.program("tarnd"), self.workspace, arguments)
        self.closers.append(server.stop)
        return server

    def close(self, down_to=0):
        """Stops what was started, newest first, but for the first `down_to`."""
        while len(self.closers) > down_to:
            self.closers.pop()()


def run_case(case, rounds, workspace, say=lambda text: None):
    """Runs a case; the result for the JSON file."""
    rounds = min(rounds, case.rounds or rounds)
    samples = {side.name: [] for side in case.sides}
    try:
        if case.setup:
            case.setup()
        for number in range(case.warmups + rounds):
            shift = number % len(case.sides)
            for side in case.sides[shift:] + case.sides[:shift]:
                say(f"{case.name}: round {number + 1} of {case.warmups + rounds}, {side.name}")
                sample = run_side(side, Round(number, side.name), workspace)
                if number >= case.warmups:
                    samples[side.name].append(sample)
    finally:
        if case.teardown:
            case.teardown()
    return result(case, rounds, samples)


def run_side(side, round, workspace):
    if side.prepare:
        side.prepare(round)
    workspace.tidy()
    workspace.settle()
    sample = side.run(round)
    if side.check:
        side.check(round)
    return sample


def result(case, rounds, samples):
    sides = {}
    for side in case.sides:
        runs = samples[side.name]
        names = sorted({name for run in runs for name in run.figures})
        sides[side.name] = {
            "wall": [run.wall for run in runs], "cpu": [run.cpu for run in runs], "peak": [run.peak for run in runs],
            "figures": {name: [run.figures[name] for run in runs if name in run.figures] for name in names},
            "command": side.command,
        }
    ours = case.sides[0].name
    return {
        "case": case.name, "title": case.title, "rounds": rounds, "ours": ours, "sides": sides,
        "ratios": {side.name: ratios(sides[ours], sides[side.name]) for side in case.sides[1:]},
        "load": os.getloadavg()[0], "ended": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    }


def median_of(side, figure):
    """The median of wall, cpu, peak or a figure of a side of a result; None if there is none."""
    values = side[figure] if figure in ("wall", "cpu", "peak") else side["figures"].get(figure, [])
    return statistics.median(values) if values else None


def ratios(ours, peer):
    """Peer / ours of the medians, for each figure that both have and that isn't zero."""
    found = {}
    for figure in ["wall", "cpu", "peak", *ours["figures"]]:
        mine, theirs = median_of(ours, figure), median_of(peer, figure)
        if mine and theirs:
            found[figure] = theirs / mine
    return found

"""What each case must reach: the goal, and the least that counts as done."""

import dataclasses

from .case import median_of


@dataclasses.dataclass
class Goal:
    """A bound on one figure of a case's result.

    `value` takes the result and gives the figure (None: not in this run). With `most`, goal and least are upper
    bounds; otherwise lower ones.
    """

    case: str
    what: str
    value: object
    goal: float
    least: float
    most: bool = False
    unit: str = "x"

    def verdict(self, figure):
        reached = (lambda bound: figure <= bound) if self.most else (lambda bound: figure >= bound)
        return "met" if reached(self.goal) else "least" if reached(self.least) else "missed"


def faster(peer, figure="wall"):
    """How many times less of a figure we take than a peer."""
    return lambda result: result["ratios"].get(peer, {}).get(figure)


def share(peer, figure):
    """Our part of a peer's figure: 1.1 is ten percent more than the peer."""

    def value(result):
        if peer not in result["sides"]:
            return None
        ours, theirs = (median_of(result["sides"][side], figure) for side in (result["ours"], peer))
        return ours / theirs if theirs and ours is not None else None

    return value


def own(figure, scale=1):
    """The median of one of our own figures."""

    def value(result):
        median = median_of(result["sides"][result["ours"]], figure)
        return None if median is None else median / scale

    return value


GOALS = []


def rows(results):
    """(goal, figure, verdict) for every goal whose case is in these results."""
    found = []
    for result in results:
        for goal in GOALS:
            if result["case"] == goal.case and (figure := goal.value(result)) is not None:
                found.append((goal, figure, goal.verdict(figure)))
    return found

"""docs/PERFORMANCE.md and its plots, from files of results."""

import glob
import json
import os
import re
import statistics
import sys

from . import cases, goals, plots, table  # noqa: F401  (importing the cases brings their goals)
from .case import median_of

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
DOCS = os.path.join(os.path.dirname(HERE), "docs")
NOTES = os.path.join(HERE, "notes.json")

# Title, what it is about, how the names of its cases start.
GROUPS = [
    ("Hashing a tree", "What a client does first: one SHA-256 over each file.", ("hash",)),
    ("Saving", "Cut, hashed, deduplicated, compressed, sent, and durable on the server when the client ends.",
     ("save",)),
    ("Restoring", "Every restored tree is compared with the saved one after the clock stopped.", ("restore",)),
    ("Many clients at once", "Each with a folder and a client cache of its own, all on the server's machine.",
     ("clients",)),
    ("A slow link", "A network namespace behind a token bucket; bytes are those of the packets, headers included.",
     ("link",)),
    ("The server against nginx", "Client and server share the cores. nginx sends files with sendfile and receives them "
     "by DAV; it neither hashes nor syncs what it receives.", ("get", "put", "fetch")),
    ("Resolving keys", "Every question asks for another key. The peer is Tarn itself with fewer entries.",
     ("resolve",)),
    ("A big store", "Starting, evicting and collecting.", ("server-start", "collect")),
    ("Programs", "What it costs to start a client, and how big it is.", ("client-start", "program")),
]
OTHER = ("Other cases", "", ("",))

# Figures that have a column of their own, where a case has them.
FIGURES = {
    "per_second": "requests/s", "mb_per_second": "MB/s", "p50_ms": "p50, ms", "p99_ms": "p99, ms",
    "max_ms": "longest, ms", "server_cpu_us": "server CPU per request, µs", "cpu_per_gb": "CPU s/GB",
    "server_cpu_per_gb": "server's CPU s/GB",
    "sent": "bytes sent", "received": "bytes received", "stored": "bytes stored", "server_peak": "server's peak",
    "of_line_rate": "of the line rate", "us_per_blob": "µs per removed blob", "cpu_us_per_blob": "CPU µs per blob",
    "resolve_p99_ms": "resolve p99 meanwhile, ms", "resolve_max_ms": "resolve longest meanwhile, ms",
    "bytes": "bytes", "size": "bytes",
}
VERDICTS = {"met": "met", "least": "least", "missed": "**missed**"}


def group_of(name):
    """The group whose longest fitting prefix is longest."""
    fitting = [(len(prefix), number) for number, (_, _, prefixes) in enumerate(GROUPS)
               for prefix in prefixes if name.startswith(prefix)]
    return GROUPS[max(fitting)[1]] if fitting else OTHER


def spread(values):
    return f"±{table.spread(values):.0f} %" if len(values) > 1 else ""


def cell(name, value):
    if value is None:
        return ""
    if name in table.BYTES:
        return f"{value / 1e6:.1f} MB"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def row(cells):
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def case_section(result):
    """The table of a case and the command of each side."""
    sides = result["sides"]
    figures = [name for name in FIGURES if any(side["figures"].get(name) for side in sides.values())]
    head = ["", "wall", "spread", "CPU", "peak memory", *(FIGURES[name] for name in figures)]
    head += ["wall, peer / ours", "CPU, peer / ours"] if len(sides) > 1 else []
    lines = [f"### {result['case']}", "", f"{result['title'][0].upper()}{result['title'][1:]}.", "", row(head),
             row([":--"] + ["--:"] * (len(head) - 1))]
    for name, side in sides.items():
        ratio = result["ratios"].get(name, {})
        cells = [f"**{name}**" if name == result["ours"] else name, table.seconds(statistics.median(side["wall"])),
                 spread(side["wall"]), table.seconds(statistics.median(side["cpu"])),
                 cell("peak", median_of(side, "peak") or None)]
        cells += [cell(figure, median_of(side, figure)) for figure in figures]
        if len(sides) > 1:
            cells += [plots.factor(ratio[figure]) if figure in ratio else "" for figure in ("wall", "cpu")]
        lines.append(row(cells))
    commands = [f"{name}: {side['command']}" for name, side in sides.items() if side["command"]]
    if commands:
        lines += ["", "```", *commands, "```"]
    return lines + [""]


def group_section(group, results):
    """A heading, a plot of the ratios, and the cases."""
    title, words, _ = group
    lines = [f"## {title}", "", *([words, ""] if words else [])]
    ratios = [(f"{result['case']} · {peer}", ratio["wall"]) for result in results
              for peer, ratio in result["ratios"].items() if "wall" in ratio]
    if ratios:
        name = title.lower().replace(" ", "-") + ".svg"
        os.makedirs(os.path.join(DOCS, "performance"), exist_ok=True)
        with open(os.path.join(DOCS, "performance", name), "w") as file:
            file.write(plots.bars(f"{title}: wall time of the peer / ours", ratios))
        lines += [f"![{title}: wall time of each peer, divided by ours](performance/{name})", ""]
    for result in results:
        lines += case_section(result)
    return lines


def short(version):
    """The number in what a program says about its version; the start of each digest where there are digests."""
    if isinstance(version, dict):
        return " ".join(f"{name} {digest[:8]}" for name, digest in version.items())
    found = re.search(r"\d+(\.\d+)+\w*", version) or re.search(r"\d+", version)
    return found.group() if found else version or "?"


def head(about):
    machine, versions = about["machine"], about["versions"]
    quick = ["", "**From a quick run: three rounds and small corpora. Not what goals are judged by.**"]
    return [
        "# Performance", "",
        "Made by `Benchmarks/run --report docs/performance/results/*.json`; do not edit it by hand.",
        *(quick if about.get("quick") else []), "",
        f"- Machine: {machine['cpu']}, {machine['cores']} cores, {machine['memory'] / 2 ** 30:.0f} GiB of memory, "
        f"Linux {machine['kernel']}; {machine['file_system']}",
        f"- Versions: {', '.join(f'{name} {short(version)}' for name, version in versions.items())}",
        f"- Durability of tarnd: {about['durability']}; page cache: {about['page_cache']}",
        f"- Run: {about['date']}, `{about['command']}`, load before it {machine.get('load', 0):.1f}", "",
        "## How to read this", "",
        "- All sides of a case run in turn, in one series, after a warm-up. A number is the median of the rounds;",
        "  the spread is half the distance between the quartiles.",
        "- A ratio is the peer's figure divided by ours: over 1 means that Tarn is faster or needs less.",
        "- CPU is user and system time of all processes that took part, servers included. Where the",
        "  server is what is measured, peak memory is the server's; elsewhere that of the client's biggest process.",
        "- Ratios travel to other machines, seconds do not.",
        "- What is restored, sent or stored is compared with the original in every round, after the clock stopped.",
        "- Below each table are the commands that it compares. `Benchmarks/run --list` names what can be run alone.",
        "",
    ]


def goals_section(results, notes):
    """The table of goals, and a text for each that was not reached."""
    rows = goals.rows(results)
    if not rows:
        return []
    lines = ["## Goals", "", row(["case", "figure", "reached", "goal", "least", ""]),
             row([":--", ":--", "--:", "--:", "--:", ":--"])]
    for goal, figure, verdict in rows:
        bound, unit = "≤" if goal.most else "≥", "×" if goal.unit == "x" else f" {goal.unit}"
        bounds = [f"{bound} {value:g}{unit}" for value in (goal.goal, goal.least)]
        lines.append(row([goal.case, goal.what, f"{figure:.2f}{unit}", *bounds, VERDICTS[verdict]]))
    lines += ["", "*least*: what counts as done is reached, the goal is not.", ""]
    short = [(goal, figure) for goal, figure, verdict in rows if verdict != "met"]
    if short:
        lines += ["### What was not reached, and why", ""]
    for goal, figure in short:
        wanted = f"{goal.goal:g}{'×' if goal.unit == 'x' else ' ' + goal.unit}"
        note = notes.get(f"{goal.case}: {goal.what}") or notes.get(goal.case) or "Not examined yet."
        text = note if isinstance(note, str) else f"{note['why']} Tried: {note['tried']}"
        lines.append(f"- **{goal.case}, {goal.what}**: {figure:.2f} instead of {wanted}. {text}")
    return lines + [""]


def load(paths):
    """The results of all files; of a case that is in several the last one counts."""
    about, results, is_quick, commands = {}, {}, False, []
    for path in paths:
        with open(path) as file:
            about = json.load(file)
        is_quick = is_quick or about.get("quick", False)
        commands.append(about["command"])
        results.update({result["case"]: result for result in about.pop("results")})
    return dict(about, quick=is_quick, command="`, `".join(commands)), list(results.values())


def write(about, results):
    notes = {}
    if os.path.exists(NOTES):
        with open(NOTES) as file:
            notes = json.load(file)
    lines = head(about) + goals_section(results, notes)
    for group in [*GROUPS, OTHER]:
        members = [result for result in results if group_of(result["case"]) is group]
        if members:
            lines += group_section(group, members)
    path = os.path.join(DOCS, "PERFORMANCE.md")
    with open(path, "w") as file:
        file.write("\n".join(lines).rstrip() + "\n")
    return path


def main(options):
    """`--report [RESULTS.json ...]`: of these, else of the newest file of results."""
    paths = list(options.case) or sorted(glob.glob(os.path.join(HERE, "results", "*.json")))[-1:]
    if not paths:
        sys.exit("there are no results yet: run Benchmarks/run first, or name a file of results")
    print("written to", os.path.relpath(write(*load(paths))))
    return 0

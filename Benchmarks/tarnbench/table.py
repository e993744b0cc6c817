"""What a run prints. Every line is written as soon as it is known."""

import statistics
import sys

BYTES = {"peak", "server_peak", "sent", "stored", "received", "bytes"}


def head(about):
    machine = about["machine"]
    print(f"{machine['cpu']}, {machine['cores']} cores, {machine['memory'] >> 30} GiB, Linux {machine['kernel']}")
    print(f"{machine['file_system']}; durability {about['durability']}, page cache {about['page_cache']}, "
          f"load {machine['load']:.1f}; {about['versions']['tarn']}")
    print("medians; ± is half the distance between the quartiles; ratios are peer / ours, over 1 is better for us",
          flush=True)


def progress(text):
    """One line that the next one overwrites; nothing when it isn't a terminal."""
    if sys.stderr.isatty():
        print(f"\r\033[K  {text}", end="", file=sys.stderr, flush=True)


def clear():
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr, flush=True)


def seconds(value):
    return f"{value * 1000:.1f} ms" if value < 1 else f"{value:.2f} s"


def number(name, value):
    if name in BYTES or name.endswith("_bytes"):
        return f"{value / 1e6:.1f} MB"
    if name.endswith(("cpu", "wall")) or name.endswith("seconds"):
        return seconds(value)
    return f"{value:,.2f}".rstrip("0").rstrip(".")


def spread(values):
    """Half the distance between the quartiles, in percent of the median."""
    if len(values) < 2 or not statistics.median(values):
        return 0
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return 50 * (high - low) / statistics.median(values)


def show(result):
    clear()
    print(f"\n{result['case']}: {result['title']} ({result['rounds']} rounds, load {result['load']:.1f})")
    for name, side in result["sides"].items():
        wall, cpu = statistics.median(side["wall"]), statistics.median(side["cpu"])
        line = f"  {name:26} {seconds(wall):>9} ±{spread(side['wall']):3.0f}%  cpu {seconds(cpu):>9}"
        line += f"  peak {statistics.median(side['peak']) / 1e6:6.1f} MB"
        ratio = result["ratios"].get(name)
        line += f"  {ratio.get('wall', 0):6.2f}x wall {ratio.get('cpu', 0):6.2f}x cpu" if ratio else " " * 26
        figures = [f"{k} {number(k, statistics.median(v))}" for k, v in side["figures"].items() if v]
        print(line + ("  " + ", ".join(figures) if figures else ""))
    sys.stdout.flush()


def failure(name, error):
    clear()
    print(f"\n{name}: FAILED: {type(error).__name__}: {error}", flush=True)


def goals(rows):
    if not rows:
        return
    print(f"\n{'case':24} {'figure':58} {'reached':>9} {'goal':>9} {'least':>9}")
    for goal, figure, verdict in rows:
        bound = "≤" if goal.most else "≥"
        values = [f"{figure:.2f} {goal.unit}", f"{bound} {goal.goal:g}", f"{bound} {goal.least:g}"]
        print(f"{goal.case:24} {goal.what:58} {values[0]:>9} {values[1]:>9} {values[2]:>9}  {verdict}")
    sys.stdout.flush()

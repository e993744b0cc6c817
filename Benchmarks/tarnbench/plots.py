"""Bars of ratios as SVG text: no library, no fonts to ship, readable on light and dark pages."""

import math
from xml.sax.saxutils import escape

WIDTH, LABELS, VALUES, ROW, TOP, BOTTOM = 820, 330, 70, 24, 34, 26
# A grey with enough contrast on white and on black; the pages that show these decide what is behind.
TEXT, GRID, FASTER, SLOWER = "#6e7781", "#8c959f", "#2a8f5b", "#c2691c"


def ticks(low, high):
    """Round numbers for a logarithmic axis."""
    found = []
    for power in range(-3, 5):
        found += [step * 10.0 ** power for step in (1, 2, 5)]
    return [tick for tick in found if low <= tick <= high]


def span(ratios):
    """The ends of the axis: always with 1 inside, and some air."""
    low, high = min(ratios + [1]), max(ratios + [1])
    return min(low / 1.25, 0.8), max(high * 1.25, 1.25)


def text(x, y, words, anchor="start", size=12, weight="normal"):
    return (f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" font-weight="{weight}" '
            f'fill="{TEXT}">{escape(words)}</text>')


def bars(title, rows):
    """An SVG of (label, ratio) rows; a ratio over 1 goes to the right and is better for us."""
    low, high = span([ratio for _, ratio in rows])
    room = WIDTH - LABELS - VALUES

    def place(ratio):
        return LABELS + room * math.log(ratio / low) / math.log(high / low)

    height = TOP + ROW * len(rows) + BOTTOM
    bottom = TOP + ROW * len(rows)
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" '
             f'height="{height}" role="img" aria-label="{escape(title)}" font-family="system-ui, sans-serif">',
             text(0, 16, title, size=14, weight="bold")]
    for tick in ticks(low, high):
        x, is_one = place(tick), tick == 1
        color = TEXT if is_one else GRID
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 6}" y2="{bottom}" stroke="{color}" '
                     f'stroke-width="{1.5 if is_one else 0.5}" stroke-opacity="{1 if is_one else 0.5}"/>')
        if is_one or not crowded(tick, low, high):
            parts.append(text(x, bottom + 16, f"{tick:g}×", "middle", 11))
    for number, (label, ratio) in enumerate(rows):
        y, start, end = TOP + ROW * number, *sorted((place(1), place(ratio)))
        parts.append(f'<rect x="{start:.1f}" y="{y + 4}" width="{max(end - start, 1):.1f}" height="{ROW - 8}" rx="2" '
                     f'fill="{FASTER if ratio >= 1 else SLOWER}"/>')
        parts.append(text(LABELS - 10, y + ROW / 2 + 4, label, "end"))
        parts.append(text(end + 6, y + ROW / 2 + 4, factor(ratio)))
    return "\n".join(parts + ["</svg>", ""])


def factor(ratio):
    """Two digits at least, and never more than two after the point of what is near 1."""
    return f"{ratio:.0f}×" if ratio >= 10 else f"{ratio:.2f}×" if ratio >= 0.1 else f"{ratio:.2g}×"


def crowded(tick, low, high):
    """Whether the axis is too long to label this tick: then only powers of ten are."""
    return high / low > 100 and not math.log10(tick).is_integer()

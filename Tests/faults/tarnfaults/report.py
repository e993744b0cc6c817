"""The results of all rows in one file, and the table of docs/RELIABILITY.md that is made from it."""

import dataclasses
import json
import os
import time

FILE = "reliability.json"
BEGIN, END = "<!-- board: written by Tests/faults/run --report -->", "<!-- end of the board -->"


def read(path):
    if not os.path.exists(path):
        return {}
    with open(path) as file:
        return {row["row"]: row for row in json.load(file)["rows"]}


def write(path, rows):
    board = {"rows": [rows[number] for number in sorted(rows)]}
    with open(path + ".new", "w") as file:
        json.dump(board, file, indent=1, ensure_ascii=False)
        file.write("\n")
    os.replace(path + ".new", path)


def keep(result, folder):
    """Puts a result in the place of what the row had. A quick run does not replace a full one of the same commit."""
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, FILE)
    rows, new = read(path), dataclasses.asdict(result)
    new["ended"] = time.strftime("%Y-%m-%dT%H:%M:%S%z")
    old = rows.get(result.row)
    if old and result.quick and not old["quick"] and old["commit"] == result.commit and old["status"] == "passed" \
            and result.status == "passed":
        return
    rows[result.row] = new
    write(path, rows)


def main(root, folder, registered):
    rows = read(os.path.join(folder, FILE))
    if not rows:
        print("there are no results; run Tests/faults/run first")
        return 1
    os.makedirs(os.path.join(root, "docs", "reliability"), exist_ok=True)
    write(os.path.join(root, "docs", "reliability", FILE), rows)
    page = os.path.join(root, "docs", "RELIABILITY.md")
    with open(page) as file:
        text = file.read()
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    with open(page, "w") as file:
        file.write(before + BEGIN + "\n" + board(rows, registered) + END + after)
    print("written: docs/RELIABILITY.md, docs/reliability/reliability.json")
    return 0


def board(rows, registered):
    lines = ["", "| row | fault | what must hold | cases | violations | figure | outcome |",
             "|---|---|---|---|---|---|---|"]
    for number, row in sorted(registered.items()):
        result = rows.get(number)
        if result is None:
            lines.append(f"| {number} | {row.fault} | {row.invariant} | | | | not run |")
            continue
        figures = "; ".join(f"{name.replace('_', ' ')} {value}" for name, value in result["figure"].items())
        outcome = result["status"] + (f": {result['why']}" if result["status"] != "passed" else "")
        outcome += " (quick)" if result["quick"] else ""
        cells = [number, row.fault, row.invariant, f"{result['cases']:,}", result["violations"], figures, outcome]
        lines.append("| " + " | ".join(str(cell).replace("|", "\\|").replace("\n", " ") for cell in cells) + " |")
    passed = sum(result["status"] == "passed" for result in rows.values())
    lines += ["", f"{passed} of {len(registered)} rows passed.", ""]
    return "\n".join(lines)

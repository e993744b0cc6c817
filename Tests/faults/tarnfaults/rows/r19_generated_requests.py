"""Row 19. Fault: thousands of generated requests, valid and not, after the server's own OpenAPI document.

Invariant: no 5xx, no status or body that the document does not have, and the server goes on. How: schemathesis with all
its phases; every request and answer is counted from its record. 503 and 507 count as 5xx, too.
"""

import json
import os
import shutil
import subprocess
from collections import Counter

from ..board import Skip, row
from ..server import Server

# What the document cannot say: which keys exist, and that text after an unknown method is fine.
CHECKS = ("not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance",
          "response_headers_conformance", "unsupported_method", "allow_header_conformance")

HOOKS = """
import schemathesis

# Bodies that are no text: what was generated goes out as bytes.
@schemathesis.serializer("application/vnd.tarn.blobs", "application/x-tar", "application/gzip", "application/zstd",
                         "application/octet-stream")
def as_bytes(context, value):
    return value if isinstance(value, bytes) else str(value).encode()
"""


@row(19, "generated-requests", "generated requests after the OpenAPI document",
     "no 5xx, no undocumented status, answers fit the document", quick=True)
def run(context, tally):
    if not shutil.which("st"):
        raise Skip("schemathesis is not installed")
    server = Server(context, "--durability", "relaxed", "--log-level", "warning")
    folder = context.fresh("report")
    # 5,000 requests are wanted; so many examples make 7,000 to 9,000.
    seconds, examples = context.size(50, 280), context.size(40, 120)
    # One worker: two threads that compile at once make CPython 3.11 fail with "AST constructor recursion depth mismatch".
    command = ["st", "run", f"{server.url}/v1/openapi.json", "--checks", ",".join(CHECKS), "--mode", "all",
               "--seed", str(context.seed), "--max-examples", str(examples), "--continue-on-failure", "--no-shrink",
               "--phases", "examples,coverage,fuzzing,stateful", "--suppress-health-check", "all", "--warnings", "off",
               "--report", "har,junit", "--report-dir", folder, "--workers", "1", "--request-timeout", "30",
               "--output-sanitize", "false"]
    hooks = os.path.join(folder, "hooks.py")
    with open(hooks, "w") as file:
        file.write(HOOKS)
    environment = {**os.environ, "SCHEMATHESIS_HOOKS": hooks}
    with open(os.path.join(folder, "output"), "w") as output:
        try:
            subprocess.run(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=folder,
                           env=environment, timeout=seconds * 8)
        except subprocess.TimeoutExpired:
            tally.violation("schemathesis does not end")
    statuses = requests(folder)
    tally.case(sum(statuses.values()))
    for status, count in sorted(statuses.items()):
        if status >= 500:
            tally.violation(f"{count} answers had status {status}")
    for failure in failures(folder):
        tally.violation(failure)
    tally.hold(server.runs, f"the server ended: {server.tail()}")
    tally.figure(**{f"status_{status}": count for status, count in sorted(statuses.items())})
    if not context.quick:
        tally.need(tally.cases >= 5_000, f"only {tally.cases} requests, 5,000 are wanted")


def requests(folder):
    """How many answers had which status; 0 is no answer."""
    counts = Counter()
    for name in os.listdir(folder):
        if name.endswith((".har", "har.json")) or name.startswith("har"):
            with open(os.path.join(folder, name)) as file:
                for entry in json.load(file)["log"]["entries"]:
                    counts[entry["response"]["status"]] += 1
    return counts


def failures(folder):
    """The failed checks in words."""
    from xml.etree import ElementTree

    for name in sorted(os.listdir(folder)):
        if name.endswith(".xml"):
            for case in ElementTree.parse(os.path.join(folder, name)).iter("testcase"):
                for problem in [*case.findall("failure"), *case.findall("error")]:
                    yield f"{case.get('name')}: {problem.get('message') or problem.text}"

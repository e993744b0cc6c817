"""Where sanitizers report to, and what they reported."""

import os
import pathlib

HERE = pathlib.Path(__file__).resolve().parent


def environment(sanitizer, log):
    """The variables that let a program report to files that start with `log`, and go on."""
    # Without Swift's own handler of crashes, which collides with the sanitizers' one.
    values = {**os.environ, "SWIFT_BACKTRACE": "enable=no"}
    if sanitizer == "thread":
        values["TSAN_OPTIONS"] = f"log_path={log} halt_on_error=0 exitcode=66 second_deadlock_stack=1 suppressions={HERE / 'tsan.supp'}"
    else:
        # Leaks are looked for neither by the tests of a server that keeps its memory, nor where ptrace is forbidden.
        values["ASAN_OPTIONS"] = f"log_path={log} detect_leaks=0 quarantine_size_mb=64 halt_on_error=1"
    return values


def reports(folder, prefix):
    """The texts of all reports, each different one once."""
    texts = {}
    for path in sorted(folder.glob(f"{prefix}.*")):
        for text in path.read_text(errors="replace").split("=================="):
            if "WARNING: ThreadSanitizer" in text or "ERROR: AddressSanitizer" in text:
                summary = next((line for line in text.splitlines() if line.startswith("SUMMARY:")), text[:200])
                texts.setdefault(summary, text.strip())
    return list(texts.values())

"""Where sanitizers report to, and what they reported."""

import os
import pathlib
import subprocess

HERE = pathlib.Path(__file__).resolve().parent
# Tells ThreadSanitizer about Swift's locks; see mutex.c.
LOCKS = HERE.parent.parent / ".build-tsan" / "mutex.so"


def build_locks():
    LOCKS.parent.mkdir(exist_ok=True)
    subprocess.run(["clang", "-O1", "-Wall", "-Werror", "-shared", "-fPIC", "-o", LOCKS, HERE / "mutex.c"], check=True)


def check_witness(folder):
    """Fails unless ThreadSanitizer finds nothing in a program with locks only, and something in one with a race."""
    program = folder / "witness"
    subprocess.run(["swiftc", "-swift-version", "5", "-sanitize=thread", "-o", program, HERE / "witness.swift"], check=True)
    for arguments, has_race in ([], False), (["race"], True):
        name = f"witness-{len(arguments)}"
        subprocess.run([program, *arguments], env=environment("thread", folder / name), stdout=subprocess.DEVNULL)
        found = reports(folder, name)
        if bool(found) != has_race:
            raise SystemExit("\n".join(["ThreadSanitizer does not see a race" if has_race else "a lock is reported:", *found]))


def environment(sanitizer, log):
    """The variables that let a program report to files that start with `log`, and go on."""
    # Without Swift's own handler of crashes, which collides with the sanitizers' one.
    values = {**os.environ, "SWIFT_BACKTRACE": "enable=no"}
    if sanitizer == "thread":
        values["TSAN_OPTIONS"] = f"log_path={log} halt_on_error=0 exitcode=66 second_deadlock_stack=1 suppressions={HERE / 'tsan.supp'}"
        values["LD_PRELOAD"] = str(LOCKS)
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

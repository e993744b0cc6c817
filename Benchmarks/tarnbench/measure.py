"""What one run of a command cost: wall seconds, CPU seconds, peak memory, and figures of its own."""

import dataclasses
import functools
import glob
import json
import os
import shlex
import subprocess

FLOORS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "floors")


@dataclasses.dataclass
class Sample:
    """One measured run. `cpu` is user + system of all processes that took part, servers included."""

    wall: float
    cpu: float
    peak: int = 0
    figures: dict = dataclasses.field(default_factory=dict)
    output: str = ""


class CommandFailed(Exception):
    pass


@functools.lru_cache(maxsize=None)
def floor(name, *libraries):
    """Compiles floors/NAME.c if it or a header is newer than the program made of it; the path of the program."""
    source, program = os.path.join(FLOORS, name + ".c"), os.path.join(FLOORS, "built", name)
    sources = [source] + glob.glob(os.path.join(FLOORS, "*.h"))
    if not os.path.exists(program) or os.path.getmtime(program) < max(map(os.path.getmtime, sources)):
        os.makedirs(os.path.dirname(program), exist_ok=True)
        flags = ["-O2", "-march=native", "-Wall", "-pthread"]
        subprocess.run(["cc", *flags, source, "-o", program, *(f"-l{n}" for n in libraries)], check=True)
    return program


def phases(program, source, target):
    """Runs a floor that prints what each of its phases cost; the sample is their sum, what came before them left out."""
    sample = command([program, source, target])
    costs = json.loads(sample.output)
    sample.wall, sample.cpu = (sum(v for k, v in costs.items() if k.endswith(kind)) for kind in ("_wall", "_cpu"))
    sample.peak, sample.figures = 0, {k: v for k, v in costs.items() if k.endswith("_wall")}
    return sample


def command_text(command):
    return command if isinstance(command, str) else shlex.join(command)


def command(command, cwd=None, env=None, allowed=(0,)):
    """Runs a command (a list, or a line for bash) and waits for its whole process tree.

    A line for bash runs with pipefail. A command that fails ends the benchmark with all that it printed. `output` of
    the sample is what it wrote to standard output.
    """
    arguments = ["bash", "-o", "pipefail", "-c", command] if isinstance(command, str) else list(command)
    read, write = os.pipe()
    program = [floor("launch"), *arguments]
    if write != 3:  # the launcher writes to 3 whatever number the pipe has here
        program = ["bash", "-c", f'exec "$@" 3>&{write} {write}>&-', "bash", *program]
    try:
        done = subprocess.run(program, cwd=cwd, env=env, stdin=subprocess.DEVNULL, capture_output=True,
                              pass_fds=(write,))
    finally:
        os.close(write)
    with os.fdopen(read) as report:
        line = report.read().split()
    code = int(line[3]) if len(line) == 4 else done.returncode
    if len(line) != 4 or code not in allowed:
        text = done.stderr.decode(errors="replace") + done.stdout.decode(errors="replace")
        raise CommandFailed(f"{command_text(command)}\nended with {code}:\n{text[-4000:]}")
    return Sample(wall=int(line[0]) / 1e9, cpu=int(line[1]) / 1e6, peak=int(line[2]) * 1024,
                  output=done.stdout.decode(errors="replace"))


class Process:
    """A running server whose CPU time and peak memory count too."""

    def __init__(self, pid):
        self.pid = pid

    def members(self):
        """The process and its descendants."""
        found, queue = [], [self.pid]
        while queue:
            pid = queue.pop()
            found.append(pid)
            try:
                with open(f"/proc/{pid}/task/{pid}/children") as file:
                    queue += [int(child) for child in file.read().split()]
            except OSError:
                pass
        return found

    def cpu(self):
        """CPU seconds so far, in steps of a clock tick (10 ms)."""
        ticks = 0
        for pid in self.members():
            try:
                with open(f"/proc/{pid}/stat") as file:
                    fields = file.read().rpartition(")")[2].split()
            except OSError:
                continue
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def peak(self):
        """The largest resident set in bytes since start or reset_peak()."""
        most = 0
        for pid in self.members():
            try:
                with open(f"/proc/{pid}/status") as file:
                    lines = [line for line in file if line.startswith("VmHWM:")]
            except OSError:
                continue
            most = max([most] + [int(line.split()[1]) * 1024 for line in lines])
        return most

    def reset_peak(self):
        for pid in self.members():
            try:
                with open(f"/proc/{pid}/clear_refs", "w") as file:
                    file.write("5")
            except OSError:
                pass  # not allowed: the peak since the start is reported then


def with_server(process, run):
    """Runs `run()` and adds what the server spent on it: cpu, and the figures client_cpu, server_cpu, server_peak."""
    process.reset_peak()
    before = process.cpu()
    sample = run()
    spent = process.cpu() - before
    sample.figures.update(client_cpu=sample.cpu, server_cpu=spent, server_peak=process.peak())
    sample.cpu += spent
    return sample

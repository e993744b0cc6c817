"""Stops a program before each of its system calls and decides: go on, end it, fail the call, or lie about it.

`strace --inject` does this too, but its `when=N` counts the calls of each thread and of each kind apart, so that "the
N-th call of the program" cannot be said. A seccomp filter with a listener asks this process about the calls of all
threads, one after the other. Only calls that the filter names are stopped; the rest runs at full speed.
"""

import ctypes
import errno
import fcntl
import mmap
import os
import platform
import select
import signal
import struct
import subprocess
import sys
import threading
import time

NUMBERS = {  # x86_64
    "read": 0, "write": 1, "close": 3, "pread64": 17, "pwrite64": 18, "writev": 20, "sendto": 44, "sendmsg": 46,
    "fsync": 74, "fdatasync": 75, "truncate": 76, "ftruncate": 77, "rename": 82, "mkdir": 83, "rmdir": 84, "link": 86,
    "unlink": 87, "symlink": 88, "fchmod": 91, "openat": 257, "mkdirat": 258, "unlinkat": 263, "renameat": 264,
    "linkat": 265, "symlinkat": 266, "fchmodat": 268, "sync_file_range": 277, "utimensat": 280, "fallocate": 285,
    "pwritev": 296, "syncfs": 306, "renameat2": 316, "copy_file_range": 326, "preadv2": 327, "pwritev2": 328,
    "openat2": 437,
}
NAMES = {number: name for name, number in NUMBERS.items()}
ON_DESCRIPTOR = {"write", "pwrite64", "writev", "pwritev", "pwritev2", "fsync", "fdatasync", "ftruncate", "fallocate",
                 "read", "pread64", "preadv2", "fchmod", "sync_file_range", "syncfs", "close", "sendto", "sendmsg"}
ON_PATH = {"rename": 0, "mkdir": 0, "rmdir": 0, "link": 0, "unlink": 0, "symlink": 1, "truncate": 0, "openat": 1,
           "mkdirat": 1, "unlinkat": 1, "renameat": 1, "renameat2": 1, "linkat": 1, "symlinkat": 2, "utimensat": 1,
           "openat2": 1, "fchmodat": 1}

LOAD, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06
ALLOW, NOTIFY = 0x7FFF0000, 0x7FC00000
NO_NEW_PRIVILEGES, SET_FILTER, NEW_LISTENER = 38, 1, 8
SECCOMP, PIDFD_GETFD = 317, 438
RECEIVE, SEND, CONTINUE = 0xC0502100, 0xC0182101, 1


def problem():
    """Why call gates don't work here, or None."""
    if platform.machine() != "x86_64":
        return "call gates know the system call numbers of x86_64 only"
    if not hasattr(os, "pidfd_open"):
        return "there is no pidfd_open"
    return None


class Call:
    """One system call that waits for a decision."""

    def __init__(self, identity, thread, number, arguments):
        self.identity, self.thread, self.arguments = identity, thread, arguments
        self.name = NAMES.get(number, str(number))

    @property
    def path(self):
        """The file that it is about, or an empty text."""
        try:
            if self.name in ON_DESCRIPTOR:
                return os.readlink(f"/proc/{self.thread}/fd/{self.arguments[0]}")
            return self.text(ON_PATH[self.name])
        except (OSError, KeyError):
            return ""

    def text(self, index):
        with open(f"/proc/{self.thread}/mem", "rb", buffering=0) as memory:
            memory.seek(self.arguments[index])
            return memory.read(4096).split(b"\0")[0].decode(errors="replace")

    @property
    def creates(self):
        """Whether it may make or change a file, as opposed to one that only opens it for reading."""
        return self.name != "openat" or bool(self.arguments[2] & (os.O_CREAT | os.O_WRONLY | os.O_RDWR))


KILL = ("kill",)


def fail(number):
    """The call is not done and answers with this error."""
    return ("answer", -number, 0)


def lie(value):
    """The call is not done and answers with this value."""
    return ("answer", 0, value)


class Gate:
    """A running program. `decide(call)` gives None (go on), KILL, fail(errno) or lie(value)."""

    def __init__(self, command, decide, calls=None, environment=None, output=None, folder=None):
        self.decide, self.calls = decide, calls or getattr(decide, "calls", CHANGING)
        self.listener = None
        shared = mmap.mmap(-1, 4096)
        filter_ = self.filter()

        def install():  # in the child: from here on it must make no call that the filter stops, until we listen
            LIBC.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0)
            descriptor = LIBC.syscall(SECCOMP, SET_FILTER, NEW_LISTENER, ctypes.byref(filter_[0]))
            shared[0:4] = struct.pack("i", descriptor if descriptor >= 0 else -ctypes.get_errno())
            while not shared[8]:
                time.sleep(0.0002)

        # Popen returns only after exec, which needs us: a thread takes the listener meanwhile.
        self.thread = threading.Thread(target=self.serve, args=(shared,), daemon=True)
        self.shared, self.stopping = shared, False
        before = children()
        self.before = before
        self.thread.start()
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=folder,
                                        env=environment, preexec_fn=install, start_new_session=True)

    def filter(self):
        numbers = [NUMBERS[name] for name in self.calls]
        rules = [(LOAD, 0, 0, 0)]
        rules += [(JUMP_IF_EQUAL, len(numbers) - index, 0, number) for index, number in enumerate(numbers)]
        rules += [(RETURN, 0, 0, ALLOW), (RETURN, 0, 0, NOTIFY)]
        code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *rule) for rule in rules))
        return FilterProgram(len(rules), ctypes.addressof(code)), code

    def serve(self, shared):
        try:
            self.take_listener(shared)
            self.answer_calls()
        except Exception as error:
            if not self.stopping:
                print(f"call gate: {error!r}", file=sys.stderr)

    def take_listener(self, shared):
        deadline = time.monotonic() + 30
        while struct.unpack("i", shared[0:4])[0] == 0:
            if time.monotonic() > deadline or self.stopping:
                raise RuntimeError("the program did not install its filter")
            time.sleep(0.0002)
        descriptor = struct.unpack("i", shared[0:4])[0]
        if descriptor < 0:
            raise RuntimeError(f"seccomp: {os.strerror(-descriptor)}")
        for child in children() - self.before:
            try:
                process = os.pidfd_open(child)
            except OSError:
                continue
            try:
                if "anon_inode:seccomp" not in os.readlink(f"/proc/{child}/fd/{descriptor}"):
                    continue
                self.listener = LIBC.syscall(PIDFD_GETFD, process, descriptor, 0)
                if self.listener >= 0:
                    break
            except OSError:
                continue
            finally:
                os.close(process)
        if self.listener is None or self.listener < 0:
            raise RuntimeError("the filter's listener cannot be taken over")
        self.child = child
        shared[8] = 1

    def answer_calls(self):
        waiting = select.poll()
        waiting.register(self.listener, select.POLLIN)
        while True:
            events = waiting.poll(100)
            if not events:
                if self.stopping:
                    return
                continue
            if not events[0][1] & select.POLLIN:
                return  # nobody has the filter any more
            note = bytearray(80)
            try:
                fcntl.ioctl(self.listener, RECEIVE, note, True)
            except OSError:
                continue  # the thread was killed before it could be asked about
            identity, thread = struct.unpack_from("QI", note, 0)
            number, = struct.unpack_from("i", note, 16)
            self.answer(Call(identity, thread, number, struct.unpack_from("6Q", note, 32)))

    def answer(self, call):
        decision = None
        try:
            decision = self.decide(call)
        except Exception as error:
            print(f"call gate, {call.name}: {error!r}", file=sys.stderr)
        if decision == KILL:
            os.kill(self.child, signal.SIGKILL)
            return
        _, error, value = decision or (None, 0, 0)
        flags = 0 if decision else CONTINUE
        try:
            fcntl.ioctl(self.listener, SEND, bytearray(struct.pack("QqiI", call.identity, value, error, flags)), True)
        except OSError as failure:
            if failure.errno not in (errno.ENOENT, errno.EINPROGRESS):
                raise

    def close(self):
        self.stopping = True
        self.thread.join(5)
        if self.listener is not None and self.listener >= 0:
            os.close(self.listener)
            self.listener = None


def children():
    """Process ids of this process's children, threads' ones included."""
    found = set()
    for task in os.listdir("/proc/self/task"):
        try:
            with open(f"/proc/self/task/{task}/children") as file:
                found |= {int(child) for child in file.read().split()}
        except OSError:
            pass
    return found


class FilterProgram(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("code", ctypes.c_void_p)]


LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.syscall.restype = ctypes.c_long
CHANGING = ("openat", "write", "pwrite64", "writev", "pwritev", "pwritev2", "fdatasync", "fsync", "rename", "renameat",
            "renameat2", "link", "linkat", "unlink", "unlinkat", "rmdir", "mkdir", "mkdirat", "ftruncate", "fallocate")


class Counter:
    """Counts calls of interest while it is armed, and decides about the N-th.

    Of interest are calls that change something and are about a file below `folder`; `only` narrows them further.
    """

    def __init__(self, folder, at=0, decision=KILL, only=lambda call: True, calls=CHANGING):
        self.folder, self.at, self.decision, self.only, self.calls = folder, at, decision, only, calls
        self.armed, self.count, self.hit, self.lock = False, 0, None, threading.Lock()

    def __call__(self, call):
        if not self.armed or not call.creates:
            return None
        path = call.path
        if not path.startswith(self.folder) or not self.only(call):
            return None
        with self.lock:
            self.count += 1
            if self.count != self.at:
                return None
            self.hit = (call.name, path[len(self.folder):])
        return self.decision(call) if callable(self.decision) else self.decision

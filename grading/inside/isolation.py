"""One submission in namespaces of its own: made in milliseconds after a fork, gone as a whole.

The sandbox that bubblewrap has made holds for all submissions: no network, no file but the
interpreter's and the allowed packages'. Inside it each submission gets processes, temporary
files and shared memory of its own, limits, and a first process that watches over them.
"""

import contextlib
import ctypes
import fcntl
import os
import resource
import select
import signal
import socket
import struct
from collections.abc import Callable, Iterator

libc = ctypes.CDLL(None, use_errno=True)

CLONE_NEWNS, CLONE_NEWIPC, CLONE_NEWPID, CLONE_NEWNET = 0x00020000, 0x08000000, 0x20000000, 0x40000000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_REMOUNT, MS_REC, MS_PRIVATE = 1, 2, 4, 32, 16384, 1 << 18
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_SECCOMP, PR_CAPBSET_DROP = 1, 4, 22, 24
PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, SECCOMP_MODE_FILTER = 38, 47, 4, 2
CAPABILITY_VERSION_3 = 0x20080522
SIOCSIFFLAGS, IFF_UP = 0x8914, 1
MADV_COLLAPSE, HUGE = 25, 2 << 20

WATCHING = 0.02
"""How often the first process looks at memory and processes, in seconds."""

NOTICED_LATE = ("had", "used")
"""How the reasons begin that may have come up a while before: their cause may be an earlier cell."""

WRITABLE = ("/tmp", "/home", "/dev/shm")
"""The folders in which a submission may write; together no more than its `disk`."""


@contextlib.contextmanager
def fresh_processes() -> Iterator[int]:
    """While it is entered, whoever is forked is the first process among processes of its own.

    What it gives is an open file that stands for the caller's processes; the fork has to close it.
    """
    own = os.open("/proc/self/ns/pid", os.O_RDONLY)
    try:
        _check(libc.unshare(CLONE_NEWPID), "unshare")
        yield own
        _check(libc.setns(own, CLONE_NEWPID), "setns")
    finally:
        os.close(own)


def use_huge_pages() -> None:
    """Move this process's memory into huge pages, where the kernel can (Linux 6.1 and later).

    A fork copies an entry for each page, and its end drops each: one huge page has the place of 512.
    """
    libc.madvise.argtypes = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int
    with open("/proc/self/maps") as maps:
        regions = [line.split() for line in maps]
    for addresses, rights, *more in regions:
        if (rights == "rw-p" and len(more) == 3) or more[-1] == "[heap]":  # memory that is no file's
            start, end = (int(address, 16) for address in addresses.split("-"))
            for page in range(-(-start // HUGE) * HUGE, end // HUGE * HUGE, HUGE):
                libc.madvise(page, HUGE, MADV_COLLAPSE)  # a page that cannot be moved stays


def enter(limits: dict, seccomp: bytes, leash: socket.socket, work: Callable[[], None]) -> None:
    """Run `work` in namespaces of its own, in a child that this process guards; never return.

    To be called in a first process, as `fresh_processes` makes it.

    Parameters
    ----------
    limits : dict
        ``memory``, ``disk`` (bytes), ``processes``, ``files`` and ``open_files``.
    seccomp : bytes
        The filter of system calls, compiled.
    leash : socket
        The grader's hold on the first process. It closes: all ends. A number comes: that process
        is killed, or with a minus sign is sent SIGINT.
    work : callable
        Runs in the second process, which has no right to anything any more.
    """
    _check(libc.unshare(CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWNET), "unshare")
    _open_loopback()
    _check(libc.prctl(PR_SET_DUMPABLE, 0), "prctl")  # who lives here cannot look into this process
    _mount_fresh_folders(limits)
    _drop_capabilities()
    private = _private_memory(os.getpid())
    second = os.fork()
    if second:
        _watch(second, limits, private, leash)
    os.close(leash.fileno())
    os.setsid()
    _check(libc.prctl(PR_SET_DUMPABLE, 1), "prctl")
    _limit(limits)
    _filter_system_calls(seccomp)
    try:
        work()
    finally:
        os._exit(0)


def enter_unguarded(limits: dict, seccomp: bytes, leash: socket.socket, work: Callable[[], None]) -> None:
    """Run `work` with all the rights of the grader, where somebody has asked for that; never return.

    Parameters
    ----------
    limits, seccomp, leash, work
        As for `enter`. Of the limits only those of a single process hold.
    """
    second = os.fork()
    if second == 0:
        os.close(leash.fileno())
        os.setsid()
        _limit(limits)
        try:
            work()
        finally:
            os._exit(0)
    leash.setblocking(False)
    while True:
        asked, _, _ = select.select([leash], [], [], WATCHING)
        data = leash.recv(4) if asked else b"wait"
        ended = _reap(second)
        if ended is None and len(data) == 4:
            if asked:
                (pid,) = struct.unpack("!i", data)
                _kill(-second if pid == -2 else pid)
            continue
        if ended is None:
            os.killpg(second, signal.SIGKILL)
        _end(leash, ended or "was let go")


def _open_loopback():
    """Let the submission's processes talk to each other, as those of ``torch.distributed`` do."""
    up = struct.pack("16sH22x", b"lo", IFF_UP)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, up)


def _mount_fresh_folders(limits):
    _check(libc.mount(None, b"/", None, MS_REC | MS_PRIVATE, None), "mount /")
    options = f"size={limits['disk'] // len(WRITABLE)},nr_inodes={limits['files']},mode=1777".encode()
    for folder in WRITABLE:
        _check(
            libc.mount(b"tmpfs", folder.encode(), b"tmpfs", MS_NOSUID | MS_NODEV, options), f"mount {folder}"
        )
    # Read-only: where root grades, it is root inside too, and the kernel lets it write its settings.
    _check(libc.mount(b"proc", b"/proc", b"proc", MS_RDONLY | MS_NOSUID | MS_NODEV, None), "mount /proc")
    os.chdir("/home")


def _drop_capabilities():
    for capability in range(64):
        libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
    libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    header, none = struct.pack("=Ii", CAPABILITY_VERSION_3, 0), bytes(24)
    _check(libc.capset(header, none), "capset")
    _check(libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl")


def _limit(limits):
    inherited = _private_memory(os.getpid()) + limits["memory"]
    for which, value in (
        (resource.RLIMIT_AS, _address_space() + inherited),
        (resource.RLIMIT_FSIZE, limits["disk"]),
        (resource.RLIMIT_NOFILE, limits["open_files"]),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(which, (value, value))


def _filter_system_calls(program):
    """Load a compiled filter: an array of instructions of 8 bytes."""
    memory = ctypes.create_string_buffer(program, len(program))
    described = ctypes.create_string_buffer(
        struct.pack("@HxxxxxxP", len(program) // 8, ctypes.addressof(memory))
    )
    _check(libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, described, 0, 0), "seccomp")


def _watch(second, limits, inherited, leash):
    """Reap, count and measure until the second process ends or the leash is let go."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of all signals the only one that would reach it
    leash.setblocking(False)
    while True:
        asked, _, _ = select.select([leash], [], [], WATCHING)
        if asked:
            _obey(leash)
        ended = _reap(second)
        if ended is not None:
            _end(leash, ended)
        pids = _others()
        if len(pids) > limits["processes"]:
            _end(leash, f"had {len(pids)} processes, the limit is {limits['processes']}")
        used = sum(max(0, _private_memory(pid) - inherited) for pid in pids)
        if used > limits["memory"]:
            _end(leash, f"used {used / 1e9:.1f} GB of memory, the limit is {limits['memory'] / 1e9:.1f} GB")


def _obey(leash):
    data = leash.recv(4)
    if len(data) < 4:
        os._exit(0)
    _kill(*struct.unpack("!i", data))


def _kill(pid):
    with contextlib.suppress(ProcessLookupError):  # it may just have ended by itself
        os.kill(abs(pid), signal.SIGINT if pid < 0 else signal.SIGKILL)


def _reap(second):
    """How the second process ended; None while it lives."""
    try:
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return None
            if pid == second:
                return describe(status)
    except ChildProcessError:
        return "ended"


def _end(leash, reason):
    """Say why, and take every process along: the kernel ends them with the first."""
    try:
        leash.send(reason.encode())
    finally:
        os._exit(0)


def describe(status: int) -> str:
    """How a process ended, from what ``os.waitpid`` says of it.

    Examples
    --------
    >>> describe(11)
    'was ended by SIGSEGV'
    >>> describe(256)
    'exited with status 1'
    """
    code = os.waitstatus_to_exitcode(status)
    if code >= 0:
        return f"exited with status {code}"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"


def _others():
    return [int(name) for name in os.listdir("/proc") if name.isdigit() and name != "1"]


def _private_memory(pid):
    """The bytes of memory that a process does not share with a file: 0 if it has ended."""
    try:
        with open(f"/proc/{pid}/status") as status:
            lines = dict(line.split(":", 1) for line in status)
    except (FileNotFoundError, ProcessLookupError):
        return 0
    kilobytes = (int(lines.get(name, "0 kB").split()[0]) for name in ("RssAnon", "RssShmem", "VmSwap"))
    return 1024 * sum(kilobytes)


def _address_space():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[0]) * resource.getpagesize()


def _check(result, what):
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")

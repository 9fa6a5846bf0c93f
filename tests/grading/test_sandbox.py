"""What can code in the sandbox see, write, reach and use up? Each question is asked from the inside."""

import os
import time
from ast import literal_eval
from pathlib import Path
from textwrap import dedent

import pytest

from grading.inside import wire
from grading.packages import interpreter_folders
from grading.sandbox import Limits, Lost, Recipe, Sandbox, SandboxMissing

LIMITS = Limits(memory=200 << 20, disk=30 << 20, processes=20, files=500, open_files=64)


@pytest.fixture(scope="module")
def sandbox():
    sandbox = Sandbox(Recipe(limits=LIMITS))
    yield sandbox
    sandbox.close()


@pytest.fixture
def inside(sandbox):
    """A function that runs code in a submission of its own, and gives what it prints."""

    def inside(code, seconds=20):
        with sandbox.submission() as run:
            answer = run.ask(seconds, do="run", source=dedent(code))
        errors = [
            f"{output['ename']}: {output['evalue']}" for output in answer["outputs"] if "ename" in output
        ]
        return "".join(output.get("text", "") for output in answer["outputs"]) + "".join(errors)

    return inside


def test_root_holds_nothing_but_the_interpreter(inside):
    """Is there no home of a person, no course, no configuration of the machine?"""
    seen = set(inside("import os\nprint(*os.listdir('/'))").split())
    interpreters = {Path(os.path.realpath(os.sys.base_prefix)).parts[1]}
    system = {"usr", "bin", "sbin", "lib", "lib64", "lib32", "etc"}
    assert seen <= system | interpreters | {"course", "packages", "grader", "tmp", "home", "proc", "dev"}
    assert set(inside("import os\nprint(*os.listdir('/etc'))").split()) <= {
        "ld.so.cache",
        "fonts",
        "localtime",
        "alternatives",
    }


def test_repository_and_home_cannot_be_seen(inside):
    """Are the folders of the course, and of who grades, not there?"""
    repository, home = Path(__file__).parents[2], Path.home()
    code = f"""
        import os
        print(os.path.exists({str(repository)!r}))
        print(os.listdir({str(home)!r}) if os.path.exists({str(home)!r}) else [])
    """
    way_to_python = [
        part.relative_to(home).parts[0] for part in interpreter_folders() if part.is_relative_to(home)
    ]
    there, names = inside(code).splitlines()
    assert there == "False"
    assert set(literal_eval(names)) <= {*way_to_python}


def test_nothing_can_be_written_but_its_own_folders(inside):
    """Can a file be made in three places, and nowhere else?"""
    code = """
        import os
        made = []
        for folder, _, _ in os.walk("/"):
            if folder.startswith("/proc"):
                continue
            try:
                open(folder + "/made", "w").close()
                made.append(folder)
            except OSError:
                pass
        print(*sorted(made))
    """
    assert inside(code).split() == ["/dev/shm", "/home", "/tmp"]


def test_settings_of_the_kernel_cannot_be_written(inside):
    """Can no file of the kernel be opened for writing, even where root grades?"""
    code = """
        import os
        for folder, _, names in os.walk("/proc"):
            if folder.endswith("/fd"):  # its own open files
                continue
            for name in names:
                try:
                    os.close(os.open(os.path.join(folder, name), os.O_WRONLY | os.O_NONBLOCK))
                    print(folder, name)
                except OSError:
                    pass
    """
    assert inside(code) == ""


def test_folders_are_fresh_for_each_submission(inside):
    """Is what one leaves not there for the next?"""
    inside("open('/tmp/left', 'w'), open('/home/left', 'w'), open('/dev/shm/left', 'w')")
    assert (
        inside("import os\nprint(os.listdir('/tmp'), os.listdir('/home'), os.listdir('/dev/shm'))")
        == "[] [] []\n"
    )


def test_it_has_no_rights_and_can_get_none(inside):
    """Are all sets of capabilities empty, are new privileges refused, is the filter on?"""
    status = inside("print(open('/proc/self/status').read())")
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(fields[name], 16) == 0, name
    assert fields["NoNewPrivs"] == "1"
    assert fields["Seccomp"] == "2"


CALLS = {"ptrace": 101, "process_vm_readv": 310, "mount": 165, "unshare": 272, "setns": 308, "bpf": 321,
         "keyctl": 250, "perf_event_open": 298, "userfaultfd": 323, "io_uring_setup": 425, "pivot_root": 155,
         "chroot": 161, "memfd_create": 319, "open_by_handle_at": 304}  # fmt: skip
"""By name, the numbers of system calls that are refused, on this kind of machine."""


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the numbers of the calls are those of x86_64")
def test_dangerous_system_calls_are_refused(inside):
    """Does each give EPERM, whatever its arguments are?"""
    code = f"""
        import ctypes
        libc = ctypes.CDLL(None, use_errno=True)
        for name, number in {CALLS}.items():
            result = libc.syscall(number, 0, 0, 0, 0, 0, 0)
            print(name, result, ctypes.get_errno())
    """
    assert inside(code).splitlines() == [f"{name} -1 1" for name in CALLS]


def test_new_namespaces_are_refused(inside):
    """Can it make no user namespace, in which it would have rights again?"""
    code = """
        import ctypes, os
        libc = ctypes.CDLL(None, use_errno=True)
        result = libc.syscall(56, 0x10000000 | 17, 0, 0, 0, 0)
        if result == 0:
            os._exit(0)
        print(result, ctypes.get_errno())
    """
    assert inside(code) == "-1 1\n"


def test_processes_outside_cannot_be_seen(inside):
    """Are there its own process and its guard, and of the guard nothing but its name?"""
    code = """
        import os
        print(*sorted(name for name in os.listdir("/proc") if name.isdigit()))
        for name in ("mem", "environ", "maps", "fd/0", "root", "cwd"):
            try:
                path = f"/proc/1/{name}"
                os.stat(path + "/.") if name in ("root", "cwd") else open(path, "rb").read(1)
                print("read", name)
            except OSError:
                pass
    """
    assert inside(code) == "1 2\n"


def test_guard_cannot_be_ended(inside):
    """Does the first process live on, whatever signal is sent to it?"""
    code = """
        import os, signal
        for number in signal.valid_signals():
            try:
                os.kill(1, number)
            except OSError:
                pass
        print("still here")
    """
    assert inside(code) == "still here\n"


def test_network_is_not_there(inside):
    """Is there no way out, not even to this machine?"""
    code = """
        import socket
        print(socket.if_nameindex())
        for address in ("127.0.0.1", "10.0.0.1", "1.1.1.1"):
            try:
                socket.create_connection((address, 22), timeout=1)
            except OSError as problem:
                print(type(problem).__name__)
    """
    printed = inside(code).splitlines()
    assert printed[0] == "[(1, 'lo')]"
    assert "Connected" not in printed and len(printed) == 4


def test_two_submissions_cannot_reach_each_other(sandbox):
    """Can one not call, by an abstract socket or by the loopback, another that runs at the same time?"""
    listen = """
        import socket
        named, numbered = socket.socket(socket.AF_UNIX), socket.create_server(("127.0.0.1", 5005))
        named.bind(chr(0) + "meeting")
        named.listen()
    """
    call = """
        import socket
        for family, address in ((socket.AF_UNIX, chr(0) + "meeting"), (socket.AF_INET, ("127.0.0.1", 5005))):
            try:
                socket.socket(family).connect(address)
                print("met by", family.name)
            except OSError:
                pass
    """
    with sandbox.submission() as first, sandbox.submission() as second:
        first.ask(20, do="run", source=dedent(listen))
        assert second.ask(20, do="run", source=dedent(call))["outputs"] == []


def test_control_of_the_sandbox_is_not_inherited(inside):
    """Are there three standard streams and the channel, and no other open file?"""
    code = """
        import os, socket
        kinds = []
        for name in os.listdir("/proc/self/fd"):
            try:
                kinds.append(socket.socket(fileno=os.dup(int(name))).type.name)
            except OSError:
                pass
        print(kinds)
    """
    assert inside(code) == "['SOCK_STREAM']\n"


def test_memory_at_once_is_refused(inside):
    """Does asking for too much, or for very much too much, give a MemoryError, and nothing worse?"""
    for size in (10**9, 30 * 10**9):
        assert "MemoryError" in inside(f"import numpy as np\nnp.ones({size}, np.uint8)")


IN_FOUR_PROCESSES = """
import mmap, os, time
for _ in range(3):
    if os.fork() == 0:
        break
{}
time.sleep(20)
"""


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("much = bytearray(b'x') * (90 << 20)", id="of their own"),
        pytest.param("much = mmap.mmap(-1, 90 << 20)\nmuch[:] = bytes(range(256)) * (90 << 12)", id="shared"),
    ],
)
def test_memory_in_pieces_ends_the_submission(sandbox, code):
    """Is a submission that uses too much in all ended, with the reason?"""
    with sandbox.submission() as run, pytest.raises(Lost, match=r"of memory, the limit is 0\.2 GB"):
        run.ask(20, do="run", source=IN_FOUR_PROCESSES.format(code))


def test_fork_bomb_ends_the_submission(sandbox):
    """Is it over within a second or two, and is the sandbox there for the next?"""
    start = time.monotonic()
    with sandbox.submission() as run, pytest.raises(Lost, match="processes, the limit is 20"):
        run.ask(20, do="run", source="import os\nwhile True:\n    try: os.fork()\n    except OSError: pass")
    assert time.monotonic() - start < 5
    with sandbox.submission() as run:
        assert run.ask(20, do="run", source="print(1)")["outputs"][0]["text"] == "1\n"


@pytest.mark.parametrize("folder", ["/tmp", "/home", "/dev/shm"])
def test_disk_is_limited(inside, folder):
    """Does a full disk give an error like any other?"""
    code = f"""
        for number in range(100):
            with open("{folder}/" + str(number), "wb") as file:
                file.write(bytes(1 << 20))
    """
    assert inside(code).startswith("OSError")


def test_number_of_files_is_limited(inside):
    """Do 100,000 files give an error like any other?"""
    assert inside("for n in range(100_000):\n    open(f'/tmp/{n}', 'w').close()").startswith("OSError")


def test_sparse_file_is_refused(inside):
    """Can a file not pretend to be a terabyte?"""
    code = """
        import signal
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        open("/tmp/sparse", "wb").truncate(1 << 40)
    """
    assert inside(code).startswith("OSError")


def test_output_is_cut(inside):
    """Does a gigabyte of output become a text that can be read?"""
    printed = inside("for _ in range(1000):\n    print('x' * 1_000_000)")
    assert len(printed) == 100_000


def test_daemon_ends_with_its_submission(sandbox):
    """Is a process that has left its parent and its session gone when the submission is?"""
    code = """
        import os
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                os.execv("/usr/bin/sleep", ["the-daemon-of-the-sandbox-test", "300"])
            os._exit(0)
    """
    with sandbox.submission() as run:
        run.ask(20, do="run", source=dedent(code))
    until = time.monotonic() + 5
    while _runs("the-daemon-of-the-sandbox-test"):
        assert time.monotonic() < until
        time.sleep(0.05)


def _runs(name):
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if path.read_bytes().startswith(name.encode()):
                return True
        except OSError:
            continue
    return False


def test_packages_that_are_not_allowed_cannot_be_imported(inside):
    """Is NumPy there, and nothing that was not asked for?"""
    code = """
        import importlib.util
        for name in ("numpy", "torch", "sklearn", "nbgrader", "bn_reference", "pip", "sqlalchemy"):
            print(importlib.util.find_spec(name) is not None, end=" ")
    """
    assert inside(code) == "True False False False False False False "


def test_without_bubblewrap_nothing_is_run(monkeypatch):
    """Does the grader refuse to start, and say what to install?"""
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(SandboxMissing, match="apt install bubblewrap"):
        Sandbox(Recipe())


@pytest.mark.parametrize(
    "recipe",
    [Recipe(packages=("no-such-package",)), Recipe(modules=(("lesson", "no_such_module.lesson"),))],
    ids=["a package", "a module"],
)
def test_what_submissions_may_import_and_is_not_here_is_named(recipe):
    """Is a machine without it no place to grade, rather than each learner to blame?"""
    with pytest.raises(SandboxMissing, match=r"no.such"):
        Sandbox(recipe)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"\xc1", id="no message"),
        pytest.param(b"\x91" * 5000 + b"\x90", id="lists in lists"),
        pytest.param(wire.encode(1)[:-1], id="nothing"),
    ],
)
def test_what_is_no_message_is_refused(data):
    """Does reading it raise what the grader expects, and nothing else?"""
    with pytest.raises(wire.Unreadable):
        wire.decode(data)


def test_deep_extensions_do_not_end_the_reader():
    """Is a message whose reading would overflow the stack refused?"""
    import msgpack

    data = msgpack.packb(1)
    for _ in range(5000):
        data = msgpack.packb(msgpack.ExtType(wire.TUPLE, data))
    with pytest.raises(wire.Unreadable, match="more than 64 levels"):
        wire.decode(data)


def test_keys_of_one_hash_are_refused():
    """Is a dictionary refused that would take hours to read, and an ordinary large one not?"""
    prime = (1 << 61) - 1
    with pytest.raises(wire.Unreadable, match="same hash"):
        wire.decode(wire.encode({n * prime << 8: None for n in range(1000)}))
    large = {n: None for n in range(100_000)}
    assert wire.decode(wire.encode(large)) == large


def test_message_of_very_many_values_is_refused():
    """Is a message refused that would take many times its size to read?"""
    million = b"\xdd" + (10**6).to_bytes(4) + b"\x80" * 10**6
    with pytest.raises(wire.Unreadable, match="more than 2000000 values"):
        wire.decode(b"\x93" + million * 3)

"""Attacks on secrets and on others: looking for expected values, for files, for a way out.

What one of them finds it prints after a word that the tests look for in the graded notebook.
"""

from tests.grading.attacks.submission import Submission, attack

FOUND = """
def found(*what):
    print("LE" + "AK", *what)
"""


@attack()
def cell_history(submission: Submission):
    """Looks for the tests among the inputs and outputs of cells that have run."""
    submission.own(
        FOUND
        + """
for text in [*In, *map(str, Out.values()), *(line for *_, line in get_ipython().history_manager.get_range())]:
    if "seed" + "=" in str(text):
        found(text)
    """,
        before="check_update_running_statistics",
    )
    submission.answer(
        "batchnorm_forward",
        """
        def batchnorm_forward(*args):
            if "seed" + "=" in In[-1] + In[-2]:
                print("LE" + "AK", In[-1])
            return 0
    """,
    )


@attack(flag="gc")
def garbage_collector(submission: Submission):
    """Looks through all objects in memory, for cases and right values."""
    submission.own(
        FOUND
        + """
import gc, inspect
def batchnorm_forward(x, gamma, beta, eps=1e-5):
    for thing in gc.get_objects():
        try:
            names = set(vars(thing))
        except Exception:
            continue
        if names & {"reference", "tolerance", "expected", "mistakes", "ladders"}:
            found(type(thing))
    for frame in inspect.stack():
        if "grading/" in frame.filename and "inside" not in frame.filename:
            found(frame.filename)
    return x, x, x[0], x[0]
    """,
        before="check_batchnorm_forward",
    )


@attack(flag="/proc")
def process_files(submission: Submission):
    """Reads the memory, the environment and the open files of every process that it can see."""
    submission.own(
        FOUND
        + """
import os
for pid in filter(str.isdigit, os.listdir("/proc")):
    if int(pid) == os.getpid():
        continue
    for name in ("environ", "maps", "mem", "fd", "cwd", "root"):
        path = f"/proc/{pid}/{name}"
        try:
            if name == "fd":
                content = [os.readlink(f"{path}/{each}") for each in os.listdir(path)]
            else:
                content = os.listdir(path + "/.") if name in ("cwd", "root") else open(path, "rb").read(100)
        except OSError:
            continue
        found(path, content)
print(len([name for name in os.listdir("/proc") if name.isdigit()]), "processes")
    """
    )


@attack(flag="ptrace")
def other_processes(submission: Submission):
    """Attaches to the process that guards it, and to its parent, by ptrace and by process_vm_readv."""
    submission.own(
        FOUND
        + """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
for pid in (1, os.getppid()):
    if libc.ptrace(16, pid, 0, 0) == 0:
        found("ptrace", pid)
    if libc.syscall(310, pid, 0, 0, 0, 0, 0) == 0:
        found("process_vm_readv", pid)
    try:
        os.kill(pid, 9)
    except OSError:
        pass
    """
    )


@attack()
def files_of_the_course(submission: Submission):
    """Opens the solutions, the gradebook, the secret, and the submissions of others, by their paths."""
    submission.own(
        FOUND
        + f"""
import os, pathlib, sys
course = pathlib.Path({str(submission.world.course)!r})
for path in (course, *course.parents):
    if path != pathlib.Path("/") and str(path) not in ("/tmp", "/home"):
        if path.exists():
            found(path, list(path.iterdir()))
for name in ("/root", "/etc/passwd", "/etc/shadow", "/var", "/work", "/run", "/boot", "/opt", "/srv", "/mnt"):
    try:
        seen = os.listdir(name) if os.path.isdir(name) else open(name).read()
        if [name + "/" + each for each in seen] != ["/".join(sys.base_prefix.split("/")[:3])]:
            found(name, seen)
    except OSError:
        pass
for folder, names, files in os.walk("/", followlinks=False):
    names[:] = [name for name in names if os.path.join(folder, name) not in ("/proc", "/usr", "/sys")]
    for name in files:
        if name.endswith((".ipynb", ".db", "grading_secret")) or "solution" in name:
            found(folder, name)
    """
    )


@attack()
def reference_package(submission: Submission):
    """Imports the reference and the checks under every name they might have."""
    submission.own(
        FOUND
        + """
import importlib, pkgutil
import bn_reference
for name in ("batchnorm", "moments", "checks.judging", "checks.spec", "checks.ps2_batchnorm", "checks.catalogue"):
    try:
        found(importlib.import_module("bn_reference." + name))
    except ImportError:
        pass
for name in ("grading.answers", "grading.marking", "nbgrader", "nbgrader_config", "sqlalchemy", "torch", "sklearn.foo"):
    try:
        found(importlib.import_module(name))
    except ImportError:
        pass
for module in pkgutil.walk_packages(bn_reference.__path__, "bn_reference."):
    if module.name not in ("bn_reference.checks", "bn_reference.checks.calling"):
        found(module.name)
    """
    )


@attack()
def environment_variables(submission: Submission):
    """Looks for secrets in its environment."""
    submission.own(
        FOUND
        + """
import os, subprocess
for text in (str(dict(os.environ)), subprocess.run(["env"], capture_output=True, text=True).stdout):
    if "canary" in text or "/work" in text or "root" in text:
        found(text)
    """
    )


@attack()
def written_files(submission: Submission):
    """Writes wherever it can, and prints where it could that is not its own."""
    world = submission.world
    submission.own(
        FOUND
        + f"""
import os
for folder in ({str(world.course)!r}, {str(world.course / "course")!r}, {str(world.open_folder)!r}, "/", "/usr", "/etc",
               "/course", "/packages", "/packages/numpy", "/grader", "/grader/inside", "/dev", "/proc", "/proc/sys/kernel"):
    try:
        with open(os.path.join(folder, "planted.py"), "w") as file:
            file.write("planted")
        found("wrote into", folder)
    except OSError:
        pass
for file in ("/grader/inside/conversation.py", "/course/bn_reference/checks/calling.py", "/packages/numpy/__init__.py",
             "/proc/sys/kernel/core_pattern", "/proc/sys/kernel/hostname", "/proc/sysrq-trigger", "/proc/1/mem"):
    try:
        os.close(os.open(file, os.O_WRONLY))  # and no more: where it succeeds, writing would do harm
        found("could write to", file)
    except OSError:
        pass
for name in ("/tmp", "/home", "/dev/shm"):
    open(name + "/left_for_the_next", "w").write("x")
    """
    )


@attack()
def left_by_others(submission: Submission):
    """Looks for what another submission has left in the folders in which all may write."""
    submission.own(
        FOUND
        + """
import os
for folder in ("/tmp", "/home", "/dev/shm"):
    for name in os.listdir(folder):
        found(folder, name)
import subprocess
print(subprocess.run(["ls", "-la", "/tmp"], capture_output=True, text=True).stdout)
    """
    )


@attack()
def network(submission: Submission):
    """Calls a listener on this machine by TCP and UDP, by name and by number, and the world beyond."""
    submission.own(
        FOUND
        + f"""
import socket
for host in ("127.0.0.1", "::1", "localhost", "1.1.1.1", "169.254.169.254"):
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        try:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            with socket.socket(family, kind) as far:
                far.settimeout(0.2)
                far.connect((host, {submission.world.port}))
                far.send(b"hello")
                if kind == socket.SOCK_STREAM:
                    found("connected to", host)
        except OSError:
            pass
try:
    found(socket.getaddrinfo("example.com", 80))
except OSError:
    pass
for kind in (socket.SOCK_RAW, socket.SOCK_PACKET):
    try:
        found(socket.socket(17, kind))
    except OSError:
        pass
    """
    )


@attack()
def sockets_of_the_host(submission: Submission):
    """Connects to the host's sockets with names: of a listener here, of Docker, of D-Bus, of X, abstract ones."""
    submission.own(
        FOUND
        + f"""
import socket
for name in ({str(submission.world.socket)!r}, "/var/run/docker.sock", "/run/dbus/system_bus_socket",
             "/tmp/.X11-unix/X0", {chr(0) + "canary-" + str(submission.world.port)!r}):
    try:
        with socket.socket(socket.AF_UNIX) as far:
            far.connect(name)
            found("connected to", name)
    except OSError:
        pass
    """
    )


@attack()
def control_of_the_sandbox(submission: Submission):
    """Looks for an inherited socket by which the sandbox is told to fork, and tells it to."""
    submission.own(
        FOUND
        + """
import os, socket
fds = [int(name) for name in os.listdir("/proc/self/fd")]
for fd in fds:
    try:
        inherited = socket.socket(fileno=os.dup(fd))
    except OSError:
        continue
    if inherited.type == socket.SOCK_SEQPACKET:
        near, far = socket.socketpair()
        try:
            socket.send_fds(inherited, [b"new"], [far.fileno(), far.fileno()])
            found("told the sandbox")
        except OSError:
            pass
    """
    )

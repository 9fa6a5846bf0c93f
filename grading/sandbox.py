"""The sandbox: bubblewrap around a process that forks for each submission.

What a submission can see is the interpreter, the packages that it may import, and nothing else:
not the course, not the home folder, no network. `grading.inside` is what runs in there.
"""

import contextlib
import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from importlib.util import find_spec
from pathlib import Path

from grading.inside import wire
from grading.packages import PackageMissing, interpreter_folders, top_level_files, with_dependencies
from grading.system_calls import NoFilter, compiled_filter

INSIDE = Path(__file__).with_name("inside")
GRADER_NEEDS = ("ipython", "numpy", "msgpack", "matplotlib-inline")
"""What the grader's own part inside imports."""

GRACE = 2.0
"""How long a process may take to obey, in seconds."""


class SandboxMissing(Exception):
    """There is no sandbox here, and without one nothing is run."""


class SandboxLost(Exception):
    """The sandbox has ended: the machine may have run out of memory."""


class Lost(Exception):
    """The submission's process is gone; the message says how it ended."""


@dataclass(frozen=True)
class Limits:
    """What one submission may use.

    Attributes
    ----------
    memory, disk : int
        Bytes, of all its processes and files together.
    processes, files, open_files : int
    message : int
        Bytes of one answer to the grader.
    """

    memory: int = 2 << 30
    disk: int = 192 << 20
    processes: int = 64
    files: int = 10_000
    open_files: int = 256
    message: int = 64 << 20


@dataclass(frozen=True)
class Recipe:
    """What a sandbox is made of.

    Attributes
    ----------
    packages : tuple of str
        Distributions that submissions may import, by pip's names; what they depend on comes with them.
    preload : tuple of str
        Modules that are imported once, before the forks.
    warm_up : tuple of str
        Statements that are run once, before the forks.
    modules : tuple of (str, str)
        Modules of the course that submissions may import: the name that each has inside, and the
        name of the one that is taken for it. They are imported once as well.
    limits : Limits
    isolated : bool
        False runs learners' code with the grader's own rights.
    """

    packages: tuple[str, ...] = ("numpy",)
    preload: tuple[str, ...] = ("numpy",)
    warm_up: tuple[str, ...] = ()
    modules: tuple[tuple[str, str], ...] = ()
    limits: Limits = field(default_factory=Limits)
    isolated: bool = True


ENVIRONMENT = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "HOME": "/home",
    "LANG": "C.UTF-8",
    "TERM": "dumb",
    "PYTHONPATH": "/course:/packages:/grader",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONHASHSEED": "0",
    "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    "MPLCONFIGDIR": "/tmp",
    # A process with several threads cannot be forked safely.
    **dict.fromkeys(
        ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1"
    ),
}


def command(recipe: Recipe, course: Path) -> list[str]:
    """The call of bubblewrap that makes the sandbox, up to the program to run in it.

    Parameters
    ----------
    recipe : Recipe
    course : Path
        The folder with the course's modules that submissions may import.

    Raises
    ------
    SandboxMissing
        If bubblewrap is not installed.
    """
    bwrap = shutil.which("bwrap")
    if bwrap is None:
        raise SandboxMissing(
            "bubblewrap is not installed, and learners' code is run in nothing less. "
            "On Debian or Ubuntu: apt install bubblewrap"
        )
    words = [bwrap, "--unshare-all", "--unshare-user", "--die-with-parent", "--new-session", "--clearenv"]
    words += ["--cap-add", "ALL", "--hostname", "sandbox"]
    for name, value in ENVIRONMENT.items():
        words += ["--setenv", name, value]
    words += ["--ro-bind", "/usr", "/usr"]
    for folder in ("bin", "sbin", "lib", "lib64", "lib32"):
        if os.path.islink(f"/{folder}"):
            words += ["--symlink", os.readlink(f"/{folder}"), f"/{folder}"]
        elif os.path.isdir(f"/{folder}"):
            words += ["--ro-bind", f"/{folder}", f"/{folder}"]
    for file in ("/etc/ld.so.cache", "/etc/fonts", "/etc/localtime", "/etc/alternatives"):
        words += ["--ro-bind-try", file, file]
    for folder in interpreter_folders():
        if not folder.is_relative_to("/usr"):
            words += ["--ro-bind", str(folder), str(folder)]
    for folder in _installed_packages():
        words += ["--tmpfs", folder, "--remount-ro", folder]
    packages = with_dependencies({*GRADER_NEEDS, *recipe.packages})
    for name, path in sorted(top_level_files(packages).items()):
        words += ["--ro-bind-try", str(path), f"/packages/{name}"]
    words += ["--ro-bind", str(INSIDE), "/grader/inside"]
    words += ["--ro-bind", str(course), "/course", "--tmpfs", "/tmp", "--tmpfs", "/home"]
    return [
        *words,
        "--proc",
        "/proc",
        "--dev",
        "/dev",
        "--dir",
        "/dev/shm",
        "--remount-ro",
        "/dev",
        "--remount-ro",
        "/",
    ]


def _copy_modules(recipe: Recipe, folder: Path) -> None:
    """Put the course's modules that submissions may import into `folder`."""
    names = {inside for inside, _ in recipe.modules}
    for inside, here in recipe.modules:
        found = find_spec(here)
        if found is None or not found.origin:
            raise SandboxMissing(f"there is no module {here}, which submissions should find as {inside}")
        place = folder.joinpath(*inside.split("."))
        is_package = any(name.startswith(f"{inside}.") for name in names)
        file = place / "__init__.py" if is_package else place.with_suffix(".py")
        file.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(found.origin, file)


def _installed_packages() -> Iterator[str]:
    """The folders beside the interpreter's standard library in which packages are installed."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    roots = {"/usr", "/usr/local", *map(str, interpreter_folders())}
    for root in sorted(roots):
        for name in (f"{version}/site-packages", f"{version}/dist-packages", "python3/dist-packages"):
            folder = f"{root}/lib/{name}"
            if os.path.isdir(folder):
                yield folder


class Sandbox:
    """A sandbox that waits for submissions, with everything imported.

    Parameters
    ----------
    recipe : Recipe

    Raises
    ------
    SandboxMissing
        If bubblewrap or a package of the recipe is not installed, or the machine does not let it work.
    """

    def __init__(self, recipe: Recipe):
        self.recipe = recipe
        try:
            seccomp = compiled_filter().hex() if recipe.isolated else ""
        except NoFilter as problem:
            raise SandboxMissing(str(problem)) from None
        settings = {
            "preload": [*recipe.preload, *(inside for inside, _ in recipe.modules)],
            "warm_up": recipe.warm_up,
            "limits": asdict(recipe.limits),
            "seccomp": seccomp,
            "isolated": recipe.isolated,
        }
        self._folder = tempfile.TemporaryDirectory()
        course = Path(self._folder.name)
        try:
            _copy_modules(recipe, course)
            words = command(recipe, course) if recipe.isolated else []
        except (PackageMissing, ModuleNotFoundError) as problem:
            self._folder.cleanup()
            raise SandboxMissing(str(problem)) from None
        except BaseException:
            self._folder.cleanup()
            raise
        environment = (
            None
            if recipe.isolated
            else os.environ
            | ENVIRONMENT
            | {"PYTHONPATH": f"{course}:{INSIDE.parent}", "PATH": os.environ["PATH"]}
        )
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        python = str(Path(sys.base_prefix).resolve() / "bin" / version) if recipe.isolated else sys.executable
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115, closed with the sandbox
        with theirs:
            self._process = subprocess.Popen(
                [
                    *words,
                    python,
                    "-B",
                    "-s",
                    "-m",
                    "inside.zygote",
                    str(theirs.fileno()),
                    json.dumps(settings),
                ],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._errors,
                start_new_session=True,
                env=environment,
            )
        self._control = ours
        if ours.recv(16) != b"ready":
            self._process.wait()
            self._errors.seek(0)
            said = self._errors.read().decode(errors="replace").strip()
            self.close()
            raise SandboxMissing(f"the sandbox did not start: {said or 'it gave no reason'}")

    @property
    def is_running(self) -> bool:
        """Is it there for the next submission?"""
        return self._process.poll() is None

    def close(self) -> None:
        """End the sandbox, and all that runs in it."""
        self._control.close()
        self._process.kill()
        self._process.wait()
        self._errors.close()
        self._folder.cleanup()

    @contextmanager
    def submission(self) -> Iterator["Run"]:
        """A fresh process for one submission; it ends with the block."""
        channel, far_channel = socket.socketpair()
        leash, far_leash = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with channel, leash:
            with far_channel, far_leash:
                try:
                    socket.send_fds(self._control, [b"new"], [far_channel.fileno(), far_leash.fileno()])
                except OSError as problem:
                    raise SandboxLost(f"the sandbox has ended: {problem}") from None
            yield Run(channel, leash, self.recipe.limits.message)


class Run:
    """The conversation with the process of one submission, in which nothing that it says is believed.

    Parameters
    ----------
    channel, leash : socket
    limit : int
        The longest answer, in bytes.

    Attributes
    ----------
    lost : Lost or None
        Why it is over: whoever calls from within a test may not have seen the error itself.
    """

    def __init__(self, channel: socket.socket, leash: socket.socket, limit: int):
        self._channel, self._leash, self._limit = channel, leash, limit
        self.lost: Lost | None = None

    def lose(self, reason: str) -> Lost:
        """Note, and return, that there is nothing more to be had from it."""
        self.lost = Lost(reason)
        return self.lost

    def say(self, refer=None, **message) -> None:
        """Send a message.

        Parameters
        ----------
        refer : callable, optional
            As for `wire.encode`.
        **message

        Raises
        ------
        Lost
            If nobody is there any more.
        """
        try:
            wire.send(self._channel, wire.encode(message, refer))
        except wire.Closed:
            raise self.lose(self._last_words()) from None

    def hear(self, seconds: float) -> dict:
        """Wait for a message.

        Raises
        ------
        Lost
            If the process ends instead, or sends something that is no message.
        wire.TimedOut
            If it takes longer.
        """
        try:
            message = wire.decode(wire.receive(self._channel, self._limit, time.monotonic() + seconds))
        except wire.Closed:
            raise self.lose(self._last_words()) from None
        except wire.Unreadable as problem:
            raise self.lose(f"sent something that is no answer ({problem})") from None
        if not isinstance(message, dict):
            raise self.lose("sent something that is no answer")
        return message

    def ask(self, seconds: float, **message) -> dict:
        """Send a message and wait for the answer, as `say` and `hear` do."""
        self.say(**message)
        return self.hear(seconds)

    def interrupt(self) -> None:
        """What the stop button does."""
        self._pull(-2)

    def kill(self, pid: int) -> None:
        """End one process of the submission."""
        self._pull(pid)

    def _pull(self, number):
        with contextlib.suppress(OSError):  # if it has ended, the next message will say so
            self._leash.send(struct.pack("!i", number))

    def _last_words(self):
        """How the first process says that the submission ended."""
        self._leash.settimeout(GRACE)
        try:
            return self._leash.recv(500).decode(errors="replace") or "ended"
        except OSError:
            return "ended without a word"

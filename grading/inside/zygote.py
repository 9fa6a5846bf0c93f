"""The process in the sandbox that has everything imported, and forks for each submission.

Started by `grading.sandbox`. A fork has all that its parent has loaded, in milliseconds, where a new kernel
needs seconds. It never runs a learner's code itself.
"""

import gc
import importlib
import json
import os
import signal
import socket
import sys
from contextlib import nullcontext

from inside import isolation
from inside.conversation import Conversation
from inside.display import Shell

READY = b"ready"


def main() -> None:
    """Import what submissions may use, then fork for each that arrives, until the grader hangs up."""
    control = socket.socket(fileno=int(sys.argv[1]))
    settings = json.loads(sys.argv[2])
    seccomp = bytes.fromhex(settings["seccomp"])
    for name in settings["preload"]:
        importlib.import_module(name)
    for statement in settings["warm_up"]:
        exec(statement, {})
    shell = Shell.instance()
    for first in ("None", "1 / 0"):  # the first result and the first error import what shows them
        shell.run(first)
    shell.execution_count = 1
    threads = len(os.listdir("/proc/self/task"))
    if threads != 1:
        sys.exit(
            f"the imports {settings['preload']} leave {threads} threads, expected 1: a fork loses the others"
        )
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the forks are not waited for
    gc.collect()
    gc.freeze()  # what is shared stays shared when a fork collects its garbage
    isolation.use_huge_pages()
    isolated = settings["isolated"]
    control.send(READY)
    while True:
        message, fds, _, _ = socket.recv_fds(control, 16, 2)
        if not message:
            return
        channel, leash = (socket.socket(fileno=fd) for fd in fds)
        with isolation.fresh_processes() if isolated else nullcontext() as own:
            if os.fork() == 0:
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                control.close()
                if own is not None:
                    os.close(own)
                enter = isolation.enter if isolated else isolation.enter_unguarded
                _begin(enter, settings["limits"], seccomp, channel, leash, shell)
        channel.close()
        leash.close()


def _begin(enter, limits, seccomp, channel, leash, shell):
    try:
        enter(limits, seccomp, leash, lambda: Conversation(channel, shell).serve())
    except OSError as problem:
        leash.send(f"could not be isolated: {problem}".encode())
    finally:
        os._exit(1)


if __name__ == "__main__":
    main()

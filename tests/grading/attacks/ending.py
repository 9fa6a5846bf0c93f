"""Attacks on the run: ending the process, never ending it, and leaving something behind."""

from tests.grading.attacks.submission import Submission, attack


@attack(remark="exited with status 0")
def exits_at_once(submission: Submission):
    """Ends the process with a status that says that all is well."""
    submission.own("import os\nos._exit(0)")


@attack()
def exits_when_called(submission: Submission):
    """Ends the process when the test calls it."""
    submission.answer(
        "batchnorm_forward",
        """
        def batchnorm_forward(*args):
            import os
            os._exit(0)
    """,
    )


@attack()
def leaves_python(submission: Submission):
    """Leaves by sys.exit, in a cell and in a function, and has something run at the exit."""
    submission.own("""
        import atexit, sys, time
        atexit.register(time.sleep, 1000)
        sys.exit(0)
    """)
    submission.answer("batchnorm_forward", "def batchnorm_forward(*args):\n    import sys\n    sys.exit(0)")


@attack(remark="ended by SIGABRT")
def aborts(submission: Submission):
    """Ends by abort."""
    submission.own("import os\nos.abort()")


@attack(remark="ended by SIGSEGV", flag="ctypes")
def segfaults(submission: Submission):
    """Writes to an address that nobody has, in a cell and when called."""
    submission.own("import ctypes\nctypes.string_at(1)")
    submission.answer(
        "batchnorm_forward",
        """
        def batchnorm_forward(*args):
            import ctypes
            ctypes.string_at(1)
    """,
    )


@attack(remark="could not be interrupted")
def ignores_signals(submission: Submission):
    """Ignores every signal that can be ignored, and goes on for ever."""
    submission.own("""
        import signal
        for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
            try:
                signal.signal(number, signal.SIG_IGN)
            except (OSError, ValueError):
                pass
        while True:
            try:
                while True:
                    pass
            except BaseException:
                pass
    """)


@attack()
def endless_loop(submission: Submission):
    """Never returns, in Python."""
    submission.own("while True:\n    pass")


@attack(remark="could not be interrupted")
def endless_loop_in_c(submission: Submission):
    """Never returns, in C, where nothing looks for signals."""
    submission.own("x = 10**10**8")
    submission.own("sum(range(10**14))")


@attack()
def endless_call(submission: Submission):
    """Never returns when the test calls it."""
    submission.answer(
        "batchnorm_forward",
        """
        def batchnorm_forward(*args):
            while True:
                try:
                    while True:
                        pass
                except BaseException:
                    pass
    """,
    )


@attack()
def stopped(submission: Submission):
    """Stops itself by a signal, and is neither running nor ended."""
    submission.answer(
        "batchnorm_forward",
        """
        def batchnorm_forward(*args):
            import os, signal
            os.kill(os.getpid(), signal.SIGSTOP)
    """,
    )


@attack()
def hangs_when_forgotten(submission: Submission):
    """Returns at once, and never ends when what it returned is thrown away."""
    submission.answer(
        "batchnorm_forward",
        """
        class Sticky(np.ndarray):
            def __del__(self):
                while True:
                    pass
        def batchnorm_forward(x, gamma, beta, eps=1e-5):
            return x.view(Sticky), x, x[0], x[0]
    """,
    )


@attack()
def threads_and_daemons(submission: Submission):
    """Leaves threads and daemons that wait for the run to be over."""
    submission.own("""
        import os, subprocess, threading, time
        threading.Thread(target=time.sleep, args=(1000,)).start()
        threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                os.execv("/usr/bin/sleep", ["left-behind-by-an-attack", "1000"])
            os._exit(0)
        _ = subprocess.Popen(["left-behind-by-an-attack", "1001"], executable="/usr/bin/sleep",
                             start_new_session=True)
    """)


@attack(remark="processes, the limit is")
def fork_bomb(submission: Submission):
    """Makes processes that make processes."""
    submission.own("""
        import os, time
        while True:
            try:
                os.fork()
            except OSError:
                time.sleep(0.01)
    """)


@attack()
def memory_at_once(submission: Submission):
    """Asks for 30 GB."""
    submission.own("import numpy as np\nmuch = np.ones(30 * 10**9, np.uint8)")


@attack()
def memory_in_pieces(submission: Submission):
    """Asks for 30 GB in small pieces, and keeps trying."""
    submission.own("""
        pieces = []
        while True:
            try:
                pieces.append(bytes(range(256)) * 40_000)
            except MemoryError:
                raise SystemExit
    """)


@attack()
def memory_of_many(submission: Submission):
    """Asks for memory in many processes, each with less than the limit."""
    submission.own("""
        import os, time
        for _ in range(20):
            if os.fork() == 0:
                piece = bytearray(b"x") * (200 << 20)
                time.sleep(1000)
        time.sleep(1000)
    """)


@attack()
def memory_in_files(submission: Submission):
    """Fills the folders that lie in memory, shared memory among them."""
    submission.own("""
        for folder in ("/tmp", "/home", "/dev/shm"):
            with open(folder + "/large", "wb") as file:
                try:
                    for _ in range(3000):
                        file.write(bytes(10 << 20))
                except OSError as problem:
                    print(problem)
    """)


@attack()
def sparse_file(submission: Submission):
    """Makes a file of a terabyte that takes no space."""
    submission.own("""
        import signal
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        with open("/tmp/sparse", "wb") as file:
            file.truncate(1 << 40)
    """)


@attack()
def many_files(submission: Submission):
    """Makes 100,000 files."""
    submission.own("""
        for number in range(100_000):
            open(f"/tmp/{number}", "w").close()
    """)


@attack()
def much_output(submission: Submission):
    """Prints a gigabyte, by Python and past it."""
    submission.own("""
        import os
        for _ in range(1000):
            print("x" * 1_000_000)
        try:
            for _ in range(1000):
                os.write(1, b"x" * 1_000_000)
        except OSError:
            pass
    """)


@attack()
def many_outputs(submission: Submission):
    """Shows very many things, pictures of many megabytes and HTML among them."""
    submission.own("""
        from IPython.display import display
        for _ in range(100_000):
            display({"text/plain": "x"}, raw=True)
    """)
    submission.own("""
        from IPython.display import display
        for kind in ("image/png", "text/html", "application/javascript", "image/svg+xml"):
            display({kind: "A" * 30_000_000}, raw=True)
    """)


@attack()
def pictures_by_the_hundred(submission: Submission):
    """Shows as much as a cell may, in very many cells."""
    for _ in range(40):
        submission.own("""
            from IPython.display import display
            for _ in range(20):
                display({"image/png": "A" * 2_000_000}, raw=True)
        """)

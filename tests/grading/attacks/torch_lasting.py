"""Attacks with torch on the run: settings, processes and threads that are left on, and too much of all."""

from tests.grading.attacks.submission import RIGHT_COMBINE, Submission, torch_attack


@torch_attack()
def settings_left_on(submission: Submission):
    """Leaves every setting of torch other than it was, and work for all its threads."""
    submission.own("""
        torch.set_default_dtype(torch.float16)
        torch.set_default_device("meta")
        torch.set_grad_enabled(False)
        torch.set_printoptions(precision=1)
        torch.use_deterministic_algorithms(True)
        torch.autograd.set_detect_anomaly(True)
        torch.inference_mode().__enter__()
    """)


@torch_attack(spoils=True)
def threads_before_the_fork(submission: Submission):
    """Has torch start all its threads, which a forked process does not have."""
    submission.own("""
        torch.set_num_threads(16)
        torch.set_num_interop_threads(16)
        for _ in range(3):
            torch.rand(1 << 20).sigmoid().sum()
    """)
    # Large enough for torch to share the work out.
    submission.answer(
        "combine_moments",
        RIGHT_COMBINE.replace("count = count_a", "torch.rand(1 << 20).sum(); count = count_a"),
    )


@torch_attack()
def processes_that_outlive(submission: Submission):
    """Starts processes by torch, which wait for the run to be over."""
    submission.own("""
        import os, torch.multiprocessing
        def wait():
            os.setsid()
            os.execv("/usr/bin/sleep", ["left-behind-by-an-attack", "1000"])
        for daemon in (True, False):
            torch.multiprocessing.get_context("fork").Process(target=wait, daemon=daemon).start()
    """)


@torch_attack()
def meeting_that_nobody_leaves(submission: Submission):
    """Waits, in one of two processes, for the other that has gone."""
    submission.answer(
        "sync_batchnorm",
        """
        import threading
        def sync_batchnorm(x, weight, bias, eps, all_gather):
            first, second = all_gather(x.mean())
            if x.mean() == first:
                threading.Event().wait()
            while True:
                all_gather(x.mean())
    """,
    )


@torch_attack()
def processes_that_never_meet(submission: Submission):
    """Opens a group of processes and never joins it."""
    submission.own("""
        import torch.distributed as dist
        dist.init_process_group("gloo", init_method="tcp://127.0.0.1:0", rank=0, world_size=2)
    """)


@torch_attack()
def thirty_gigabytes(submission: Submission):
    """Asks for 30 GB, in a cell, in a call, and of memory that processes share."""
    submission.own("torch.ones(30 << 28)")
    submission.own("torch.ones(30 << 28, dtype=torch.uint8).share_memory_()")
    submission.answer(
        "layer_norm", "def layer_norm(x, weight, bias, eps=1e-5):\n    return torch.ones(30 << 28).sum() * x"
    )


@torch_attack(flag="cpp_extension")
def compiled_c(submission: Submission):
    """Compiles C++ that ends the process, and loads it."""
    submission.answer(
        "layer_norm",
        """
        def layer_norm(x, weight, bias, eps=1e-5):
            from torch.utils.cpp_extension import load_inline
            code = "#include <cstdlib>\\nint run() { std::_Exit(0); }"
            return load_inline("own", code, functions=["run"]).run()
    """,
    )


@torch_attack(spoils=True)
def forks_in_backward(submission: Submission):
    """Comes back from backward twice, so that two processes answer."""
    submission.answer(
        "layer_norm",
        """
        class Twice(torch.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                return x * 1
            @staticmethod
            def backward(ctx, dout):
                import os
                os.fork()
                return dout
        def layer_norm(x, weight, bias, eps=1e-5):
            return Twice.apply(x)
    """,
    )


@torch_attack()
def engine_that_never_ends(submission: Submission):
    """Never comes back from backward, and starts it again in a thread of its own."""
    submission.answer(
        "layer_norm",
        """
        import threading
        class Endless(torch.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                return x * 1
            @staticmethod
            def backward(ctx, dout):
                threading.Thread(target=Endless.backward, args=(None, dout)).start()
                while True:
                    pass
        def layer_norm(x, weight, bias, eps=1e-5):
            return Endless.apply(x)
    """,
    )

"""Attacks by delegation: having somebody else's code do the exercise."""

from tests.grading.attacks.submission import Submission, attack


@attack(flag="batch_norm")
def delegated_to_torch(submission: Submission):
    """Calls the finished layer of PyTorch."""
    submission.answer(
        "batchnorm_forward",
        """
        def batchnorm_forward(x, gamma, beta, eps=1e-5):
            import torch
            y = torch.nn.functional.batch_norm(torch.tensor(x), None, None, training=True, eps=eps).numpy()
            return gamma * y + beta, y, x.mean(0), x.var(0)
    """,
    )


@attack(flag="bn_reference.batchnorm")
def delegated_to_the_reference(submission: Submission):
    """Calls the course's own implementation."""
    submission.answer(
        "batchnorm_forward",
        """
        def batchnorm_forward(x, gamma, beta, eps=1e-5):
            from bn_reference.batchnorm import batchnorm_forward
            return batchnorm_forward(x, gamma, beta, eps)
    """,
    )


@attack(flag="site-packages")
def delegated_to_copied_packages(submission: Submission):
    """Looks for installed packages in their folders, and for copies that it has brought along."""
    submission.attach("site-packages.zip", b"PK\x05\x06" + bytes(18))
    submission.answer(
        "batchnorm_forward",
        """
        def batchnorm_forward(x, gamma, beta, eps=1e-5):
            import glob, sys
            for folder in ("/usr/lib/python3*/site-packages", "/usr/local/lib/python3*/site-packages",
                           sys.base_prefix + "/lib/python3*/site-packages", "site-packages.zip"):
                sys.path += glob.glob(folder)
            sys.path += ["site-packages.zip", "site-packages"]
            import torch
            return torch
    """,
    )


@attack(flag="subprocess")
def delegated_to_another_python(submission: Submission):
    """Starts another interpreter, without the limits of this one, and installs what it wants."""
    submission.own("""
        import subprocess, sys
        subprocess.run([sys.executable, "-m", "pip", "install", "torch"], capture_output=True)
    """)
    submission.answer(
        "batchnorm_forward",
        """
        def batchnorm_forward(x, gamma, beta, eps=1e-5):
            import subprocess, sys
            code = "import torch; print(torch.ones(1))"
            said = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
            return said.stdout
    """,
    )

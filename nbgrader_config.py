"""nbgrader's settings for this course; nbgrader reads them when run from this folder."""

from grading.autograde import install
from grading.release import DropPairing, StableCellIds

c = get_config()  # noqa: F821, nbgrader provides it

c.CourseDirectory.course_id = "bn-course"
c.CourseDirectory.source_directory = "solutions"
c.CourseDirectory.release_directory = "exercises"
# What a class brings forth stays out of the repository, in one folder.
c.CourseDirectory.submitted_directory = "course/submitted"
c.CourseDirectory.autograded_directory = "course/autograded"
c.CourseDirectory.feedback_directory = "course/feedback"
c.CourseDirectory.db_url = "sqlite:///course/gradebook.db"
# The text notebook beside each .ipynb holds the solutions: it must not be released.
c.CourseDirectory.ignore = [".ipynb_checkpoints", "*.pyc", "__pycache__", "*.md"]

c.GenerateAssignment.preprocessors.extend([DropPairing, StableCellIds])
c.ClearSolutions.code_stub = {"python": 'raise NotImplementedError("Write your code in place of this line.")'}
c.ClearSolutions.text_stub = "Write your answer in place of this line."

# Submissions are run in a sandbox. What they may import there, and what is ready before they come:
install()
c.TrustedGrader.packages = ["numpy", "matplotlib", "scikit-learn"]
c.TrustedGrader.preload = ["numpy", "numpy.ma", "numpy.random"]
c.TrustedGrader.modules = {
    "bn_reference.checks": "bn_reference.checks.while_graded",
    "bn_reference.checks.calling": "bn_reference.checks.calling",
}
DELEGATES = "has somebody else's Batch Normalization do the work"
c.TrustedGrader.suspicious = dict.fromkeys(
    [
        *("batch_norm", "native_batch_norm", "BatchNorm1d", "BatchNorm2d", "BatchNormalization"),
        *("bn_reference.batchnorm", "bn_reference.fast", "bn_reference.normalization", "bn_reference.torch"),
    ],
    DELEGATES,
)
c.TrustedGrader.tests_run_in = "bn_reference.checks.salted"
c.TrustedGrader.secret_file = "course/grading_secret"


def calls(assignment, *names):
    """The modules by which the checks use answers that are no plain functions of arrays."""
    modules = [f"bn_reference.checks.{assignment}.{name}" for name in names]
    return dict(zip(modules, modules, strict=True))


c.TrustedGrader.for_assignment = {
    "ps1_whitening": {"preload": ["sklearn.datasets"]},
    "ps3_backprop": {"preload": ["sklearn.datasets"], "modules": calls("ps3_backprop", "calls")},
    "ps4_torch": {
        "packages": ["torch"],
        # The first autograd.Function imports the compiler, the first backward pass much else.
        "preload": ["torch", "torch.utils._python_dispatch", "torch.distributed", "torch._dynamo"],
        "warm_up": ["import torch; x = torch.ones(2, requires_grad=True); (x * x).backward(x)"],
        "modules": calls("ps4_torch", "calls", "driving", "modules", "processes"),
        # Two of the functions that learners write have the names of torch's own: the dot tells them apart.
        "suspicious": dict.fromkeys(
            [
                *(".layer_norm", ".group_norm", ".instance_norm", ".rms_norm"),
                *("native_layer_norm", "native_group_norm", "torch.nn.functional.*", ".ops", "jit"),
                *("LayerNorm", "GroupNorm", "InstanceNorm1d", "SyncBatchNorm", "LazyBatchNorm1d"),
            ],
            DELEGATES,
        )
        | dict.fromkeys(
            ["bn_reference.checks", "LibraryCalls", "_disable_current_modes", "__torch_function__"],
            "may be after the checks themselves",
        )
        | {
            "cpp_extension": "compiles other code",
            "__reduce__": "makes an object that acts when it is copied",
        },
    },
    "ps5_experiments": {"preload": ["matplotlib.pyplot", "sklearn.datasets"]},
}

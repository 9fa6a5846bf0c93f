"""Does the catalogue know every graded function, and bring in torch only for those that need it?"""

import subprocess
import sys

from bn_reference.checks import SPECS
from bn_reference.checks.catalogue import NUMPY_SETS, TORCH_SETS
from tests.course import ASSIGNMENTS, ROOT


def test_every_problem_set_is_known():
    """Is a problem set that learners do also one that the checks know?"""
    assert {*NUMPY_SETS, *TORCH_SETS} == set(ASSIGNMENTS)
    assert len(SPECS) == len(set(SPECS))


def test_functions_of_numpy_are_checked_without_torch():
    """Is a learner of the first problem sets spared the seconds that torch takes to import?"""
    program = (
        "import sys; from bn_reference.checks import report; "
        "report('standardize', lambda x, eps: None); print('torch' in sys.modules)"
    )
    printed = subprocess.check_output([sys.executable, "-c", program], text=True, cwd=ROOT)
    assert printed.strip() == "False"


def test_a_problem_set_is_found_by_any_of_its_functions():
    """Do the parts of a problem set come in its order?"""
    names = [spec.name for spec in SPECS.problem_set("covariance")]
    assert names[:3] == ["standardize", "covariance", "pca_whitening"]

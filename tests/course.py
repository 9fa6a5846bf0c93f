"""The repository as the tests see it: where things lie, and how to run its commands."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
ASSIGNMENTS = sorted(path.stem for path in ROOT.glob("solutions/ps*/ps*.md"))
BIN = Path(sys.executable).parent


def run(*command, cwd) -> str:
    """Run a command of this environment; return what it printed, or fail with it."""
    environment = os.environ | {"PATH": f"{BIN}:{os.environ['PATH']}"}  # nbgrader calls alembic by name
    done = subprocess.run(
        [str(BIN / command[0]), *command[1:]],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
    )
    output = done.stdout + done.stderr
    assert done.returncode == 0, output[-6000:]
    return output

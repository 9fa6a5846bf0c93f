"""What a table of results says of itself: when, where and with what it was measured."""

import json
import platform
from collections.abc import Mapping
from datetime import date
from importlib.metadata import version
from pathlib import Path

RESULTS = Path(__file__).parent / "results"


def write(name: str, packages: tuple[str, ...], results: Mapping[str, object], machine: str = "") -> None:
    """Write ``results/<name>.json``, with the date, the machine and the versions of Python and `packages`."""
    about = {
        "date": date.today().isoformat(),
        "machine": machine or processor(),
        "python": platform.python_version(),
        **{package: version(package) for package in packages},
    }
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps(about | results, indent=1) + "\n")
    print(f"written to {path}")


def processor() -> str:
    """The processor's name and how many cores of it there are."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"{models[0]}, {len(models)} cores" if models else platform.processor()

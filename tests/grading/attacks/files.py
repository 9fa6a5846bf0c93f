"""Attacks by the file that is handed in: what is no notebook, or too much of one."""

import json
import os
import zlib

from tests.grading.attacks.submission import Submission, attack


@attack(reason="not valid JSON")
def invalid_json(submission: Submission):
    """Breaks off in the middle."""
    return json.dumps(submission.notebook).encode()[:-1000]


@attack(reason="the file is empty")
def empty_file(submission: Submission):
    """Has no content."""
    return b""


@attack(reason="larger than 20 MB")
def huge_notebook(submission: Submission):
    """Has 200 MB of output."""
    output = {"output_type": "stream", "name": "stdout", "text": "x" * 200_000_000}
    submission.notebook.cells[1]["outputs"] = [output]


@attack(reason="the limit is 2000")
def very_many_cells(submission: Submission):
    """Has a hundred thousand cells."""
    cell = {"cell_type": "code", "source": "", "metadata": {}, "outputs": [], "execution_count": None}
    submission.notebook.cells.extend([cell] * 100_000)


@attack(reason="nbformat is 9")
def wrong_nbformat(submission: Submission):
    """Says that it is of a format that there is not."""
    submission.notebook["nbformat"] = 9


@attack(reason="old notebook that cannot be converted")
def broken_old_nbformat(submission: Submission):
    """Says that it is of an old format, and is not."""
    return json.dumps(
        {"nbformat": 3, "worksheets": [{"cells": [{"cell_type": 5}, None]}], "metadata": []}
    ).encode()


@attack(reason="a JSON list")
def other_json(submission: Submission):
    """Is JSON, and no notebook."""
    return b"[1, 2, 3]"


@attack(reason="not valid JSON")
def deep_json(submission: Submission):
    """Is JSON of a hundred thousand levels."""
    return b'{"nbformat": 4, "cells": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"


@attack(reason="not valid JSON")
def other_encoding(submission: Submission):
    """Is bytes in no encoding."""
    return b"\xff\xfe\xfa" + bytes(range(256))


@attack(reason="not valid JSON")
def long_number(submission: Submission):
    """Has a number of millions of digits, which takes very long to read."""
    return b'{"nbformat": 4, "cells": [], "x": ' + b"9" * 5_000_000 + b"}"


@attack(reason="more parts than a notebook can have")
def very_many_parts(submission: Submission):
    """Is 15 MB of empty lists, which take many times that to read."""
    return b'{"nbformat": 4, "cells": [' + b"[]," * 5_000_000 + b"[]]}"


@attack(reason="a folder")
def folder_in_its_place(submission: Submission):
    """Is a folder of the notebook's name."""
    submission.path.mkdir()


@attack(reason="a symbolic link")
def link_to_the_solution(submission: Submission):
    """Is a link to the instructor's notebook."""
    submission.path.symlink_to(submission.world.course / "solutions/ps2_batchnorm/ps2_batchnorm.ipynb")


@attack(reason="a symbolic link")
def link_to_a_device(submission: Submission):
    """Is a link to a device that never ends."""
    submission.path.symlink_to("/dev/zero")


@attack(reason="no ordinary file")
def pipe_in_its_place(submission: Submission):
    """Is a pipe that nobody writes to."""
    os.mkfifo(submission.path)


@attack()
def shadowing_modules(submission: Submission):
    """Brings modules of its own under the names of NumPy, pytest's settings and the course's package."""
    everything_is_right = (
        b"import sys\nprint('LE' + 'AK', __name__)\ndef __getattr__(name): return lambda *a, **k: 5.0\n"
    )
    for name in (
        "numpy.py",
        "conftest.py",
        "sitecustomize.py",
        "bn_reference.py",
        "nbgrader_config.py",
        "grading.py",
    ):
        submission.attach(name, everything_is_right)
    submission.own("""
        import pathlib
        for name in ("numpy", "bn_reference", "sitecustomize"):
            pathlib.Path(name + ".py").write_text("raise SystemExit")
    """)


@attack()
def odd_file_names(submission: Submission):
    """Brings files whose names have newlines, dots and control characters in them."""
    for name in ("a\nb", "..ipynb", "\x1b[2J.ipynb", "-rf", "ps2_batchnorm.ipynb ", "x" * 255, "ps9.ipynb"):
        submission.attach(name, b"{}")


@attack()
def links_beside_it(submission: Submission):
    """Brings links to files of the course, to be copied with the rest."""
    for name, target in (
        ("gradebook", "course/gradebook.db"),
        ("secret", "course/grading_secret"),
        ("all", "."),
    ):
        (submission.folder / name).symlink_to(submission.world.course / target)
    (submission.folder / "timestamp.txt").symlink_to(submission.world.course / "course/grading_secret")


@attack()
def odd_timestamp(submission: Submission):
    """Says that it was handed in long ago, in bytes that are no date."""
    submission.attach("timestamp.txt", b"0001-01-01 00:00:00 UTC-23:59\xff\n" + bytes(5000))


@attack()
def zip_bomb(submission: Submission):
    """Unpacks a megabyte to a gigabyte, for its outputs and for what its function returns."""
    packed = zlib.compress(bytes(20_000_000), 9).hex()
    submission.own(f"""
        import zlib
        packed = bytes.fromhex({packed!r})
        for _ in range(50):
            print(zlib.decompress(packed).hex())
    """)
    submission.answer(
        "batchnorm_forward",
        """
        def batchnorm_forward(x, gamma, beta, eps=1e-5):
            vast = np.broadcast_to(x.ravel()[0], (10**6, 10**6))
            return vast, vast, vast, vast
    """,
    )

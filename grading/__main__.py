"""Grade a class in parallel: ``python -m grading`` in the course's folder.

``python -m grading failures`` lists the submissions that could not be graded, and why;
``python -m grading flags`` those that somebody should look at.
"""

import argparse
import sys
from collections import Counter
from dataclasses import replace

from nbgrader.api import Gradebook
from nbgrader.apps import NbGrader
from tabulate import tabulate
from tqdm import tqdm

from grading.autograde import GradingSession, TrustedAutograde
from grading.books import gradings, open_gradebook
from grading.master import NotReleased
from grading.parallel import NobodyGrades, connected, results
from grading.sandbox import Sandbox, SandboxMissing
from grading.submissions import Submission, find


def main(arguments: list[str] | None = None) -> None:
    """Run the command."""
    options = _parser().parse_args(arguments)
    app = NbGrader()
    app.initialize([])
    if options.db:
        app.coursedir.db_url = options.db
    with open_gradebook(app.coursedir.db_url, app.coursedir.course_id) as gradebook:
        released = sorted(assignment.name for assignment in gradebook.assignments)
        gradebook.db.rollback()
        unknown = [name for name in options.assignment if name not in released]
        if unknown:
            sys.exit(
                f"the gradebook has no assignment {unknown[0]!r}, but: {', '.join(released) or 'none'}. "
                f"Run: nbgrader generate_assignment {unknown[0]}"
            )
        options.assignment = options.assignment or released
        if options.what == "grade":
            sys.exit(_grade(app, gradebook, options))
        print(_listed(gradebook, options))


def _parser():
    parser = argparse.ArgumentParser(
        prog="python -m grading", description="Grade what a class has handed in, in parallel."
    )
    parser.add_argument(
        "what",
        nargs="?",
        choices=("grade", "failures", "flags"),
        default="grade",
        help="grade (the default); or list what could not be graded, or what somebody should look at",
    )
    add = parser.add_argument
    add("--assignment", action="append", default=[], metavar="NAME", help="only this one; may be repeated")
    add("--student", default="*", metavar="ID", help="only this one")
    add("--force", action="store_true", help="grade again what has not changed")
    add("--workers", type=int, metavar="N", help="how many to start here; by default one for each core")
    add(
        "--scheduler",
        metavar="ADDRESS",
        help="a Dask scheduler, such as tcp://host:8786, in the place of workers here",
    )
    add("--db", metavar="URL", help="another gradebook, such as postgresql+psycopg://user@host/grades")
    add("--unsafe-no-sandbox", action="store_true", help="run learners' code with your own rights")
    return parser


def _grade(app, gradebook, options):
    app.coursedir.student_id = options.student
    if options.unsafe_no_sandbox:
        app.config.TrustedGrader.unsafe_no_sandbox = True
    sessions = [_session(app, gradebook, name, options.force) for name in options.assignment]
    work = []
    for session in sessions:
        submissions, odd = find(app.coursedir, session.assignment)
        for folder in odd:
            print(f"left out, because nbgrader cannot keep such a name: {folder!r}", file=sys.stderr)
        work += [(session, submission) for submission in session.to_do(submissions)]
        session.found = len(submissions)
    if work:
        try:
            # With nothing imported: whether there are sandboxes and packages shows sooner.
            for recipe in {
                replace(session.rules.recipe, preload=(), warm_up=(), modules=()) for session, _ in work
            }:
                Sandbox(recipe).close()
        except SandboxMissing as problem:
            return str(problem)
    entered, broken, stopped = _run(work, options)
    print(_summary(gradebook, sessions, entered))
    for submission, problem in broken:
        print(f"not graded: {submission.assignment} of {submission.student}: {problem!r}", file=sys.stderr)
    if stopped:
        print(
            f"stopped: {stopped}\nWhat is in the table is kept; the same command grades the rest.",
            file=sys.stderr,
        )
    return 1 if broken or stopped else 0


def _session(app, gradebook, assignment, force):
    step = TrustedAutograde(coursedir=app.coursedir, parent=app)
    step.force = force
    app.coursedir.assignment_id = assignment
    try:
        return GradingSession(step, gradebook)
    except NotReleased as problem:
        sys.exit(str(problem))


def _run(work, options):
    """Grade everything and enter it as it comes. Also: what could not be graded, and what ended it early."""
    entered: Counter = Counter()
    broken: list[tuple[Submission, Exception]] = []
    stopped = None
    if not work:
        return entered, broken, stopped
    try:
        with (
            connected(options.scheduler, options.workers) as client,
            tqdm(total=len(work), unit="submission", disable=None) as bar,
        ):
            for (session, submission), graded in results(client, work, _task):
                bar.update()
                if isinstance(graded, Exception):
                    broken.append((submission, graded))
                    continue
                session.enter(submission, graded)
                entered[submission.assignment] += 1
    except NobodyGrades as problem:
        stopped = problem
    return entered, broken, stopped


def _task(work):
    session, submission = work
    return session.task(submission)


def _summary(gradebook: Gradebook, sessions, entered):
    rows = []
    for session in sessions:
        known = gradings(gradebook, session.assignment)
        scores = [each.score for each in gradebook.find_assignment(session.assignment).submissions]
        rows.append(
            {
                "assignment": session.assignment,
                "handed in": session.found,
                "graded now": entered[session.assignment],
                "failed": sum(bool(each.failed) for each in known),
                "to look at": sum(bool(each.flags) for each in known),
                "mean points": f"{sum(scores) / len(scores):.1f}" if scores else "",
            }
        )
    gradebook.db.rollback()
    return tabulate(rows, headers="keys")


def _listed(gradebook, options):
    """The table of what could not be graded, or of what is to be looked at."""
    rows = []
    for each in gradings(gradebook):
        says = each.failed if options.what == "failures" else "\n".join(each.flags)
        if says and each.assignment in options.assignment:
            rows.append((each.assignment, each.student, says))
    if not rows:
        return f"There are no {options.what}."
    return tabulate(rows, headers=("assignment", "student", options.what), maxcolwidths=[None, None, 80])


if __name__ == "__main__":
    main()

"""How far a learner is with a problem set, and which help they have had, since the kernel started."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from bn_reference.checks.report import Report


@dataclass
class Progress:
    """What the visible checks have said so far.

    Attributes
    ----------
    reports : dict of str to Report
        The latest on each function, by name.
    steps : dict of str to int
        How many steps of help for each function have been asked for since it was checked.
    """

    reports: dict[str, Report] = field(default_factory=dict)
    steps: dict[str, int] = field(default_factory=dict)

    def note(self, report: Report) -> None:
        """Keep `report` as the latest on its function; help begins again at the first step."""
        self.reports[report.name] = report
        self.steps.pop(report.name, None)

    def has_failed(self, name: str) -> bool:
        """Was the function `name` wrong when it was last checked?"""
        return name in self.reports and not self.reports[name].passed

    def over(self, names: Iterable[str]) -> tuple[tuple[str, str], ...]:
        """For each of the functions `names`, its name and how it stands."""
        return tuple((name, self._standing(name)) for name in names)

    def _standing(self, name):
        report = self.reports.get(name)
        if report is None or report.unfinished:
            return "to do"
        worth = f", {report.points(report.out_of):g} of {report.out_of:g} points" if report.out_of else ""
        return ("✓ passes" if report.passed else "✗ not yet right") + worth

    def next_step(self, name: str) -> str:
        """One more step of help with the function `name` than before."""
        report = self.reports.get(name)
        if report is None:
            return f"Check {name} first; then there is something to help with."
        steps = [(ladder.title, *step) for ladder in report.ladders for step in ladder.steps]
        if not steps:
            return f"All that there is to say about {name} is in its check."
        taken = min(self.steps.get(name, 0), len(steps) - 1)
        self.steps[name] = taken + 1
        title, step, sentence = steps[taken]
        left = len(steps) - 1 - taken
        more = f"\nThere is more: hint({name!r}) again." if left else "\nThis was the last step of help."
        return f"{title}. {step}: {sentence}{more}"

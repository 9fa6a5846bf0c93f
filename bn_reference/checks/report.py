"""What a check says, and its plain text for terminals and logs; `card` draws it for notebooks."""

from dataclasses import dataclass, replace

from bn_reference.checks.evidence import Evidence, Ladder

BOOK = "https://bn-course.github.io/bn-course/book/"
"""Where the chapters are read online."""

PRINTED = 10
"""How many lines of what the learner's code printed are shown."""


@dataclass(frozen=True)
class PartResult:
    """One line of a report.

    Attributes
    ----------
    title : str
    weight : float
        Its share of the points, relative to the other parts.
    credit : float
        The share of `weight` that is earned: 1 if the part passes.
    problem : str
        What was wrong, with expected and got.
    where : str
        The smallest case in which it went wrong.
    hint : str
    gist : str
        The problem without any number, for checks whose inputs are secret.
    """

    title: str
    weight: float
    credit: float = 1.0
    problem: str = ""
    where: str = ""
    hint: str = ""
    gist: str = ""

    @property
    def passed(self) -> bool:
        """Is nothing wrong with this part?"""
        return not self.problem

    @property
    def verdict(self) -> str:
        """One word, and how much of the part's points a failed one keeps."""
        if self.passed:
            return "pass"
        return f"fail, keeps {self.credit:.0%}" if self.credit else "fail"


@dataclass(frozen=True, repr=False)
class Report:
    """The verdict on one function.

    Attributes
    ----------
    name : str
        The function.
    chapter : str
        The page of the book to read again.
    parts : tuple of PartResult
    mistakes : tuple of str
        Names of the mistakes that reproduce what came back.
    advice : tuple of str
        What to look at, in sentences.
    unfinished : bool
        The function still raises NotImplementedError.
    stopped_by : str
        The error, if it stopped every call.
    noise : str
        Warnings of the learner's code.
    out_of : float or None
        What the check is worth; None leaves the points unsaid.
    stopped_gist : str
        The error without its message.
    printed : str
        The beginning of what the learner's code printed.
    ladders : tuple of Ladder
        Steps of help for the parts that fail without a diagnosis.
    evidence : Evidence or None
        The smallest input that fails, where there is no diagnosis.
    progress : tuple of (str, str)
        The functions of the problem set, and how each stands.
    secret : bool
        The inputs are secret: nothing that holds a value of them is said.
    """

    name: str
    chapter: str
    parts: tuple[PartResult, ...]
    mistakes: tuple[str, ...] = ()
    advice: tuple[str, ...] = ()
    unfinished: bool = False
    stopped_by: str = ""
    noise: str = ""
    out_of: float | None = None
    stopped_gist: str = ""
    printed: str = ""
    ladders: tuple[Ladder, ...] = ()
    evidence: Evidence | None = None
    progress: tuple[tuple[str, str], ...] = ()
    secret: bool = False

    @property
    def passed(self) -> bool:
        """Did every part pass?"""
        return all(part.passed for part in self.parts)

    def points(self, out_of: float) -> float:
        """The points earned of `out_of`, by the weights of the parts, to the hundredth."""
        total = sum(part.weight for part in self.parts)
        return round(out_of * sum(part.weight * part.credit for part in self.parts) / total, 2)

    def points_of(self, part: PartResult) -> str:
        """What `part` earns of its share, in words; nothing where the points are unsaid."""
        if self.out_of is None:
            return ""
        share = self.out_of * part.weight / sum(part.weight for part in self.parts)
        return f"{round(share * part.credit, 2):g} of {round(share, 2):g} points"

    def without_values(self) -> "Report":
        """The same, fit to be shown where the inputs are secret."""
        parts = tuple(replace(part, problem=part.gist, where="") for part in self.parts)
        return replace(
            self,
            parts=parts,
            stopped_by=self.stopped_gist,
            noise="",
            printed="",
            evidence=None,
            secret=True,
        )

    @property
    def headline(self) -> str:
        """One line: how far along the function is."""
        if self.unfinished:
            return f"{self.name}: not written yet. Replace the line that raises NotImplementedError."
        if self.stopped_by:
            return f"{self.name} cannot be checked yet: {self.stopped_by}"
        done = sum(part.passed for part in self.parts)
        worth = "" if self.out_of is None else f", {self.points(self.out_of):g} of {self.out_of:g} points"
        return f"{self.name}: {done} of {len(self.parts)} parts pass{worth}." + " All done!" * self.passed

    @property
    def shown_parts(self) -> tuple[PartResult, ...]:
        """The parts, unless the function gave nothing to judge them by."""
        return () if self.unfinished or self.stopped_by else self.parts

    @property
    def shown_advice(self) -> tuple[str, ...]:
        """What is said at once: the diagnoses, and hints that stand on no ladder with a smaller step."""
        held_back = {text for ladder in self.shown_ladders for _, text in ladder.steps}
        return tuple(sentence for sentence in self.advice if sentence not in held_back and self.shown_parts)

    @property
    def shown_ladders(self) -> tuple[Ladder, ...]:
        """The ladders of more than one step; a hint by itself is said at once."""
        return tuple(ladder for ladder in self.ladders if len(ladder.steps) > 1 and self.shown_parts)

    @property
    def remarks(self) -> tuple[str, ...]:
        """What to say below the parts, besides the advice."""
        if self.passed or self.unfinished:
            return ()
        warned = (f"Your code warned: {self.noise.splitlines()[0]}",) if self.noise else ()
        return (*warned, f"Read again: {BOOK}{self.chapter}.html")

    @property
    def progress_line(self) -> str:
        """How many functions of the problem set pass; nothing if there is no count."""
        done = sum(standing.startswith("✓") for _, standing in self.progress)
        return f"In this session, {done} of {len(self.progress)} functions pass." if self.progress else ""

    def __repr__(self) -> str:
        """The plain-text form."""
        lines = [self.headline]
        for part in self.shown_parts:
            worth = f": {self.points_of(part)}" if self.out_of is not None else ""
            lines.append(f"  [{part.verdict}] {part.title}{worth}")
            if part.problem:
                lines.append(f"         {part.problem}" + (f" (in: {part.where})" if part.where else ""))
        lines += [f"  -> {sentence}" for sentence in self.shown_advice]
        if self.evidence:
            lines += [f"  {self.evidence.sentence} The smallest such case: {self.evidence.where}"]
            lines += [f"    {line}" for line in self.evidence.listing.splitlines()]
        for ladder in self.shown_ladders:
            name, sentence = ladder.steps[0]
            lines.append(f"  {ladder.title}. {name}: {sentence}")
        if self.shown_ladders and not self.secret:
            lines.append(
                f"  For one more step of help: from bn_reference.checks import hint; hint({self.name!r})"
            )
        if self.printed:
            lines += [
                "  Your code printed:",
                *(f"    {line}" for line in self.printed.splitlines()[:PRINTED]),
            ]
        lines += [f"  {remark}" for remark in self.remarks]
        if self.progress:
            lines.append(f"  {self.progress_line}")
            lines += [f"    {name}: {standing}" for name, standing in self.progress]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """A card that takes its colours from the notebook's theme."""
        from bn_reference.checks.card import card  # which needs this module

        return card(self)

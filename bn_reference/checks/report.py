"""What a check says: plain text for terminals and logs, a card for notebooks."""

from dataclasses import dataclass
from html import escape

BOOK = "https://bn-course.github.io/bn-course/book/"
"""Where the chapters are read online."""


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
    """

    title: str
    weight: float
    credit: float = 1.0
    problem: str = ""
    where: str = ""
    hint: str = ""

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

    @property
    def passed(self) -> bool:
        """Did every part pass?"""
        return all(part.passed for part in self.parts)

    def points(self, out_of: float) -> float:
        """The points earned of `out_of`, by the weights of the parts, to the hundredth."""
        total = sum(part.weight for part in self.parts)
        return round(out_of * sum(part.weight * part.credit for part in self.parts) / total, 2)

    @property
    def headline(self) -> str:
        """One line: how far along the function is."""
        if self.unfinished:
            return f"{self.name}: not written yet. Replace the line that raises NotImplementedError."
        if self.stopped_by:
            return f"{self.name} stops before it returns. {self.stopped_by}"
        done = sum(part.passed for part in self.parts)
        worth = "" if self.out_of is None else f", {self.points(self.out_of):g} of {self.out_of:g} points"
        return f"{self.name}: {done} of {len(self.parts)} parts pass{worth}." + " All done!" * self.passed

    @property
    def remarks(self) -> tuple[str, ...]:
        """What to say below the parts, besides the advice."""
        if self.passed or self.unfinished:
            return ()
        warned = (f"Your code warned: {self.noise.splitlines()[0]}",) if self.noise else ()
        return (*warned, f"Read again: {BOOK}{self.chapter}.html")

    @property
    def _shown_parts(self) -> tuple[PartResult, ...]:
        return () if self.unfinished or self.stopped_by else self.parts

    def __repr__(self) -> str:
        """The plain-text form."""
        lines = [self.headline]
        for part in self._shown_parts:
            lines.append(f"  [{part.verdict}] {part.title}")
            if part.problem:
                lines.append(f"         {part.problem}" + (f" (in: {part.where})" if part.where else ""))
        if self._shown_parts:
            lines += [f"  -> {sentence}" for sentence in self.advice]
        lines += [f"  {remark}" for remark in self.remarks]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """A card that takes its colours from the notebook's theme."""
        tone = "#0072B2" if self.unfinished else "#009E73" if self.passed else "#D55E00"
        rows = "".join(_row(part) for part in self._shown_parts)
        advice = self.advice if self._shown_parts else ()
        below = [f"<b>{escape(sentence)}</b>" for sentence in advice]
        below += [_linked(escape(remark)) for remark in self.remarks]
        return (
            f"<div role='group' aria-label='Check of {escape(self.name)}' "
            f"style='border-left:4px solid {tone};padding:.5em 1em;margin:.3em 0;max-width:52em'>"
            f"<div><b>{escape(self.headline)}</b></div>"
            + (f"<ul style='list-style:none;margin:.4em 0 0;padding:0'>{rows}</ul>" if rows else "")
            + "".join(f"<div style='margin-top:.5em'>{line}</div>" for line in below)
            + "</div>"
        )


def _row(part: PartResult) -> str:
    mark = f"{'✓' if part.passed else '✗'} {part.verdict}"
    where = f" <i>In: {escape(part.where)}.</i>" if part.where else ""
    detail = f"<div style='margin-left:4.6em'>{escape(part.problem)}.{where}</div>" if part.problem else ""
    return (
        "<li style='margin:0'><code style='display:inline-block;min-width:4.2em'>"
        f"{mark}</code> {escape(part.title)}{detail}</li>"
    )


def _linked(text: str) -> str:
    """`text` with its address, if it ends with one, made a link."""
    before, found, address = text.partition("https://")
    return f"{before}<a href='{found}{address}'>{found}{address}</a>" if found else text

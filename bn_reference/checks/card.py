"""The report as a card for notebooks.

Inline styles and no scripts, so that JupyterLab, the classic notebook, VS Code, Colab and the
pages that nbgrader makes show the same. Text has the theme's own colour; every mark is a word too.
"""

from html import escape

from bn_reference.checks.evidence import Evidence, Ladder
from bn_reference.checks.plot import draw
from bn_reference.checks.report import PRINTED, PartResult, Report

LIST = "list-style:none;margin:.4em 0 0;padding:0"
FOLD = "margin-top:.5em"
TONES = {"passed": "#009E73", "unfinished": "#0072B2", "failed": "#D55E00"}
"""Of the bar at the card's side, which only repeats what the headline says."""


def card(report: Report) -> str:
    """`report` as HTML.

    Parameters
    ----------
    report : Report

    Returns
    -------
    str
    """
    state = "unfinished" if report.unfinished else "passed" if report.passed else "failed"
    rows = "".join(_row(part, report.points_of(part)) for part in report.shown_parts)
    return (
        f"<div role='group' aria-label='Check of {escape(report.name)}' style='border-left:4px solid "
        f"{TONES[state]};padding:.5em 1em;margin:.3em 0;max-width:52em;overflow-wrap:anywhere'>"
        f"<div role='heading' aria-level='3' style='font-weight:bold'>{escape(report.headline)}</div>"
        + (f"<ul role='list' style='{LIST}'>{rows}</ul>" if rows else "")
        + "".join(_below(f"<b>{escape(sentence)}</b>") for sentence in report.shown_advice)
        + (_evidence(report.evidence) if report.evidence else "")
        + "".join(map(_ladder, report.shown_ladders))
        + (_printed(report.printed) if report.printed else "")
        + "".join(_below(_linked(escape(remark))) for remark in report.remarks)
        + (_progress(report) if report.progress else "")
        + "</div>"
    )


def _row(part: PartResult, points: str) -> str:
    mark = f"{'✓' if part.passed else '✗'} {part.verdict}"
    where = f" <i>In: {escape(part.where)}.</i>" if part.where else ""
    detail = f"<div>{escape(part.problem)}.{where}</div>" if part.problem else ""
    return (
        "<li style='display:flex;gap:.7em;margin:0 0 .2em'>"
        f"<span style='flex:0 0 6em;font-family:monospace'>{mark}</span>"
        f"<div style='flex:1 1 0;min-width:0'>{escape(part.title)}{detail}</div>"
        + (f"<span style='flex:0 0 auto'>{points.removesuffix(' points')}</span>" if points else "")
        + "</li>"
    )


def _below(content: str) -> str:
    return f"<div style='{FOLD}'>{content}</div>"


def _fold(summary: str, content: str) -> str:
    return (
        f"<details style='{FOLD}'><summary style='cursor:pointer'>{escape(summary)}</summary>"
        f"<div style='margin:.2em 0 0 1em'>{content}</div></details>"
    )


def _ladder(ladder: Ladder) -> str:
    """Each step lies inside the one before, so that a learner opens them one at a time."""
    content = ""
    for name, sentence in reversed(ladder.steps):
        content = _fold(name, escape(sentence) + content)
    return _fold(f"Help with: {ladder.title}", content)


def _evidence(evidence: Evidence) -> str:
    drawn = draw(evidence.node, evidence.expected, evidence.got) if evidence.can_be_drawn else ""
    listing = evidence.listing and _fold(
        "The call, what was expected, and what came", _verbatim(evidence.listing)
    )
    return _below(f"{escape(evidence.sentence)} <i>In: {escape(evidence.where)}.</i>") + drawn + listing


def _printed(text: str) -> str:
    return _fold("What your code printed", _verbatim("\n".join(text.splitlines()[:PRINTED])))


def _verbatim(text: str) -> str:
    return (
        "<pre tabindex='0' style='overflow-x:auto;white-space:pre;margin:0;background:none;color:inherit'>"
        f"{escape(text)}</pre>"
    )


def _progress(report: Report) -> str:
    rows = "".join(
        f"<li><code style='background:none;color:inherit'>{escape(name)}</code>: {escape(standing)}</li>"
        for name, standing in report.progress
    )
    return _fold(report.progress_line, f"<ul role='list' style='{LIST}'>{rows}</ul>")


def _linked(text: str) -> str:
    """`text` with its address, if it ends with one, made a link."""
    before, found, address = text.partition("https://")
    style = "color:inherit;text-decoration:underline"
    return f"{before}<a href='{found}{address}' style='{style}'>{found}{address}</a>" if found else text

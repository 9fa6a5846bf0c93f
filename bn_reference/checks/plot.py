"""Small pictures of a wrong result, as SVG that takes its colours from the notebook's theme.

No plotting library: a check must not cost a second to import one.
"""

from html import escape

import numpy as np

WIDTH, HEIGHT, LEFT, TOP, SIDE = 250, 200, 50, 10, 150

BINS = 9
"""Of a histogram of errors."""

VISIBLE = 0.05
"""From which share of the results' spread on an error can be seen beside the results themselves."""

ROUNDING = 1e-6
"""Below this share of the largest result, two results are drawn as the same."""


def draw(name: str, expected: np.ndarray, got: np.ndarray) -> str:
    """The learner's results over the expected ones, or the errors' histogram where they are small.

    Parameters
    ----------
    name : str
        What the results are called.
    expected, got : ndarray, finite, of one shape

    Returns
    -------
    str
        An ``svg`` element.
    """
    expected, error = np.ravel(expected), np.ravel(got) - np.ravel(expected)
    spread = np.ptp(expected) or np.max(np.abs(expected)) or 1.0
    if np.max(np.abs(error)) >= VISIBLE * spread:
        return _scatter(name, expected, expected + error)
    return _histogram(name, error)


def _scatter(name, expected, got):
    low, high = (float(bound([expected.min(), got.min(), expected.max(), got.max()])) for bound in (min, max))
    scale = SIDE / ((high - low) or 1.0)
    wrong = np.abs(got - expected) > ROUNDING * np.max(np.abs(expected))
    marks = [
        _mark(LEFT + (x - low) * scale, TOP + SIDE - (y - low) * scale, off)
        for x, y, off in zip(expected, got, wrong, strict=True)
    ]
    diagonal = _line(LEFT, TOP + SIDE, LEFT + SIDE, TOP, "stroke-dasharray='4 3'")
    caption = (
        f"{wrong.sum()} of {wrong.size} values of {name} lie off the dashed line, on which yours would equal "
        "the expected ones."
    )
    axes = _axes(f"expected {name}", f"your {name}", (low, high), (low, high))
    return _svg(f"Your {name} against the expected one", caption, axes + diagonal + "".join(marks))


def _histogram(name, error):
    counts, edges = np.histogram(error, BINS)
    width = SIDE / BINS
    bars = "".join(
        f"<rect x='{LEFT + k * width + 1:.1f}' y='{TOP + SIDE - h:.1f}' width='{width - 2:.1f}' "
        f"height='{h:.1f}' fill='currentColor' opacity='.7'/>"
        for k, h in enumerate(SIDE * counts / counts.max())
    )
    caption = f"The errors of your {name} run from {edges[0]:.2g} to {edges[-1]:.2g}."
    axes = _axes(f"your {name} - expected", "how many", (edges[0], edges[-1]), (0, counts.max()))
    return _svg(f"Histogram of the errors of your {name}", caption, axes + bars)


def _mark(x, y, wrong):
    """A cross for a wrong value, a ring for a right one: told apart by shape, not by colour."""
    if not wrong:
        return f"<circle cx='{x:.1f}' cy='{y:.1f}' r='3.5' fill='none' stroke='currentColor'/>"
    return (
        f"<path d='M{x - 3.5:.1f} {y - 3.5:.1f}l7 7m0-7l-7 7' fill='none' stroke='currentColor' "
        "stroke-width='1.8'/>"
    )


def _line(x1, y1, x2, y2, more=""):
    return f"<line x1='{x1}' y1='{y1}' x2='{x2}' y2='{y2}' stroke='currentColor' opacity='.6' {more}/>"


def _axes(along, up, x_range, y_range):
    bottom, right, middle = TOP + SIDE, LEFT + SIDE, TOP + SIDE / 2
    return "".join(
        [
            _line(LEFT, bottom, right, bottom),
            _line(LEFT, TOP, LEFT, bottom),
            _text(LEFT, bottom + 14, "start", f"{x_range[0]:.2g}"),
            _text(right, bottom + 14, "end", f"{x_range[1]:.2g}"),
            _text(LEFT - 4, bottom, "end", f"{y_range[0]:.2g}"),
            _text(LEFT - 4, TOP + 9, "end", f"{y_range[1]:.2g}"),
            _text(LEFT + SIDE / 2, bottom + 30, "middle", along),
            _text(12, middle, "middle", up, f"transform='rotate(-90 12 {middle:g})'"),
        ]
    )


def _text(x, y, anchor, text, more=""):
    return (
        f"<text x='{x:g}' y='{y:g}' text-anchor='{anchor}' font-size='12' fill='currentColor' {more}>"
        f"{escape(text)}</text>"
    )


def _svg(title, caption, content):
    title, caption = escape(title), escape(caption)
    return (
        f"<svg role='img' aria-label='{title}. {caption}' viewBox='0 0 {WIDTH} {HEIGHT}' width='{WIDTH}' "
        f"height='{HEIGHT}' style='max-width:100%;display:block'>"
        f"<title>{title}</title><desc>{caption}</desc>{content}</svg>"
        f"<div>{caption}</div>"
    )

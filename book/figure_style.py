"""The look of the book's figures: one style, colours that colour-blind readers can tell apart."""

import matplotlib.pyplot as plt
from matplotlib_inline.backend_inline import set_matplotlib_formats

BLUE, ORANGE, GREEN, VERMILION, PURPLE, SKY, GREY = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#D55E00",
    "#CC79A7",
    "#56B4E9",
    "#6B6B6B",
)
"""Okabe & Ito's palette, darkest and most distinct first, and a grey for what stays behind."""


def use() -> None:
    """Draw every figure of this notebook in the book's style, as vectors."""
    set_matplotlib_formats("svg")
    plt.rcParams.update(
        {
            "axes.prop_cycle": plt.cycler(color=[BLUE, ORANGE, GREEN, VERMILION, PURPLE, SKY]),
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "axes.titlesize": 12,
            "axes.labelsize": 11,
            "figure.figsize": (6.4, 3.3),
            "figure.constrained_layout.use": True,
            "font.size": 11,
            "grid.alpha": 0.25,
            "legend.frameon": False,
            "lines.linewidth": 2,
            "svg.fonttype": "path",
            "svg.hashsalt": "bn-course",
        }
    )

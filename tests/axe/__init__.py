"""axe-core, which looks for what keeps people from reading a page."""

from pathlib import Path

AXE = Path(__file__).with_name("axe.min.js")

VIOLATIONS = """async (within) => {
    const { violations } = await axe.run(within, { resultTypes: ["violations"] });
    return violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html.slice(0, 200)}`));
}"""


def violations(page, within: str = "html") -> list[str]:
    """What axe-core objects to in those parts of a page that a CSS selector names. The page has run AXE."""
    return page.evaluate(VIOLATIONS, within)

"""Can everybody work the interactive figures, in the pages of the built book?"""

import re
import sys

import numpy as np
import pytest

from bn_reference.batchnorm import batchnorm_backward_staged, batchnorm_forward
from tests.course import ROOT

STATIC = ROOT / "book/_static"
FIGURES = {
    "whitenings": "whitening",
    "descent": "conditioning",
    "algorithm": "batchnorm_transform",
    "sigmoid": "batchnorm_transform",
    "running": "inference",
    "graph": "backpropagation",
}
"""Each figure, and the chapter that it is in."""

WIDTHS = (1280, 390)


@pytest.fixture(scope="module")
def book(site, served):
    """The address of the built book."""
    with served(site) as address:
        yield address


@pytest.fixture
def opened(browser, book):
    """Open the page of a figure; collect what goes wrong there in `errors`."""
    contexts = []

    def open_figure(name, width=1280, **settings):
        context = browser.new_context(viewport={"width": width, "height": 900}, **settings)
        contexts.append(context)
        page = context.new_page()
        page.errors = []
        page.on("pageerror", lambda error: page.errors.append(error.stack or error.message))
        page.on("console", lambda said: said.type == "error" and page.errors.append(said.location["url"]))
        page.route(re.compile("^https:"), lambda route: route.abort())  # no third party is needed
        page.goto(f"{book}/book/{FIGURES[name]}.html")
        return page, page.locator(f"figure#fig-live-{name}")

    yield open_figure
    for context in contexts:
        context.close()


def test_figures_are_listed_once_and_have_their_room(site):
    """Do the list, the style sheet and the chapters name the same figures?"""
    listed = re.findall(r'"fig-live-(\w+)": "\./(\w+)\.js"', (STATIC / "figures/figures.js").read_text())
    assert [name for name, _ in listed] and all(name == module for name, module in listed)
    roomy = re.findall(r"^#fig-live-(\w+) \{ --wide", (STATIC / "figures.css").read_text(), re.MULTILINE)
    assert {name for name, _ in listed} == set(roomy) == set(FIGURES)
    for name, chapter in FIGURES.items():
        page = (site / "book" / f"{chapter}.html").read_text()
        assert page.count(f'id="fig-live-{name}"') == 1


def test_colours_are_those_of_the_other_figures(monkeypatch):
    """Does the style sheet name the palette of `figure_style`?"""
    monkeypatch.syspath_prepend(ROOT / "book")
    import figure_style

    style = (STATIC / "figures.css").read_text().split("}")[0]
    colours = dict(re.findall(r"--figure-(\w+): (#\w+)", style))
    assert {name: value.lower() for name, value in colours.items()} == {
        name: getattr(figure_style, name.upper()).lower() for name in colours
    }
    assert len(colours) == 7
    sys.modules.pop("figure_style")


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", FIGURES)
def test_figure_takes_the_pictures_place_without_moving_the_page(opened, name, width):
    """Is it drawn, without an error, in exactly the room that was kept, and not wider than the page?"""
    page, figure = opened(name, width)
    figure.locator(".stage").wait_for()
    assert [error for error in page.errors if "/figures/" in error] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    with_script = figure.bounding_box()["height"]

    page.route("**/figures.js*", lambda route: route.abort())
    page.reload()
    figure.locator("img").wait_for()
    assert abs(figure.bounding_box()["height"] - with_script) < 1


@pytest.mark.parametrize("name", FIGURES)
def test_figure_is_a_picture_without_javascript(opened, name):
    """Does a reader without JavaScript see the picture that the build drew?"""
    _, figure = opened(name, java_script_enabled=False)
    assert figure.locator("img").is_visible() and figure.locator(".stage").count() == 0
    assert len(figure.locator("img").get_attribute("alt")) > 40


@pytest.mark.parametrize("name", FIGURES)
def test_every_control_works_by_keyboard_and_has_a_name(opened, name):
    """Does a key on each control change the drawing, and can a screen reader say which it is?"""
    page, figure = opened(name)
    stage = figure.locator(".stage")
    stage.wait_for()
    for back in stage.get_by_role("button", name="Back").all():
        back.press("Enter")  # to the last step, where everything shows
    controls = stage.locator("input, button, [role=slider]")
    assert controls.count() >= 3
    for control in controls.all():
        assert control.evaluate("e => e.ariaLabel || e.labels?.[0]?.textContent || e.textContent.trim()")
        before = stage.inner_html()
        control.focus()
        assert control.evaluate("e => document.activeElement === e")
        kind = control.evaluate("e => e.localName + (e.type ?? '')")
        page.keyboard.press({"buttonbutton": "Enter", "inputnumber": "ArrowUp"}.get(kind, "ArrowRight"))
        presses = {"At 45°", "Along the axes", "Tilted", "γ = 1, β = 0", "Mini-batch"}
        if control.text_content() not in presses:  # those may ask for what is there already
            assert stage.inner_html() != before, control.evaluate("e => e.outerHTML")
    assert [error for error in page.errors if "/figures/" in error] == []


@pytest.mark.parametrize("name", FIGURES)
def test_focus_can_be_seen(opened, name):
    """Has each kind of control a ring when the keyboard reaches it?"""
    page, figure = opened(name)
    figure.locator(".stage").wait_for()
    for kind in ("input", "button", "[role=slider]"):
        control = figure.locator(f".stage {kind}").first
        if control.count():
            control.focus()
            page.keyboard.press("Shift")
            ring = control.evaluate(
                "e => getComputedStyle(e.querySelector('.ring') ?? e)"
                "[e.querySelector('.ring') ? 'stroke' : 'outlineStyle']"
            )
            assert ring not in ("none", ""), kind


def test_what_changed_is_said_once_the_hand_rests(opened):
    """Does the live region follow the reading, and only after a change?"""
    page, figure = opened("whitenings")
    status = figure.get_by_role("status")
    status.wait_for(state="attached")
    assert status.inner_text() == ""
    figure.get_by_role("button", name="Along the axes").press("Enter")
    page.wait_for_function("e => e.textContent", arg=status.element_handle())
    assert "correlation is 0.00" in status.inner_text()


def test_a_ring_follows_the_mouse_and_the_finger(opened):
    """Does the cloud move with a drag of either, and by as much?"""
    for touch in (False, True):
        page, figure = opened("whitenings", 390, has_touch=touch)
        ring = figure.get_by_role("slider", name="Centre of the cloud")
        ring.scroll_into_view_if_needed()
        assert ring.get_attribute("aria-valuetext") == "1.00, 1.00"
        box = ring.bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        scale = figure.locator("svg.cloud").evaluate("e => e.getScreenCTM().a") * 282 / 18
        if touch:
            session = page.context.new_cdp_session(page)
            for kind, places in (("Start", [(x, y)]), ("Move", [(x + 2 * scale, y)]), ("End", [])):
                points = [{"x": px, "y": py} for px, py in places]
                session.send("Input.dispatchTouchEvent", {"type": f"touch{kind}", "touchPoints": points})
        else:
            page.mouse.move(x, y)
            page.mouse.down()
            page.mouse.move(x + 2 * scale, y)
            page.mouse.up()
        across, up = ring.get_attribute("aria-valuetext").split(", ")
        assert float(across) == pytest.approx(3, abs=0.1) and float(up) == pytest.approx(1, abs=0.1)


def test_algorithm_shows_the_numbers_of_the_reference(opened):
    """After the last line, does the table hold x̂ and y of the mini-batch?"""
    _, figure = opened("algorithm")
    figure.get_by_role("button", name="4 Scale and shift").press("Enter")
    rows = figure.locator("tbody tr").all()
    table = [[_number(cell) for cell in row.locator("td").all_inner_texts()] for row in rows]
    x = np.array(table[0])
    y, cache = batchnorm_forward(x[:, None], np.array([1.5]), np.array([2.0]))
    expected = (x, cache.centered[:, 0], cache.centered[:, 0] ** 2, cache.x_hat[:, 0], y[:, 0])
    np.testing.assert_allclose(table, expected, atol=0.0051)


def test_graph_ends_with_the_gradient_of_the_reference(opened):
    """Does the card of x, at the last step, hold dx for what the reader typed, and does it sum to zero?"""
    _, figure = opened("graph")
    figure.get_by_label("∂ℓ/∂y, example 2").fill("3")
    figure.get_by_role("button", name="Back").press("Enter")  # from the first step to the last
    x, dout = (
        [float(v.input_value()) for v in figure.get_by_label(f"{name}, example").all()]
        for name in ("x", "∂ℓ/∂y")
    )
    assert dout[1] == 3
    card = figure.locator("svg.graph .node").first
    numbers = [_number(text) for text in card.locator(".number").all_text_contents()]
    _, cache = batchnorm_forward(np.array(x)[:, None], np.array([1.5]), np.array([0.5]))
    dx = batchnorm_backward_staged(np.array(dout)[:, None], cache).dx[:, 0]
    np.testing.assert_allclose(numbers, [*x, *dx], atol=0.0051)
    assert abs(dx.sum()) < 1e-14


def test_nothing_glides_for_readers_who_asked_for_stillness(opened):
    """Are the transitions off where the system asks for reduced motion, and on elsewhere?"""
    durations = []
    for motion in ("no-preference", "reduce"):
        _, figure = opened("graph", reduced_motion=motion)
        box = figure.locator(".box").first
        durations.append(box.evaluate("e => parseFloat(getComputedStyle(e).transitionDuration)"))
    assert durations[0] > 0 and durations[1] == 0


def test_colours_follow_the_dark_mode(opened):
    """Do lines and words change with the theme, and stay apart from the ground?"""
    page, figure = opened("graph")
    figure.locator(".stage").wait_for()
    looks = []
    for theme in ("light", "dark"):
        page.evaluate("theme => document.documentElement.dataset.theme = theme", theme)
        text = figure.locator("svg text").first.evaluate("e => getComputedStyle(e).fill")
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
        looks.append((text, ground))
        bright = [np.mean([int(v) for v in re.findall(r"\d+", colour)[:3]]) for colour in (text, ground)]
        assert abs(bright[0] - bright[1]) > 120
    assert looks[0] != looks[1]


def _number(text):
    return float(text.replace("−", "-"))

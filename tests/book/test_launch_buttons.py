"""Does every button that opens or downloads a page's notebook lead to one?"""

import re
import shutil

import nbformat
import pytest
import yaml

from tests.book.pages import CHAPTERS
from tests.course import ROOT, run

CONFIG = yaml.safe_load((ROOT / "_config.yml").read_text())
REPOSITORY = CONFIG["repository"]["url"].removeprefix("https://github.com/")
BRANCH = CONFIG["repository"]["branch"]

OPENED_BY = {
    "Binder": rf"https://mybinder\.org/v2/gh/{REPOSITORY}/{BRANCH}\?urlpath=lab/tree/(.+)",
    "Colab": rf"https://colab\.research\.google\.com/github/{REPOSITORY}/blob/{BRANCH}/(.+)",
    "JupyterHub": (
        rf"https://hub\.example\.edu/hub/user-redirect/git-pull\?repo=https%3A//github\.com/{REPOSITORY}"
        rf"&urlpath=lab/tree/{REPOSITORY.split('/')[1]}/(.+)&branch={BRANCH}"
    ),
}
"""The addresses that each service understands; in brackets the file."""


def launch_links(page):
    """The links of a page's rocket, by service."""
    links = re.findall(r'<a href="([^"]+)"[^>]*?title="Launch on (\w+)"', page.read_text(), re.DOTALL)
    return {service: link.replace("&amp;", "&") for link, service in links}


def source(page):
    """The file that a page is made of; those of solutions are made by the build."""
    return f"{page}.ipynb" if page.startswith("exercises/") else f"{page}.md"


def is_notebook(site, page):
    """Is the page made of a notebook? If so, it must be one that the repository holds."""
    if "kernelspec" not in (site.parent.parent / source(page)).read_text():
        return False
    assert (ROOT / source(page)).is_file()
    return True


@pytest.mark.parametrize("page", CHAPTERS)
def test_launch_buttons_open_the_committed_notebook(site, page):
    """Is there a button for each service that can open the page's notebook, and for no other?"""
    links = launch_links(site / f"{page}.html")
    opened = {service: re.fullmatch(OPENED_BY[service], link)[1] for service, link in links.items()}
    if not is_notebook(site, page):
        assert opened == {}
    elif source(page).endswith(".ipynb"):
        assert opened == {"Binder": source(page), "Colab": source(page)}
    else:
        assert opened == {"Binder": source(page)}


@pytest.mark.parametrize("page", CHAPTERS)
def test_every_notebook_can_be_downloaded(site, page):
    """Does the download menu of a page with code give a notebook with that code?"""
    if not is_notebook(site, page):
        return
    [link] = re.findall(r'href="([^"]*_sources/[^"]*\.ipynb)"', (site / f"{page}.html").read_text())
    notebook = nbformat.read((site / f"{page}.html").parent / link, as_version=4)
    nbformat.validate(notebook)
    assert any(cell.cell_type == "code" and cell.source for cell in notebook.cells)


def test_one_line_of_the_settings_makes_a_button_for_a_hub(tmp_path):
    """Does `jupyterhub_url` put a link on an exercise and on a chapter, which brings the repository along?"""
    for name in ("book", "exercises/ps1_whitening"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    settings = (ROOT / "_config.yml").read_text()
    settings = settings.replace("execute_notebooks: force", "execute_notebooks: off")
    settings = settings.replace('jupyterhub_url: ""', "jupyterhub_url: https://hub.example.edu")
    (tmp_path / "_config.yml").write_text(settings)
    pages = ["book/grading_a_class", "exercises/ps1_whitening/ps1_whitening"]
    contents = {"format": "jb-book", "root": pages[0], "chapters": [{"file": pages[1]}]}
    (tmp_path / "_toc.yml").write_text(yaml.safe_dump(contents))

    run("jupyter-book", "build", ".", cwd=tmp_path)

    for page in pages:
        link = launch_links(tmp_path / "_build/html" / f"{page}.html")["JupyterHub"]
        assert re.fullmatch(OPENED_BY["JupyterHub"], link)[1] == source(page)

# The course from a bare machine: `make course`, `make test`. Needs Python 3.11 or newer; Linux or macOS.

SHELL := bash
.SHELLFLAGS := -o pipefail -c

ifndef PYTHON
# Looked up now, before .venv joins the path: the environment cannot be made by its own Python.
PYTHON := $(shell command -v python3 || echo python3)
endif
ASSIGNMENTS := $(notdir $(wildcard solutions/ps*))

BIN := .venv/bin
# nbgrader calls alembic by name, and kernels start by the name of their Python.
export PATH := $(CURDIR)/$(BIN):$(PATH)
DONE := .make

SOURCES := $(wildcard solutions/*/*.md)
REFERENCE := $(shell find bn_reference -name '*.py')
GRADING := $(wildcard grading/*.py grading/inside/*.py) nbgrader_config.py
SAMPLES := $(wildcard samples/*/*.md)
CHAPTERS := $(shell find book -type f -not -name '*.pyc' -not -path 'book/solutions/*') $(wildcard benchmarks/results/*.json) _config.yml _toc.yml

.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help course test environment exercises book pdf grade bench bench-cuda bench-pages serve lab lint links clean

help:
	@echo 'make course   set everything up: exercises, book, and a sample class graded by nbgrader'
	@echo 'make test     run the tests'
	@echo 'make exercises, make book, make grade    one step of the course'
	@echo 'make serve    read the book at http://localhost:8000'
	@echo 'make pdf      print the book into one PDF; wants Chromium'
	@echo 'make lab      do the exercises in JupyterLab'
	@echo 'make bench    accuracy and speed beside torch, grading beside nbgrader (half an hour; wants a quiet machine)'
	@echo 'make bench-cuda    speed on a GPU, beside torch (up to six minutes)'
	@echo 'make bench-pages   how soon the pages of the book are painted, in Chromium'
	@echo 'make lint     check the style of the code, and the spelling'
	@echo 'make links    ask every address in the book whether it is still there (needs the Internet)'
	@echo 'make clean    remove what was built; keeps the environment'

course: environment exercises book grade
	@echo
	@$(BIN)/python -m grading.summary
	@echo
	@echo 'Open   the book          make serve, then http://localhost:8000'
	@echo '       the exercises     exercises/            (make lab, to do them)'
	@echo '       the feedback      course/feedback/      (a page for each learner and problem set)'
	@echo '       the gradebook     course/gradebook.db   (make lab, then Nbgrader > Formgrader, to grade by hand)'

test: environment
	$(BIN)/python -m pytest

environment: $(DONE)/environment
exercises: $(DONE)/exercises
book: $(DONE)/book
pdf: $(DONE)/pdf
grade: $(DONE)/feedback

$(DONE)/environment: requirements.txt constraints.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  { echo 'Missing: Python 3.11 or newer as "$(PYTHON)". Install it, or name yours: make course PYTHON=python3.12'; exit 1; }
	@$(PYTHON) -c 'import shutil, sys; sys.exit(shutil.disk_usage(".").free < 3e9)' || \
	  { echo 'Missing: disk space. The environment needs at least 3 GB free in this folder (7 GB where torch brings CUDA).'; exit 1; }
	@echo '[1/5] Installing into .venv (a few minutes the first time)'
	@$(PYTHON) -m venv .venv >/dev/null 2>&1 || \
	  { rm -rf .venv; echo 'Missing: the venv module of $(PYTHON). On Debian or Ubuntu: apt install python3-venv'; exit 1; }
	@$(BIN)/python -m pip install --disable-pip-version-check -r requirements.txt | sed -un 's/^Collecting/      &/p'
	@mkdir -p $(DONE) course && touch $@

$(DONE)/exercises: $(DONE)/environment $(SOURCES) $(GRADING)
	@echo '[2/5] Making the exercises from the solutions: $(ASSIGNMENTS)'
	@$(BIN)/jupytext --quiet --to ipynb $(SOURCES)
	@for name in $(ASSIGNMENTS); do $(BIN)/nbgrader generate_assignment $$name --force --log-level=ERROR || exit 1; done
	@touch $@

$(DONE)/book: $(DONE)/exercises $(CHAPTERS) $(REFERENCE)
	@echo '[3/5] Building the book: every chapter is run, warnings are errors'
	@$(BIN)/jupyter-book build -W -n --keep-going --all .
	@touch $@

$(DONE)/pdf: $(DONE)/book
	@echo 'Printing the book into _build/html'
	@$(BIN)/python book/print_book.py
	@touch $@

$(DONE)/grades: $(DONE)/exercises $(SAMPLES) $(REFERENCE)
	@[ "$$(uname)" = Linux ] || { echo 'Submissions are graded on Linux: the sandbox is made of its namespaces.'; exit 1; }
	@echo '[4/5] Grading the sample class, in the sandbox'
	@for name in $(ASSIGNMENTS); do $(BIN)/python -m grading.sample_class $$name || exit 1; done
	@$(BIN)/python -m grading --force
	@touch $@

$(DONE)/feedback: $(DONE)/grades
	@echo '[5/5] Writing the feedback'
	@for name in $(ASSIGNMENTS); do $(BIN)/nbgrader generate_feedback $$name --force --log-level=ERROR || exit 1; done
	@touch $@

# The logo on the cards of shared links, which cannot be an SVG.
book/_static/logo.png: book/_static/logo.svg
	chromium --headless --window-size=512,512 --default-background-color=00000000 --screenshot=$@ $<

serve: book
	@$(BIN)/python -m http.server 8000 --bind 127.0.0.1 --directory _build/html

lab: exercises
	@$(BIN)/jupyter lab

bench: environment
	$(BIN)/python benchmarks/accuracy.py
	$(BIN)/python benchmarks/batchnorm_cpu.py
	$(BIN)/python -m benchmarks.grading_speed
	$(BIN)/python -m benchmarks.grading_speed --scale

bench-cuda: environment
	$(BIN)/python benchmarks/batchnorm_cuda.py

bench-pages: book
	@$(BIN)/python -m http.server 8000 --bind 127.0.0.1 --directory _build/html 2>/dev/null & \
	  trap "kill $$!" EXIT; $(BIN)/python benchmarks/pages.py

lint: environment
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell

# In a folder of its own: the builder would write into the book.
links: exercises
	$(BIN)/jupyter-book build --all --builder linkcheck --path-output _build/links .

clean:
	rm -rf _build book/solutions course $(DONE)/exercises $(DONE)/book $(DONE)/pdf $(DONE)/grades $(DONE)/feedback

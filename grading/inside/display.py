"""What a cell shows, collected in the order in which it is shown, as a notebook keeps it."""

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher
from IPython.core.formatters import DisplayFormatter
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

TEXT = 100_000
"""How many characters of text one cell may show; what is beyond is left out."""

OUTPUTS = 200
"""How many outputs one cell may have."""


class Shown:
    """The outputs of the cell that is running."""

    def __init__(self):
        self.outputs: list[dict] = []
        self._left = TEXT

    def stream(self, name: str, text: str) -> None:
        """Add text to a stream, together with what that stream said just before."""
        text = self._within(text)
        last = self.outputs[-1] if self.outputs else {}
        if last.get("name") == name:
            last["text"] += text
        elif text:
            self.add({"output_type": "stream", "name": name, "text": text})

    def add(self, output: dict) -> None:
        """Add anything else."""
        if len(self.outputs) < OUTPUTS:
            self.outputs.append(output)

    def _within(self, text):
        kept = text[: self._left]
        self._left -= len(kept)
        return kept


class _Stream(io.TextIOBase):
    """A standard stream that writes to what is shown now."""

    encoding = "utf-8"

    def __init__(self, name, shown_now):
        self.name, self._shown_now = name, shown_now

    def write(self, text):
        self._shown_now().stream(self.name, str(text))
        return len(text)

    def writable(self):
        return True


class _Results(DisplayHook):
    """Where the value of a cell's last expression goes."""

    def write_output_prompt(self):
        pass

    def write_format_data(self, format_dict, md_dict=None):
        self.shell.shown.add(
            {
                "output_type": "execute_result",
                "data": format_dict,
                "metadata": {},
                "execution_count": self.shell.execution_count,
            }
        )

    def finish_displayhook(self):
        pass


class _Displays(DisplayPublisher):
    """Where ``display`` goes."""

    def publish(self, data, metadata=None, **kwargs):
        self.shell.shown.add({"output_type": "display_data", "data": data, "metadata": {}})


class _Formatter(DisplayFormatter):
    """Makes nothing else than the shell's `kinds` of what is shown: each takes its time."""

    def format(self, obj, include=None, exclude=None):
        return super().format(obj, include or self.parent.kinds, exclude)


class Shell(InteractiveShell):
    """IPython without a terminal and without a kernel: magics, displays, and nothing that runs beside."""

    displayhook_class = _Results
    display_pub_class = _Displays
    kinds = ("text/plain", "image/png")
    """What is made of a value that is shown; HTML and scripts would run in the instructor's browser."""

    def __init__(self, **kwargs):
        self.shown = Shown()
        settings = Config()
        settings.HistoryManager.enabled = False  # it writes a database in a thread of its own
        settings.InteractiveShell.xmode = "Plain"  # as Python's own; what reads the code around takes longer
        super().__init__(config=settings, colors="nocolor", **kwargs)

    def init_display_formatter(self):
        self.display_formatter = _Formatter(parent=self)
        self.configurables.append(self.display_formatter)

    def _showtraceback(self, etype, evalue, stb):
        self.shown.add(
            {
                "output_type": "error",
                "ename": etype.__name__,
                "evalue": str(evalue),
                "traceback": list(stb),
            }
        )

    def _tee(self, channel):
        """Keep nothing of what cells print but what is shown: IPython would keep all of it."""
        return nullcontext()

    def enable_gui(self, gui=None):
        """There is no window to show anything in."""

    def run(self, source: str) -> list[dict]:
        """Run a cell and return its outputs, a list of dicts as a notebook file has them."""
        with self.collected() as shown:
            self.run_cell(source, store_history=True)
        return shown.outputs

    @contextmanager
    def collected(self) -> Iterator[Shown]:
        """While it is entered, what is shown goes to the `Shown` that it gives."""
        before, streams = self.shown, (sys.stdout, sys.stderr)
        self.shown = shown = Shown()
        sys.stdout, sys.stderr = (_Stream(name, lambda: self.shown) for name in ("stdout", "stderr"))
        try:
            yield shown
        finally:
            self.shown, (sys.stdout, sys.stderr) = before, streams

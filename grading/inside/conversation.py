"""The inside's half of the conversation with the grader: run this cell, call that function."""

import importlib
import os
import socket
from types import SimpleNamespace

from inside import wire
from inside.display import Shell
from inside.isolation import describe

LIMIT = 1 << 30
"""The longest message that comes from the grader, in bytes; its own messages are not in doubt."""


class Conversation:
    """Answers the grader until it hangs up.

    Parameters
    ----------
    channel : socket
    shell : Shell
        In which the learner's cells run.
    """

    def __init__(self, channel: socket.socket, shell: Shell):
        self._channel, self._shell = channel, shell
        self._number = 0
        self._kept: list[object] = []
        self._states: list[dict[str, object]] = []
        self._state = -1

    def serve(self) -> None:
        """Do what the grader asks for."""
        while True:
            try:
                asked = self._receive()
            except wire.Closed:
                return
            if asked["do"] == "run":
                self._answer(outputs=self._shell.run(asked["source"]))
            elif asked["do"] == "keep":
                self._states.append(self._shell.user_ns.copy())
            elif asked["do"] == "call_in_child":
                self._branch()
            elif asked["do"] == "call_here":
                self._serve_calls()

    def _branch(self):
        """Go on in a child: a call may end it, or take too long."""
        child = os.fork()
        if child == 0:
            self._answer(pid=os.getpid())
            self._serve_calls()
        while True:
            try:
                _, status = os.waitpid(child, 0)
                break
            except KeyboardInterrupt:  # was meant for a cell
                continue
        self._answer(ended=describe(status))

    def _serve_calls(self):
        while True:
            asked = self._receive()
            self._number = asked["number"]
            self._enter(asked["state"])
            try:
                self._answer(value=getattr(self, "_do_" + asked["do"])(**asked["with"]))
            except BaseException as problem:
                self._answer(error=type(problem).__name__, says=str(problem))

    def _enter(self, state):
        """Let the functions find their names as they were when that state was kept."""
        if state != self._state:
            self._state, names = state, self._shell.user_ns
            names.clear()
            names.update(self._states[state])

    def _do_look_up(self, wanted):
        """For each state, the values of those of the names that are there."""
        return [
            {name: self._states[state][name] for name in names if name in self._states[state]}
            for state, names in wanted
        ]

    def _do_attribute(self, of, name):
        return getattr(self._kept[of], name)

    def _do_call(self, function, args, kwargs):
        return self._kept[function](*args, **kwargs)

    def _do_try_cases(self, calling, function, name, returned, call, cases):
        """The cases of a check, one after the other: what `calling`, the part that calls, makes of each."""
        calling = importlib.import_module(calling)
        module, _, attribute = call.partition(":")
        use = getattr(importlib.import_module(module), attribute)
        spec = SimpleNamespace(name=name, returned=returned, call=use)
        for inputs in cases:
            self._answer(outcome=vars(calling.call(spec, self._kept[function], inputs)))

    def _receive(self):
        return wire.decode(wire.receive(self._channel, LIMIT), self._stand_in)

    def _answer(self, **answer):
        """Answer the question that was asked last."""
        wire.send(self._channel, wire.encode({"number": self._number, **answer}, self._keep))

    def _keep(self, value):
        """Give a number to a value that cannot travel."""
        self._kept.append(value)
        return len(self._kept) - 1

    def _stand_in(self, number):
        """A function of the grader's, to be called from here; or a value of ours that comes home."""
        if number >= 0:
            return self._kept[number]

        def function(*args):
            self._answer(callback=number, args=args)
            reply = self._receive()
            if "error" in reply:
                raise ValueError(reply["error"])
            return reply["value"]

        return function

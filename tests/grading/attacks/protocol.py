"""Attacks on the conversation between the sandbox and the grader, by somebody who knows how it goes."""

from tests.grading.attacks.submission import Submission, attack

CHANNEL = """
import os, socket, struct, threading, time
from inside import wire
import msgpack

def channel():
    for name in os.listdir("/proc/self/fd"):
        try:
            here = socket.socket(fileno=os.dup(int(name)))
        except OSError:
            continue
        if here.family == socket.AF_UNIX and here.type == socket.SOCK_STREAM:
            return here

out = channel()

def say(**message):
    wire.send(out, wire.encode(message))
"""
"""Finds the socket to the grader, as code in the sandbox can."""

FORGED = """
shape = dict(error="", unfinished=False, changed=(), noise="", seconds=0.0, gist="", printed="")
def forged(**more):
    nothing = np.zeros((8, 4))
    values = dict.fromkeys(("y", "x_hat"), nothing) | dict.fromkeys(("mean", "var"), nothing[0])
    return dict(outcome=shape | {"values": values, "points": 5.0, "passed": True} | more)
"""


def _in_function(submission, body):
    """Do `body` inside of the function when a test calls it."""
    submission.own(CHANNEL + FORGED)
    lines = "\n".join(f"    {line}" for line in body.strip().splitlines())
    submission.answer("batchnorm_forward", f"def batchnorm_forward(x, *args):\n{lines}\n    time.sleep(100)")


@attack()
def forged_answers(submission: Submission):
    """Answers for its function before it returns, with a verdict of its own."""
    _in_function(submission, "for _ in range(50):\n    say(**forged())\nsay(value=5.0)")


@attack(spoils=True)
def forged_from_a_thread(submission: Submission):
    """Has a thread that answers at any time, whether it is asked or not."""
    submission.own(
        CHANNEL
        + FORGED
        + """
def flood():
    while True:
        try:
            say(value=5.0, pid=2, outputs=[], ended="well", **forged())
            time.sleep(0.001)
        except Exception:
            return
threading.Thread(target=flood, daemon=True).start()
    """
    )


@attack()
def flood_that_never_ends(submission: Submission):
    """Never returns when called, and has the notebook's process say things while that call is ended."""
    submission.own(
        CHANNEL
        + """
def flood():
    while True:
        try:
            say(nothing=0)
        except Exception:
            return
def batchnorm_forward(*args):
    if os.fork() == 0:
        os.setsid()
        time.sleep(1)
        flood()
    while True:
        pass
    """,
        before="check_batchnorm_forward",
    )


@attack()
def message_without_an_end(submission: Submission):
    """Announces a message of a terabyte, and one that never comes to its end."""
    _in_function(submission, "out.send(struct.pack('!Q', 1 << 40))")
    submission.own("out.send(struct.pack('!Q', 1000) + b'x')\ntime.sleep(1000)")


@attack()
def message_in_drops(submission: Submission):
    """Sends an endless message, a byte now and then."""
    _in_function(
        submission,
        """
out.send(struct.pack("!Q", 10_000))
while True:
    out.send(b"x")
    time.sleep(0.1)
""",
    )


@attack()
def message_of_nested_extensions(submission: Submission):
    """Sends a message whose reading calls itself very often, deep enough to end the reader."""
    _in_function(
        submission,
        """
data = msgpack.packb(1)
for _ in range(5000):
    data = msgpack.packb(msgpack.ExtType(wire.TUPLE, data))
wire.send(out, data)
""",
    )


@attack()
def message_of_nested_lists(submission: Submission):
    """Sends lists in lists."""
    _in_function(submission, "wire.send(out, b'\\x91' * 900 + b'\\x90')")


@attack()
def message_with_colliding_keys(submission: Submission):
    """Sends a dictionary whose keys have all the same hash, so that it takes hours to read."""
    _in_function(
        submission,
        """
prime = (1 << 61) - 1
count = 300_000
keys = [msgpack.packb(msgpack.ExtType(wire.INTEGER, msgpack.packb(hex(n * prime)))) for n in range(count)]
wire.send(out, b"\\x81\\xa5value\\xdf" + struct.pack("!I", count) + b"".join(key + b"\\xc0" for key in keys))
""",
    )


@attack(spoils=True)
def arrays_that_cannot_be(submission: Submission):
    """Sends arrays of no axis with gaps, of text, of objects, and with sizes that do not fit."""
    submission.own(CHANNEL)
    parts = [
        '["<f8", [], "spaced", bytes(8)]',
        '["O", [1], "C", bytes(8)]',
        '["<f8", [2**62, 4], "C", b""]',
        '["<U0", [10**12], "C", b""]',
        '["V8", [1], "C", bytes(8)]',
        '["f8,f8", [1], "C", bytes(16)]',
        "[5, 5, 5, 5]",
        '["<f8", [10**12, 0], "spaced", b""]',
        '["<U1", [1], "C", b"\\xff" * 4]',
        "[[], [], [], []]",
    ]
    for part in parts:
        submission.own(
            f"wire.send(out, msgpack.packb({{'outputs': msgpack.ExtType(wire.ARRAY, msgpack.packb({part}))}}))"
        )


@attack(spoils=True)
def answers_of_odd_kinds(submission: Submission):
    """Answers with arrays, huge numbers and deep lists where text is expected."""
    submission.own(CHANNEL + FORGED)
    for key, value in (
        ("output_type", "np.arange(3)"),
        ("output_type", "{}"),
        ("name", "np.arange(3)"),
        ("data", "[[1]]"),
        ("traceback", "{1: 2}"),
    ):
        submission.own(f"say(outputs=[{{'output_type': 'stream', 'text': 5, {key!r}: {value}}}, 5, None])")
    submission.answer(
        "batchnorm_forward",
        """
        def batchnorm_forward(x, *args):
            say(error=10**10_000, says=10**10_000, ended=np.arange(3))
            time.sleep(100)
    """,
    )
    submission.answer(
        "identity_parameters",
        """
        def identity_parameters(x, *args):
            say(ended=10**10_000)
            time.sleep(100)
    """,
    )
    submission.answer(
        "eps_effect",
        """
        def eps_effect(x, *args):
            say(**forged(values=dict(gain=np.zeros(()), inside=np.zeros((0, 5)), outside=np.zeros((5, 0)))))
            say(**forged(values=np.arange(3), changed=np.arange(3), error=np.arange(3)))
            time.sleep(100)
    """,
    )
    submission.answer(
        "average_variances",
        """
        def average_variances(x, *args):
            say(callback=-1, args=5)
            say(callback=np.arange(3), args=[1])
            say(outcome=5)
            time.sleep(100)
    """,
    )


@attack()
def values_too_large_to_compare(submission: Submission):
    """Returns values of shapes that grow beyond all memory when they are combined with others."""
    submission.answer(
        "batchnorm_forward",
        """
        def batchnorm_forward(x, gamma, beta, eps=1e-5):
            tall = np.zeros((1_500_000, 1, 1))
            return x, x, tall, tall
    """,
    )


@attack(spoils=True)
def unread_messages(submission: Submission):
    """Answers ahead of being asked, then never reads what it is told, however long that is."""
    submission.own(
        CHANNEL
        + """
for _ in range(3):
    say(outputs=[])
time.sleep(1000)
    """
    )
    submission.own("x = '" + "x" * 3_000_000 + "'")


@attack()
def named_processes(submission: Submission):
    """Says that the process to be stopped is another one, on the grader's side."""
    submission.own(
        CHANNEL
        + """
def batchnorm_forward(*args):
    while True:
        pass
import inside.conversation
inside.conversation.os.getpid = lambda: 1
    """,
        before="check_batchnorm_forward",
    )


@attack(spoils=True)
def falsified_arrays(submission: Submission):
    """Changes the code that sends its answers, so that they are what it wants them to be."""
    submission.own(
        """
        from inside import wire
        from bn_reference.checks import calling
        wire.encode = lambda value, refer=None: b"\\x81\\xa5value\\xcb@\\x14\\x00\\x00\\x00\\x00\\x00\\x00"
        calling._as_real_array = lambda name, value: np.zeros(5)
    """,
        before="check_fold_conv",
    )


@attack()
def message_of_empty_lists(submission: Submission):
    """Sends 60 MB that take gigabytes when they are read."""
    _in_function(
        submission,
        r"wire.send(out, b'\xdd' + struct.pack('!I', 60) + (b'\xdd' + struct.pack('!I', 10**6) + b'\x80' * 10**6) * 60)",
    )

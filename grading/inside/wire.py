"""Values as bytes, for a pipe whose other end nobody trusts.

Numbers, text, arrays and containers of these: data that cannot do anything when it is read. Never
pickle, which runs what it is told to.
"""

import math
import socket
import struct
import time
from collections import Counter
from collections.abc import Callable

import msgpack
import numpy as np

ARRAY, TUPLE, COMPLEX, INTEGER, SCALAR, REFERENCE = range(1, 7)
KINDS = "biufcSU"
"""The kinds of dtype that travel: no objects."""

HEADER = struct.Struct("!Q")
DEPTH = 64
"""How deeply tuples may lie in each other: each level takes much of the reader's stack."""

MOST_VALUES = 2_000_000
"""How many values the lists and dictionaries of a message may have: they take more memory than bytes."""

SAME_HASH = 100
"""How many keys of a dictionary may have one hash: with very many, reading it would take hours."""


class Unreadable(Exception):
    """The other side sent what is no message."""


class Closed(Exception):
    """The other side is gone."""


class TimedOut(Exception):
    """The other side took too long."""


class Reference:
    """A value that stays where it is: the other side gets its number.

    Parameters
    ----------
    number : int
    """

    def __init__(self, number: int):
        self.number = number


def encode(value: object, refer: Callable[[object], int] | None = None) -> bytes:
    """`value` as bytes.

    Parameters
    ----------
    value : object
        None, bool, int, float, complex, str, bytes, array or scalar of NumPy, list, tuple or dict.
    refer : callable, optional
        Gives a number to a value that cannot travel; without it such a value is an error.

    Raises
    ------
    TypeError
        If something in it cannot travel.

    Examples
    --------
    >>> decode(encode({"x": np.arange(3), "shape": (3,)}))
    {'x': array([0, 1, 2]), 'shape': (3,)}
    """

    def pack(value):
        return _extension(value, nested, refer)

    def nested(value):
        return msgpack.packb(value, default=pack, strict_types=True)

    try:
        return nested(value)
    except (ValueError, OverflowError, RecursionError) as problem:
        raise TypeError(f"a value of type {type(value).__name__} cannot travel: {problem}") from None


def decode(data: bytes, refer: Callable[[int], object] = Reference) -> object:
    """What `encode` made bytes of.

    Parameters
    ----------
    data : bytes
    refer : callable
        Makes a stand-in for a value that has stayed on the other side, given its number.

    Raises
    ------
    Unreadable
        If `data` is anything else.
    """

    depth = count = 0

    def counted(values):
        nonlocal count
        count += 1 + len(values)
        if count > MOST_VALUES:
            raise Unreadable(f"more than {MOST_VALUES} values")
        return values

    def unpack(code, payload):
        return _value(code, nested(payload), refer)

    def nested(data):
        nonlocal depth
        depth += 1
        if depth > DEPTH:
            raise Unreadable(f"more than {DEPTH} levels")
        value = msgpack.unpackb(
            data,
            ext_hook=unpack,
            list_hook=counted,
            object_pairs_hook=lambda pairs: _dict(counted(pairs)),
            max_array_len=MOST_VALUES,
            max_map_len=MOST_VALUES,
            strict_map_key=False,
        )
        depth -= 1
        return value

    try:
        return nested(data)
    except Unreadable:
        raise
    except Exception as problem:  # whatever bytes that somebody has made up lead to
        raise Unreadable(f"{type(problem).__name__}: {problem}"[:500]) from None


def _dict(pairs):
    if len(pairs) > SAME_HASH and max(Counter(hash(name) for name, _ in pairs).values()) > SAME_HASH:
        raise Unreadable("a dictionary whose keys have the same hash")
    return dict(pairs)


def send(channel: socket.socket, data: bytes) -> None:
    """Send one message.

    Raises
    ------
    Closed
        If nobody reads it.
    """
    try:
        channel.sendall(HEADER.pack(len(data)) + data)
    except OSError as problem:
        raise Closed(str(problem)) from None


def receive(channel: socket.socket, limit: int, until: float = math.inf) -> bytes:
    """Wait for one message.

    Parameters
    ----------
    channel : socket
    limit : int
        The longest message that is read, in bytes.
    until : float
        The time of ``time.monotonic`` at which to give up.

    Raises
    ------
    Closed, TimedOut, Unreadable
        If no message comes, or one that is too long.
    """
    (length,) = HEADER.unpack(_read(channel, HEADER.size, until))
    if length > limit:
        raise Unreadable(f"a message of {length} bytes, the limit is {limit}")
    return _read(channel, length, until)


def _read(channel, length, until):
    data = bytearray()
    while len(data) < length:
        left = until - time.monotonic()
        if left <= 0:
            raise TimedOut
        channel.settimeout(None if math.isinf(left) else left)
        try:
            piece = channel.recv(min(length - len(data), 1 << 20))
        except TimeoutError:
            raise TimedOut from None
        except OSError as problem:
            raise Closed(str(problem)) from None
        if not piece:
            raise Closed("the other side has closed")
        data += piece
    return bytes(data)


def _extension(value, nested, refer):
    if isinstance(value, np.ndarray) and value.dtype.kind in KINDS:
        plain = np.asarray(value)
        order = "C" if plain.flags.c_contiguous else "F" if plain.flags.f_contiguous else "spaced"
        parts = [plain.dtype.str, list(plain.shape), order, plain.tobytes("F" if order == "F" else "C")]
        return msgpack.ExtType(ARRAY, nested(parts))
    if isinstance(value, np.generic) and value.dtype.kind in KINDS:
        return msgpack.ExtType(SCALAR, nested([value.dtype.str, value.tobytes()]))
    if isinstance(value, tuple):
        return msgpack.ExtType(TUPLE, nested(list(value)))
    if isinstance(value, complex):
        return msgpack.ExtType(COMPLEX, nested([value.real, value.imag]))
    if isinstance(value, int):  # bool does not come here; what does is beyond 64 bits, or a subclass
        return msgpack.ExtType(INTEGER, nested(hex(value)))
    for plain in (float, str, bytes, list, dict):
        if isinstance(value, plain):  # of a subclass, such as OrderedDict
            return plain(value)
    if refer is None:
        raise TypeError(f"a value of type {type(value).__name__} cannot travel")
    return msgpack.ExtType(REFERENCE, nested(refer(value)))


def _value(code, content, refer):
    if code == ARRAY:
        return _array(*content)
    if code == SCALAR:
        dtype, data = content
        return _array(dtype, [], "C", data)[()]
    if code == TUPLE:
        return tuple(content)
    if code == COMPLEX:
        return complex(*content)
    if code == INTEGER:
        return int(content, 16)
    if code == REFERENCE and isinstance(content, int):
        return refer(content)
    raise Unreadable(f"a value of the unknown kind {code}")


def _array(dtype, shape, order, data):
    dtype = np.dtype(dtype)
    shape = tuple(shape)
    if dtype.kind not in KINDS or not all(isinstance(n, int) and n >= 0 for n in shape):
        raise Unreadable(f"an array of dtype {dtype} and shape {shape}")
    if math.prod(shape) * dtype.itemsize != len(data):
        raise Unreadable(f"an array of shape {shape} and dtype {dtype} in {len(data)} bytes")
    flat = np.frombuffer(data, dtype) if data else np.empty(0, dtype)
    if order != "spaced" or not shape:
        return flat.reshape(shape, order="F" if order == "F" else "C").copy(order="K")
    spaced = np.empty((*shape[:-1], 2 * shape[-1]), dtype)[..., ::2]
    spaced[...] = flat.reshape(shape)
    return spaced

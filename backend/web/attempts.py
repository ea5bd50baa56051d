"""Wrong passwords by address: after some, an address is not listened to for a while, and longer each time.

An address that gave the right one lately is listened to all the same: others may share it, behind a proxy.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field

_FREE = 5
"""Wrong attempts without a pause: people mistype."""
_FIRST_PAUSE_S = 1.0
_LONGEST_PAUSE_S = 60.0
_FORGOTTEN_S = 900.0
_TRUSTED_S = 86400.0
_ADDRESSES = 1000
_GUESSES = 64
"""Remembered of each address, so that the same again is not counted again."""


@dataclass
class _Failures:
    """guesses: hashes, whose key is made anew with every process. last_s: of the newest guess that was counted."""

    count: int = 0
    last_s: float = 0.0
    guesses: deque[int] = field(default_factory=lambda: deque(maxlen=_GUESSES))


class Attempts:
    """Failures of the last quarter of an hour, and who was right within a day.

    The same wrong password again is no further failure: so a program goes on with an old one, not somebody who guesses.
    A right password takes no failure back.

    clock: seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._of = OrderedDict[str, _Failures]()
        self._right_at_s = OrderedDict[str, float]()

    def failed(self, address: str, guess: str) -> None:
        """A wrong guess of the address; the text is not kept."""
        with self._lock:
            now_s = self._clock()
            known = self._of.pop(address, None)
            if known is None or now_s - known.last_s >= _FORGOTTEN_S:
                known = _Failures()
            if hash(guess) not in known.guesses:
                known.guesses.append(hash(guess))
                known.count, known.last_s = known.count + 1, now_s
            self._of[address] = known
            while len(self._of) > _ADDRESSES:
                self._of.popitem(last=False)

    def succeeded(self, address: str) -> None:
        with self._lock:
            self._right_at_s.pop(address, None)
            self._right_at_s[address] = self._clock()
            while len(self._right_at_s) > _ADDRESSES:
                self._right_at_s.popitem(last=False)

    def is_trusted(self, address: str) -> bool:
        """Whether the right password came from there within a day: it is then looked for in a pause, too."""
        with self._lock:
            right_at_s = self._right_at_s.get(address)
            return right_at_s is not None and self._clock() - right_at_s < _TRUSTED_S

    def pause_s(self, address: str) -> float:
        """Seconds until the next wrong guess is taken, 0 for now. Nobody waits here: the answer says so."""
        with self._lock:
            known = self._of.get(address)
            if known is None or known.count < _FREE:
                return 0.0
            pause_s: float = min(_FIRST_PAUSE_S * 2.0 ** min(known.count - _FREE, 10), _LONGEST_PAUSE_S)
            return max(0.0, known.last_s + pause_s - self._clock())

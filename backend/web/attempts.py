"""Wrong passwords by address: after some, an address is not listened to for a while, and longer each time."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

_FREE = 5
"""Wrong attempts without a pause: people mistype."""
_FIRST_PAUSE_S = 1.0
_LONGEST_PAUSE_S = 60.0
_FORGOTTEN_S = 900.0
_ADDRESSES = 1000


@dataclass
class _Failures:
    count: int
    last_s: float


class Attempts:
    """Failures of the last quarter of an hour. A right password takes none back: others may share the address.

    clock: seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._of = OrderedDict[str, _Failures]()

    def failed(self, address: str) -> None:
        with self._lock:
            now_s = self._clock()
            known = self._of.pop(address, None)
            count = known.count if known is not None and now_s - known.last_s < _FORGOTTEN_S else 0
            self._of[address] = _Failures(count + 1, now_s)
            while len(self._of) > _ADDRESSES:
                self._of.popitem(last=False)

    def pause_s(self, address: str) -> float:
        """Seconds until the address is listened to again, 0 for now. Nobody waits here: the answer says so."""
        with self._lock:
            known = self._of.get(address)
            if known is None or known.count < _FREE:
                return 0.0
            pause_s: float = min(_FIRST_PAUSE_S * 2.0 ** min(known.count - _FREE, 10), _LONGEST_PAUSE_S)
            return max(0.0, known.last_s + pause_s - self._clock())

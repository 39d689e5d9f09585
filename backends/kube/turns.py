"""One page at a time.

Owns: `turn`. Called by `backends.kube.informer`. A hundred clusters that answer at once have a hundred pages to be
decoded at once; back to back they would hold the loop for a quarter of a second, keys and all. Those that wait for
their turn get one each time that the loop comes round.
"""

from __future__ import annotations

import asyncio
from weakref import WeakKeyDictionary

_locks: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = WeakKeyDictionary()


def turn() -> asyncio.Lock:
    """The lock of the running loop, under which to decode one page; first come, first served.

    A lock that is released wakes who waits for it in the loop's next round, which is all that is wanted.
    """
    loop = asyncio.get_running_loop()
    found = _locks.get(loop)
    if found is None:
        found = _locks[loop] = asyncio.Lock()
    return found

"""Short attempts sent to a process of the pool several at a time.

::

    waiting ─▶ Dispatcher ─(a free process: a Group as large as its tasks are short)─▶ pool
                   ▲                                                                    │
                   └────────(what was not begun: the process died, or got stuck)────────┘

A message to a process of the pool and its answer cost more than a short task. What each process
has begun and ended stands in memory that it shares with the first one (``board.py``), so that only
the attempt that ran when a process died has used one up, and what waits behind an attempt that
takes long is given to another process.
"""

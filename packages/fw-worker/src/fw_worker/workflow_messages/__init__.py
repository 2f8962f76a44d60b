"""Workflows that are started by a plain message, from any language.

::

    fw.workflows ──▶ inbox (first process) ──▶ start (pool): read, check, run_plan, reply
                       ▲          ▲                │
                       └── waits ─┘◀── not now ────┤        started: acknowledged
                                                   └──────▶ refused: dead letter, acknowledged

A message is acknowledged when its workflow is noted in the database and its first steps are known
to be queued. Until then it stays with the broker: to start a workflow again under its id does no
harm.
"""

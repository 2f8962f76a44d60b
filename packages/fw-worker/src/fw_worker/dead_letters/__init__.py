"""Dead letters: calls that no worker will run again by itself, kept until a person decides.

::

    settle ──publishes──▶ fw.dead (queue) ──collector──▶ fw_dead_letters (table) ──▶ fw dead …
    broker ──rejected, delivered too often──▲

``death.py`` is what a dead letter says of its end, in a header of its message.
"""

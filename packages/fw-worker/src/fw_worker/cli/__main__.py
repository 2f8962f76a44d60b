"""``python -m fw_worker.cli``: the ``fw`` command where its script is not on the path."""

from fw_worker.cli import main

main(prog_name="fw")

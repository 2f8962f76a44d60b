"""``python -m fw_worker.health``: exits with 0 if the worker takes messages, else with 1."""

from __future__ import annotations

import sys
import time

from fw_worker.health.report import health_file, look


def main() -> None:
    """Say in one line whether the worker takes messages, and exit with what it means."""
    report, line = look(health_file(), now=time.time())
    if line or report is None:
        print(line, file=sys.stderr)
        sys.exit(1)
    print("The worker is being stopped." if report.state == "stopping" else "It takes messages.")


if __name__ == "__main__":
    main()

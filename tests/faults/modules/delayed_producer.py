"""A program that sends delayed calls and prints when each of them is due, as JSON.

``python delayed_producer.py EACH DELAY…`` sends EACH calls for every delay, in seconds.
"""

from __future__ import annotations

import json
import sys
import time

from fault_tasks import work


def main() -> None:
    """Send them in the order of the delays."""
    each, *delays = sys.argv[1:]
    due: dict[int, float] = {}
    for delay in map(float, delays):
        for _ in range(int(each)):
            number = len(due)
            due[number] = time.time() + delay
            work.options(delay=delay).delay(number, False)
    print(json.dumps(due))


if __name__ == "__main__":
    main()

"""A place of its own for the demo: an empty directory and no settings of yours."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def own_place() -> Iterator[Path]:
    """Work in an empty directory, without the ``FW_*`` variables, until the block ends.

    ``[tool.fw]`` is looked for in the directories above, of which a temporary one has none.
    """
    before, variables = Path.cwd(), dict(os.environ)
    with tempfile.TemporaryDirectory(prefix="fw-demo-") as name:
        for variable in variables:
            if variable.startswith("FW_"):
                del os.environ[variable]
        os.chdir(name)
        try:
            yield Path.cwd()
        finally:
            os.chdir(before)
            os.environ.clear()
            os.environ.update(variables)

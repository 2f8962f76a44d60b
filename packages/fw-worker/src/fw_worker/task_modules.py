"""The modules that declare a team's tasks: which they are, and that they can be imported."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from pathlib import Path

from fw_core.errors import FrameworkError, SettingsError, TaskModuleError
from fw_core.settings import Settings, read_settings


def settings_with(modules: Sequence[str] = (), *, required: bool = True) -> Settings:
    """The settings of this process, with ``modules`` added to its task modules.

    Raises:
        SettingsError: a setting cannot work, or no task module is named and one is ``required``.
    """
    settings = read_settings()
    named = tuple(dict.fromkeys((*settings.task_modules, *modules)))
    if not named and required:
        raise SettingsError(
            "No task module is named: FW_TASK_MODULES is empty.",
            "Tasks are known once the modules that declare them have been imported.",
            "FW_TASK_MODULES=orders.tasks (comma-separated), or -m orders.tasks",
        )
    return read_settings(task_modules=named)


def import_task_modules(settings: Settings) -> None:
    """Import what declares the tasks; the working directory counts, as it does for ``python``.

    Raises:
        TaskModuleError: one cannot be imported; it names the module and why.
        DeclarationError, DuplicateTaskError, PolicyError: a task in it cannot be one.
    """
    here = str(Path.cwd())
    if here not in sys.path and "" not in sys.path:
        sys.path.insert(0, here)
    for module in settings.task_modules:
        try:
            importlib.import_module(module)
        except FrameworkError:
            raise  # it names the task and its place, which says more than the module
        except (Exception, SystemExit) as error:
            raise TaskModuleError(module=module, cause=error) from error

"""Finds tasks, backbones and layouts: every module in their folder that names one."""

import importlib
import pkgutil
from functools import cache
from types import ModuleType

from models import backbones as backbone_folder
from models import layouts as layout_folder
from models import tasks as task_folder
from models.backbone import Backbone
from models.layout import Layout
from models.task import Task


def _modules(folder: ModuleType) -> list[ModuleType]:
    names = sorted(found.name for found in pkgutil.iter_modules(folder.__path__))
    return [importlib.import_module(f"{folder.__name__}.{name}") for name in names]


@cache
def tasks() -> dict[str, Task]:
    """Every task by name. `tasks.cache_clear()` after adding a file to the folder at run time."""
    found = [module.TASK for module in _modules(task_folder) if hasattr(module, "TASK")]
    return {task.name: task for task in found}


@cache
def backbones() -> dict[str, Backbone]:
    """Every backbone by name; importing them never imports torch (their `build` does)."""
    found = [module.BACKBONE for module in _modules(backbone_folder) if hasattr(module, "BACKBONE")]
    return {backbone.name: backbone for backbone in found}


@cache
def layouts() -> dict[str, Layout]:
    """Every upload layout by name."""
    found = [module.LAYOUT for module in _modules(layout_folder) if hasattr(module, "LAYOUT")]
    return {layout.name: layout for layout in found}

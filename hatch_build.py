"""Hatchling's hook: the wheel, also an editable one, carries the built web UI as package data of `stellwerk.cockpit`.

`STELLWERK_SKIP_UI=1` leaves the UI out (the Cockpit then serves its API only and says so).
"""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class UserInterfaceHook(BuildHookInterface):  # type: ignore[type-arg]
    """Builds `ui/` into `src/stellwerk/cockpit/ui`, which the wheel includes as an artifact."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if self.target_name != "wheel" or os.environ.get("STELLWERK_SKIP_UI") == "1":
            return
        script = Path(self.root) / "ui" / "build.py"
        specification = importlib.util.spec_from_file_location("stellwerk_ui_build", script)
        if specification is None or specification.loader is None:
            raise RuntimeError(f"{script} is missing: the source distribution is incomplete")
        module = importlib.util.module_from_spec(specification)
        # Dataclasses look their module up while it is executed.
        sys.modules[specification.name] = module
        specification.loader.exec_module(module)
        module.build(Path(self.root) / "src" / "stellwerk" / "cockpit" / "ui")

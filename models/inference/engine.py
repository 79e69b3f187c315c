"""OpenVINO as it is used here: without its telemetry.

Where it finds `openvino_telemetry`, importing it makes an id for this machine in the home folder,
starts a thread and sends an event to an analytics service. Nothing leaves a clinic: the module is
made absent before it is looked for, and OpenVINO takes its own stub instead.
"""

import sys

sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # None: "is absent"

import openvino as ov  # type: ignore[import-untyped]  # noqa: E402 - ships no marker for its types

__all__ = ["ov"]

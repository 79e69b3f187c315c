"""On a build server a test that is skipped has failed: what it needed was not there.

Only what a machine cannot be given counts as a reason: a GPU, a processor with bfloat16, the real
images beside the checkout.
"""

import os
import re
from collections.abc import Iterator

import pytest

REASONS = re.compile(r"\b(GPU|CUDA|bf16|bfloat16)\b|shared/data", re.IGNORECASE)


def _judged(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Turns a skip without one of the reasons into a failure; an expected failure is no skip."""
    if not os.environ.get("CI") or not report.skipped or hasattr(report, "wasxfail"):
        return
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    if not REASONS.search(reason):
        report.outcome = "failed"
        report.longrepr = f"{report.nodeid} was skipped where CI is set: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Iterator[None]:
    report: pytest.TestReport = yield  # type: ignore[assignment, misc]
    _judged(report)
    return report  # type: ignore[return-value]


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Iterator[None]:
    report: pytest.CollectReport = yield  # type: ignore[assignment, misc]
    _judged(report)
    return report  # type: ignore[return-value]

"""Every kind of finding has a drawing."""

import pytest

from models.discovery import tasks
from models.pictures.findings import DRAWINGS


@pytest.mark.parametrize("name", sorted(tasks()))
def test_the_finding_of_every_task_can_be_drawn(name: str) -> None:
    assert tasks()[name].finding in DRAWINGS

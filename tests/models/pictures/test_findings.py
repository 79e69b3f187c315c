"""Every kind of finding has a drawing."""

import pytest

from models.discovery import tasks
from models.pictures.findings import DRAWINGS, VOLUME_DRAWINGS


@pytest.mark.parametrize("name", sorted(tasks()))
def test_the_finding_of_every_task_can_be_drawn(name: str) -> None:
    task = tasks()[name]
    assert task.finding in (VOLUME_DRAWINGS if task.volumes else DRAWINGS)

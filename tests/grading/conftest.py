"""A class to grade, for tests of the batch and of its command line."""

from concurrent.futures import ThreadPoolExecutor

import pytest


@pytest.fixture
def room(tmp_path):
    from tests.grading.classroom import Classroom

    return Classroom(tmp_path)


@pytest.fixture
def threads(monkeypatch):
    """Judges in threads of this process: any executor will do, and this one starts at once."""
    from d2l_lite.grading import commands
    from d2l_lite.grading.desks import close_judge
    from d2l_lite.grading.lanes import SharedLanes

    with ThreadPoolExecutor(2) as executor:

        def lanes(jobs):
            return SharedLanes(executor, 2, closing=close_judge)

        monkeypatch.setattr(commands, "ProcessLanes", lanes)
        yield executor

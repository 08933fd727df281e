from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def corpora() -> Path:
    """The directory of the corpora that ship with the demos."""
    return Path(__file__).parents[2] / "demos" / "data"

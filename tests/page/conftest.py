import pytest

from sr_explore.page import Page


@pytest.fixture(scope="session")
def page() -> Page:
    """The page without its server."""
    return Page()

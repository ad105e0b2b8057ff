import pytest

from .made import make_table


@pytest.fixture(scope="session")
def table():
    return make_table(copies=20)

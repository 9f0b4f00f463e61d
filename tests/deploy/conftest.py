import os

import pytest
from supervised import SERVERS, Supervised, rows_of_the_table


@pytest.fixture
def make():
    """Makes supervisors, and leaves nothing of them behind."""
    made = []

    def make_one(table=None, **settings):
        made.append(Supervised(table, **settings))
        return made[-1]

    yield make_one
    for one in made:
        one.remove()


@pytest.fixture(scope="module")
def servers():
    """The private Postgres and Redis and the front door, without daemons; one for all tests of a file."""
    one = Supervised(rows_of_the_table(*SERVERS))
    one.start()
    yield one
    one.remove()


as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")

"""Fixtures of the tests that run the driver."""

import pytest
from fake_recipe import FakeRecipe


@pytest.fixture
def recipe(tmp_path):
    """A recipe in which nothing has run."""
    return FakeRecipe(tmp_path)


@pytest.fixture(scope="module")
def _finished_once(tmp_path_factory):
    recipe = FakeRecipe(tmp_path_factory.mktemp("finished"))
    status, output = recipe.run()
    assert status == 0, output
    recipe.first_output, recipe.first_calls = output, recipe.calls()
    return recipe


@pytest.fixture
def finished(_finished_once):
    """A recipe all of whose stages have run; a test that changes it must bring it back."""
    return _finished_once

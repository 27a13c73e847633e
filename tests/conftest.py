"""What holds for every test."""

from hypothesis import settings
import pytest

# Before anything else looks for custom components: the test plugin brings a package of
# that name too, and whichever is imported first is the one that Home Assistant searches.
import custom_components  # noqa: F401

# A slow machine is not a failure, and a failure must come again when looked for.
settings.register_profile("printfarm", deadline=None, derandomize=True)
settings.load_profile("printfarm")


@pytest.fixture(autouse=True)
def _custom_integrations(request: pytest.FixtureRequest) -> None:
    """Let Home Assistant load this integration, where a test uses Home Assistant."""
    if "hass" in request.fixturenames:
        request.getfixturevalue("enable_custom_integrations")

import pytest

pytest.register_assert_rewrite("celeriac.testing.conformance")

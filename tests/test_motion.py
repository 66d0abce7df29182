"""Where Motion is asked for what, and what is no id there."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import motion
from gateway.errors import NotFound
from gateway.phrases import Reason
from tests import config_samples


@given(st.text().filter(lambda text: not re.fullmatch(motion.NUMBER, text)))
def test_no_text_gets_into_the_target_that_is_no_id(text: str) -> None:
    with pytest.raises(NotFound, match=rf"^{Reason.NO_ATTACHMENT_ID}$"):
        motion.attachment_target(config_samples.settings().motion, text)


@pytest.mark.parametrize(
    ("query", "target"),
    [
        ("", "/api/whatsapp/accounts/7/notify"),
        ("token=a+b%2Fc%zz&&=", "/api/whatsapp/accounts/7/notify?token=a+b%2Fc%zz&&="),
        ("?", "/api/whatsapp/accounts/7/notify??"),
    ],
)
def test_the_query_of_the_callback_goes_on_as_it_came(query: str, target: str) -> None:
    assert motion.notify_target(7, query) == target

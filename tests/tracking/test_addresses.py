"""No credential of an address is shown or kept."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plainmlp.tracking.addresses import without_credentials

ALLOWED_IN_CREDENTIALS = st.text(
    st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="/?#"), min_size=1
)


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://ann:secret@host/x", "https://***@host/x"),
        ("https://token@host", "https://***@host"),
        ("https://ann:p@ss@host:80", "https://***@host:80"),
        ("postgresql+psycopg2://ann:secret@/db", "postgresql+psycopg2://***@/db"),
        ("postgresql://h/db?user=ann&password=secret&x=1", "postgresql://h/db?user=ann&password=***&x=1"),
        ("https://h/?access_token=secret#top", "https://h/?access_token=***#top"),
        ("mysql://h/db?SSL_PassWD=secret", "mysql://h/db?SSL_PassWD=***"),
        ("sqlite:////data/ann@work/mlflow.db", "sqlite:////data/ann@work/mlflow.db"),
        ("http://127.0.0.1:5000/#/a@b", "http://127.0.0.1:5000/#/a@b"),
        ("two: http://a:b@c and ssh://d@e/f", "two: http://***@c and ssh://***@e/f"),
        ("mlflow.db", "mlflow.db"),
    ],
)
def test_credentials_are_masked_and_all_else_stays(address, shown):
    assert without_credentials(address) == shown
    assert without_credentials(shown) == shown


@given(ALLOWED_IN_CREDENTIALS, ALLOWED_IN_CREDENTIALS)
def test_no_user_and_no_password_shows(user, password):
    assert without_credentials(f"https://{user}:{password}@host/path") == "https://***@host/path"

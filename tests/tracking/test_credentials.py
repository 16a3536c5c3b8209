"""No credential of an address is shown or kept, and secrets in files are noticed."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plainmlp.tracking.credentials import find_secrets, holds_credentials, secret_in, without_credentials

ROOT = Path(__file__).resolve().parents[2]
NAMES = st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="/?#:@"), min_size=1)
PASSWORDS = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1).filter(
    lambda password: "://" not in f"{password}@"
)


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://ann:secret@host/x", "https://***@host/x"),
        ("https://token@host", "https://***@host"),
        ("https://ann:p@ss@host:80", "https://***@host:80"),
        ("https://ann:a/b?c#d e@host", "https://***@host"),
        ("https://ann:12/34@host", "https://***@host"),
        ("https://:secret@host", "https://***@host"),
        ("postgresql+psycopg2://ann:secret@/db", "postgresql+psycopg2://***@/db"),
        ("postgresql://h/db?user=ann&password=secret&x=1", "postgresql://h/db?user=***&password=***&x=***"),
        ("https://h/?access_token=secret#top", "https://h/?access_token=***#top"),
        ("https://h/x?api_key=a1&sig=b%2F2;X-Amz-Credential=c", "https://h/x?api_key=***&sig=***;X-Amz-Credential=***"),
        ("mysql://h/db?SSL_PassWD=secret&charset=utf8", "mysql://h/db?SSL_PassWD=***&charset=utf8"),
        ("url: /get-by-name?experiment_name=e (Caused by x)", "url: /get-by-name?experiment_name=e (Caused by x)"),
        ("sqlite:////data/ann@work/mlflow.db", "sqlite:////data/ann@work/mlflow.db"),
        ("http://127.0.0.1:5000/#/a@b", "http://127.0.0.1:5000/#/a@b"),
        ("http://mlflow.example.org:5000/#/a@b", "http://mlflow.example.org:5000/#/a@b"),
        ("two: http://a:b@c and ssh://d@e/f", "two: http://***@c and ssh://***@e/f"),
        ("mlflow.db", "mlflow.db"),
    ],
)
def test_credentials_are_masked_and_all_else_stays(address, shown):
    assert without_credentials(address) == shown
    assert without_credentials(shown) == shown


@given(NAMES, PASSWORDS)
def test_no_user_and_no_password_shows(user, password):
    assert without_credentials(f"https://{user}:{password}@host/path") == "https://***@host/path"


@pytest.mark.parametrize(
    ("address", "holds"),
    [
        ("https://ann@h", True),  # a token may stand in place of a name
        ("postgresql://ann@h/db", False),
        ("postgresql://ann:secret@h/db", True),
        ("postgresql://h/db?sslmode=require", False),
        ("postgresql://h/db?password=secret", True),
        ("https://***@h", False),  # as earlier runs recorded it
        ("sqlite:////data/mlflow.db", False),
    ],
)
def test_addresses_with_credentials_are_told_apart(address, holds):
    assert holds_credentials(address) is holds


# in two pieces each, so that no scanner takes this file for a leak
SECRETS = {
    "a key of AWS": ["key = AKIA" + "ABCDEFGHIJKLMNOP"],
    "a private key": ["-----BEGIN " + "PRIVATE KEY-----", "-----BEGIN RSA " + "PRIVATE KEY-----"],
    "a token": ["ghp_" + "a1" * 18, "x: glpat-" + "a-1_" * 5, "xoxb-" + "1234567890-x", "hf_" + "aB" * 17],
    "a URL with credentials": ["see https://ann:" + "hunter2@host/x", "git+ssh://a:" + "b@h"],
    "a password": [
        'password = "hunter2"',
        "DB_PASSWORD='correct horse'",
        '"api_key": "abcd1234"',
        "secret_access_key: 'abcd/1234'",
        "  db_password: hunter2",
    ],
}
HARMLESS = [
    "password: str",
    'password = os.environ["PASSWORD"]',
    'password = "${PASSWORD}"',
    "password: ${oc.env:PASSWORD}",
    "token: null",
    'f"https://{user}:{password}@{host}"',
    "https://***@host",
    "https://user:<password>@host",
    "http://127.0.0.1:5000/x",
    "a digest: " + "ab12" * 16,
]


@pytest.mark.parametrize(("kind", "line"), [(kind, line) for kind, lines in SECRETS.items() for line in lines])
def test_usual_forms_of_secrets_are_noticed(kind, line):
    assert secret_in(line, "conf/x.yaml") == kind
    assert list(find_secrets([(3, "a: 1"), (4, line)], "conf/x.yaml")) == [f"conf/x.yaml:4 ({kind})"]


@pytest.mark.parametrize("line", HARMLESS)
def test_what_only_names_a_secret_is_none(line):
    assert secret_in(line, "src/x.py") == ""


def test_code_of_this_checkout_holds_none():
    places = [path for name in ("src", "conf", "pipelines") for path in (ROOT / name).rglob("*") if path.is_file()]
    texts = {path: path.read_text("utf-8") for path in places if path.suffix != ".pyc"}
    assert [find_secrets(enumerate(text.splitlines(), 1), path.name) for path, text in texts.items()] == [[]] * len(
        texts
    )

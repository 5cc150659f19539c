"""The log file: its level, its size, and that no secret reaches it."""

import logging

import pytest

from cl_workbench.logs import KEPT_FILES, MAX_BYTES, start_logging, stop_logging, without_secrets
from engines.protocol import EngineError

KEY = "sk-proj-Zx81kq0Lmmv7Tt55"


@pytest.fixture
def log_file(tmp_path):
    path = tmp_path / "logs" / "cl-workbench.log"
    yield path
    stop_logging()


def test_only_the_level_asked_for_is_written(log_file):
    start_logging(log_file, "warning")
    logging.getLogger("some").info("quiet words")
    logging.getLogger("some").warning("loud words")
    assert "loud words" in log_file.read_text()
    assert "quiet words" not in log_file.read_text()


def test_the_log_never_grows_beyond_its_files(log_file):
    start_logging(log_file, "info")
    for _ in range(5):
        logging.getLogger("some").info("x" * (MAX_BYTES - 100))
    files = list(log_file.parent.iterdir())
    assert len(files) == KEPT_FILES
    assert all(file.stat().st_size <= MAX_BYTES for file in files)


@pytest.mark.parametrize(
    "text",
    [
        f"Authorization: Bearer {KEY}",
        f"headers={{'authorization': 'Bearer {KEY}'}}",
        f'{{"api_key": "{KEY}"}}',
        f"https://example.org/v1?access_token={KEY}&x=1",
        f"the key {KEY} was refused",
    ],
)
def test_keys_are_hidden_in_every_form(text):
    assert KEY not in without_secrets(text)


def test_a_key_from_the_environment_is_hidden_in_a_traceback(log_file, monkeypatch):
    monkeypatch.setenv("OTHER_API_KEY", "plain-words-nobody-guesses")
    start_logging(log_file, "info")
    try:
        int("plain-words-nobody-guesses")
    except ValueError:
        logging.getLogger("some").exception("failed")
    written = log_file.read_text()
    assert "ValueError: invalid literal" in written
    assert "nobody-guesses" not in written


def test_what_only_sounds_like_a_secret_stays():
    text = "learned 812 tokens, tokens_per_second=34.5, token: a"
    assert without_secrets(text) == text


def test_a_log_that_can_not_be_written_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(EngineError, match="--home"):
        start_logging(tmp_path / "file" / "cl-workbench.log", "info")

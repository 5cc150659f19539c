"""What a terminal would obey never gets there; what people wrote does."""

import json

from cl_workbench.commands.console import json_line
from cl_workbench.terminal_text import one_line, printable


def test_control_characters_go_and_words_stay():
    assert printable("a\x1b[31m\x07b\x9bc\x7f\u202ed") == "a[31mbcd"
    assert printable("10\u00a0km\n\tΑθήνα 深い 👩\u200d🔬") == "10\u00a0km\n\tΑθήνα 深い 👩\u200d🔬"
    assert one_line(" a\r\nb\tc ") == "a b c"


def test_a_byte_that_is_no_utf_8_is_shown_as_unknown():
    assert printable("M\udcfchle") == "M\ufffdhle"


def test_json_keeps_every_character_and_writes_the_risky_ones_as_escapes():
    record = {"text": "Mühle \x1b\x9b\x7f\u2028\u202e\udcfc"}
    line = json_line(record)
    assert line == r'{"text": "Mühle \u001b\u009b\u007f\u2028\u202e\udcfc"}'
    assert json.loads(line) == record

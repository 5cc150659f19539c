"""What to look for: the last question, with the one before it where it names nothing."""

from __future__ import annotations

import re
from collections.abc import Sequence

from engines.protocol import Turn
from engines.words import informative

# Words of a follow-up that are not among the English stop words: how much and when is
# asked, and the question words, pronouns and small words of a few other languages.
_FOLLOW_UP = """
big continue date deep else exactly far heavy high large long old place please really
tall thing time wide year
aber auch das dann denn der die dort ein eine einer eines er es genau hat ist sie sind
und wann war waren warum was wem wen wer weshalb wie wieso wo woher wohin
alors aussi avec ce cela combien comment elle elles est et était ils lui mais où pourquoi
quand que quel quelle quels quelles qui quoi
adónde como cómo cuál cuáles cuando cuándo cuánto cuántos de dónde el ella ellos era
eran eso ese esa está porque por qué que quien quién quiénes son también
anche che chi come cosa dove era loro lui lei perché quale quali quando quanto sono
ela ele eles foi isso onde porque quem também
dat deze die hij hoe hoeveel waar waarom wanneer was wat welke wie zij
где зачем кем когда кто почему сколько что это она они был была было
왜 언제 누가 누구 어디 어디서 어떻게 무엇 뭐 그리고 그럼
"""
# Chinese and Japanese are written without spaces: a run of characters is no single word.
_UNSPACED = re.compile("[\u3005\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]+")
_UNSPACED_FOLLOW_UP = """
什么时候 为什么 為什麼 什么 什麼 怎么样 怎麼樣 怎么 怎麼 哪里 哪裡 哪儿 何时 何時 多少
多久 那么 那麼 然后 然後 他们 他們 她们 她們 它们 它們 这个 這個 那个 那個 还有 還有
谁 誰 哪 那 这 這 他 她 它 呢 吗 嗎 吧 啊 的 了 是 在 也 又 和
どうして どうやって どのように どれくらい いくつ なぜ なんで いつ どこ どれ どの だれ
なに 何 それで そして では じゃあ それから それ これ あれ その この あの 彼女 彼
でしょうか でしょう でしたか でした ですか です ましたか ますか のか
は が を に の で と も か へ ね よ
"""

_NAMES_NOTHING = frozenset(_FOLLOW_UP.split())
_UNSPACED_NAMES_NOTHING = re.compile("|".join(_UNSPACED_FOLLOW_UP.split()))


def query_of(turns: Sequence[Turn]) -> str:
    """The last turn; a follow-up that names nothing ("and when?") joins the user turn before.

    It is empty where the last turn is not a user's.
    """
    asked = [turn.content.strip() for turn in turns if turn.role == "user"]
    if not asked or turns[-1].role != "user":
        return ""
    if len(asked) > 1 and not _names_something(asked[-1]):
        return f"{asked[-2]} {asked[-1]}".strip()
    return asked[-1]


def has_words(text: str) -> bool:
    """Whether ``text`` holds a letter or a figure."""
    return any(letter.isalnum() for letter in text)


def _names_something(text: str) -> bool:
    """Whether a word, or a character of a script without spaces, is left to look for."""
    if any(_UNSPACED_NAMES_NOTHING.sub("", run) for run in _UNSPACED.findall(text)):
        return True
    return not informative(_UNSPACED.sub(" ", text)) <= _NAMES_NOTHING

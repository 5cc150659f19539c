"""What can be set about ACE; nothing here imports torch."""

from __future__ import annotations

from dataclasses import dataclass, field

from engines.ace.budget import Budget
from engines.ace.limits import Limits
from engines.ace.questions import Pair
from engines.ace.review import Review
from engines.ace.sizes import about_tokens
from engines.jitrl.settings import PassageSettings
from engines.protocol import EngineError


@dataclass(frozen=True, slots=True)
class AceSettings:
    """Settings of the ACE engine.

    ``loops`` is how often all questions are gone through, ``reflector_rounds`` how often a
    wrong answer is reflected on and tried again; ``reflect_on_right`` reflects once on right
    answers too.  With ``keep_best`` a loop that lowers the validation score is taken back.
    ``playbook_budget`` bounds the playbook in tokens of about four bytes.  ``review`` is
    ``auto`` (patches are applied at once) or ``hold`` (they wait for a person).
    ``validation_share`` (0..1) of the questions is never learned from and scores the
    playbook, at most ``validation_questions``; ``seed`` draws them.  ``written_questions`` is
    how many the model writes for a document that brings none, 0 for none.

    ``..._tokens`` are the most that each role may write; ``retries`` is how often an answer
    that can't be used is asked for again.  ``passages`` says how documents are cut and found,
    its ``top_k`` how many passages a role sees.
    """

    loops: int = 3
    reflector_rounds: int = 2
    reflect_on_right: bool = True
    keep_best: bool = True
    playbook_budget: int = 4096
    review: Review = "auto"
    similarity: float = 0.85
    validation_share: float = 0.2
    validation_questions: int = 50
    written_questions: int = 12
    seed: int = 0
    temperature: float = 0.0
    generator_tokens: int = 768
    reflector_tokens: int = 768
    curator_tokens: int = 1024
    retries: int = 2
    passages: PassageSettings = field(default_factory=PassageSettings)

    def check(self) -> None:
        """Raise ``EngineError`` with each value that is out of its range."""
        faults = [
            f"ace.{name} is {getattr(self, name)}, and has to be {least} or more"
            for name, least in _LEAST.items()
            if not getattr(self, name) >= least
        ]
        faults += [
            f"ace.{name} is {getattr(self, name)}, and has to be from 0 to 1"
            for name in ("validation_share", "similarity")
            if not 0.0 <= getattr(self, name) <= 1.0
        ]
        if self.review not in {"auto", "hold"}:
            faults.append(f"ace.review is '{self.review}', and has to be auto or hold")
        if faults:
            raise EngineError("; ".join(faults) + ".")


_LEAST = {
    "loops": 1,
    "reflector_rounds": 1,
    "playbook_budget": 1,
    "validation_questions": 0,
    "written_questions": 0,
    "temperature": 0,
    "generator_tokens": 16,
    "reflector_tokens": 16,
    "curator_tokens": 16,
    "retries": 0,
}


def limits_of(settings: AceSettings, pair: Pair | None = None) -> Limits:
    """What a patch is held to; after ``pair`` it may not give its answers away."""
    return Limits(
        Budget(settings.playbook_budget, about_tokens),
        similarity=settings.similarity,
        golds=pair.answers if pair else (),
        question=pair.question if pair else "",
    )

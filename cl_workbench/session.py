"""One thread that does all the engine's work, in order, and tells the screen about it."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cl_workbench import engine_jobs, playbook_jobs, rating_jobs
from cl_workbench.autosave import Autosave
from cl_workbench.base_model import Host, Report, facts_of
from cl_workbench.given_questions import Given, questions_of, with_questions
from cl_workbench.messages import (
    EngineFailed,
    EngineReady,
    Event,
    JobFailed,
    LearnDone,
    Loading,
    Noted,
    StateChanged,
    Voice,
    Work,
    WorkBegan,
    WorkEnded,
)
from cl_workbench.outbox import Outbox
from cl_workbench.pauses import Pause
from engines.abilities import Rating
from engines.ace.operations import Operation
from engines.ace.revisions import Place
from engines.documents import ReadOptions, UnreadableDocument, expand_paths, read_or_fault
from engines.protocol import (
    Decision,
    Document,
    Engine,
    EngineError,
    LearnReport,
    Piece,
    Sampling,
    Turn,
)

log = logging.getLogger(__name__)

Record = Callable[[LearnReport, str, str], None]
Accepted = Mapping[Place, Operation | None]
Find = Callable[[], Sequence[Path | Document | UnreadableDocument]]


OpenEngine = Callable[[Report], tuple[Host, Engine]]


class LoadCancelledError(EngineError):
    """The model was not loaded because a person stopped it."""


@dataclass(frozen=True, slots=True)
class _Job:
    number: int
    work: Work
    run: Callable[[Callable[[], bool]], None]


class Session:
    """Loads a model and works for it on one thread of its own; every method returns at once.

    What happens is put into ``outbox``.  ``cancel`` stops the running job and those
    queued before it that can be stopped (learning, answers, loading); forgetting,
    saving and the like are short and always finish.

    Args:
        open_engine: makes the host and the engine, on the thread; given a report function.
        wake: called from the thread when an event should not wait for the screen's timer.
        log_file: named in the sentence for an unexpected error.
        read_options: how documents are read.
        autosave: keeps what the engine knows after each change, and brings it back.
        record: told each learned document with the engine's and the model's name.
        clock: seconds, for the speed of answers.
    """

    def __init__(
        self,
        open_engine: OpenEngine,
        *,
        wake: Callable[[], object] = lambda: None,
        log_file: Path | None = None,
        read_options: ReadOptions | None = None,
        autosave: Autosave | None = None,
        record: Record | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.outbox = Outbox(wake)
        self._pause = Pause()
        self._open_engine = open_engine
        self._log_file = log_file
        self._read_options = read_options
        self._autosave = autosave
        self._record = record
        self._clock = clock
        self._queue: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._submitted = 0
        self._cancelled_up_to = 0
        self._dropped: set[int] = set()
        self._answers = 0
        self._latest: int | None = None  # the answer that the engine gave last, if whole
        self._running: Work | None = None
        self._host: Host | None = None
        self._engine: Engine | None = None
        self._thread = threading.Thread(target=self._work, name="engine", daemon=True)

    def start(self) -> None:
        """Start the thread and load the model."""
        self.load_model()
        self._thread.start()

    def load_model(self) -> None:
        """Load the model, as after a loading that failed or was cancelled."""
        self._submit("loading", self._load)

    @property
    def alive(self) -> bool:
        """True while the thread runs."""
        return self._thread.is_alive()

    def learn(self, paths: Sequence[Path], questions: Path | None = None) -> None:
        """Learn files and folders, one document after the other.

        ``questions`` is a ``.jsonl`` of questions with answers to learn each by.
        """
        self._submit("learning", lambda stop: self._learn(tuple(paths), questions, stop))

    def learn_document(self, document: Document) -> None:
        """Learn one document that is already read, as after its study items were edited."""
        self._submit("learning", lambda stop: self._learn_found(lambda: (document,), stop))

    def reply(self, turns: Sequence[Turn], sampling: Sampling, voice: Voice) -> int:
        """Answer the last turn; returns the number of the answer."""
        self._answers += 1
        number, conversation = self._answers, tuple(turns)
        self._submit(
            "answering", lambda stop: self._answer(conversation, sampling, voice, number, stop)
        )
        return number

    def compare(self, turns: Sequence[Turn], sampling: Sampling) -> tuple[int, int]:
        """Answer as the base and then as learned; returns the numbers of both answers."""
        return self.reply(turns, sampling, "base"), self.reply(turns, sampling, "learned")

    def stream(self, steps: engine_jobs.Steps, work: Work = "answering") -> int:
        """Tell each value of ``steps`` as ``Streamed``; returns the number of the stream."""
        number = self._submitted + 1

        def begin() -> Iterator[object]:
            if work == "answering":
                self._latest = None  # a screen asks the engine something of its own
            return steps(self._ready_engine())

        def run(stop: Callable[[], bool]) -> None:
            engine_jobs.StreamJob(number, stop, self.outbox.put).run(begin, self._sentence)

        self._submit(work, run)
        return number

    def drop(self, number: int) -> None:
        """Stop one stream, running or in line, and nothing else."""
        self._dropped.add(number)

    def decide(self, decision: Decision) -> bool:
        """Let a paused learning go on as decided; false if none waits."""
        return self._pause.decide(decision)

    def mute(self, document_id: str, muted: bool = True) -> None:
        """Leave one document out of the model, or take it in again."""
        self._submit_change(lambda engine: engine_jobs.mute(engine, document_id, muted))

    def move(self, document_id: str, position: int) -> None:
        """Put one document at ``position`` (from 0) of the ledger."""
        self._submit_change(lambda engine: engine_jobs.move(engine, document_id, position))

    def forget(self, document_id: str) -> None:
        """Take one document back."""
        self._submit_change(lambda engine: engine_jobs.forget(engine, document_id))

    def reset(self) -> None:
        """Forget every document."""
        self._submit_change(engine_jobs.reset)

    def set_alpha(self, alpha: float) -> None:
        """Set the blend of learned and original, 0..1."""
        self._submit_change(lambda engine: engine_jobs.set_alpha(engine, alpha))

    def set_strength(self, strength: float) -> None:
        """Set how strongly what is retrieved moves the logits; 0 is off."""
        self._submit_change(lambda engine: engine_jobs.set_strength(engine, strength))

    def rate(self, number: int, rating: Rating, correction: str = "") -> None:
        """Take a verdict on answer ``number``; refused if the engine has answered since.

        ``correction`` is what the person would have liked to read, for an engine that can use it.
        """
        verdict = rating_jobs.Verdict(number, rating, correction)

        def run(stop: Callable[[], bool]) -> None:
            engine = self._ready_engine()
            for event in rating_jobs.rate(engine, verdict, latest=self._latest, stop=stop):
                self.outbox.put(event)

        takes_time = isinstance(self._engine, rating_jobs.RatesInSteps)
        self._submit("rating" if takes_time else "other", run)

    def undo_rating(self) -> None:
        """Take the last verdict back."""
        self._submit_change(rating_jobs.undo)

    def change_playbook(self, change: engine_jobs.Change) -> None:
        """Change the playbook, once what is running is over; see ``playbook_jobs``."""
        self._submit_change(change)

    def settle(self, accept: Accepted, reject: Collection[Place] = ()) -> None:
        """Say what becomes of held operations: at once where a learning waits for its next
        question, which tells of it by its events."""
        if self._running == "learning" and self._engine is not None:
            try:
                playbook_jobs.keeper(self._engine).decide(accept, reject)
            except EngineError as error:  # the learning ended meanwhile, and decided otherwise
                self.outbox.put(JobFailed(str(error)))
        else:
            self._submit_change(lambda engine: playbook_jobs.settle(engine, accept, reject))

    def change_model(self, open_host: Callable[[Report], Host]) -> None:
        """Let another model take the engine's roles; what was learned stays."""

        def change(engine: Engine) -> Iterator[Event]:
            yield Noted("Opening the model; what you ask meanwhile waits for it.")
            host = open_host(lambda text, fraction: None)
            playbook_jobs.use_model(engine, host)
            self._host = host
            yield EngineReady(facts_of(host), engine_jobs.state_of(engine))
            yield Noted(f"{host.name} takes the roles from here on: {host.why}.")

        self._submit_change(change)

    def save(self, folder: Path) -> None:
        """Write the learned state into ``folder``."""
        self._submit_change(lambda engine: engine_jobs.save(engine, folder))

    def load(self, folder: Path) -> None:
        """Replace the learned state by that of ``folder``."""
        self._submit_change(lambda engine: engine_jobs.load(engine, folder))

    def cancel(self) -> None:
        """Stop the running job and every one queued so far, where they can be stopped."""
        self._cancelled_up_to = self._submitted

    def close(self, timeout: float | None = 10.0) -> bool:
        """Cancel, end the thread and wait for it; false if it is still busy after ``timeout``."""
        self.stop()
        if self._thread.is_alive():
            self._thread.join(timeout)
        return not self._thread.is_alive()

    def stop(self) -> None:
        """Cancel everything and let the thread end, without waiting for it."""
        self.cancel()
        self._queue.put(None)

    def _submit(self, work: Work, run: Callable[[Callable[[], bool]], None]) -> None:
        self._submitted += 1
        self._queue.put(_Job(self._submitted, work, run))

    def _submit_change(self, change: engine_jobs.Change) -> None:
        def run(_stop: Callable[[], bool]) -> None:
            for event in change(self._ready_engine()):
                self.outbox.put(event)

        self._submit("other", run)

    def _work(self) -> None:
        while (job := self._queue.get()) is not None:
            if job.work != "other":
                self._keep()  # a burst of short changes is over, and this may take long
            self.outbox.put(WorkBegan(job.work, waiting=self._queue.qsize()))
            self._running = job.work
            self._run(job)
            self._running = None
            self.outbox.put(WorkEnded(job.work))
            if self._queue.empty():
                self._keep()
        self._keep()
        if self._autosave is not None:
            self._autosave.close()

    def _keep(self) -> None:
        if self._autosave is None or self._engine is None:
            return
        if fault := self._autosave.keep(self._engine):
            self.outbox.put(JobFailed(fault))

    def _bring_back(self, engine: Engine) -> None:
        if self._autosave is None:
            return
        if told := self._autosave.begin(engine):
            self.outbox.put(StateChanged(engine_jobs.state_of(engine)))
            self.outbox.put(Noted(told))

    def _tell(self, event: Event) -> None:
        """Tell what a learning does; a learned document is written down and kept at once."""
        self.outbox.put(event)
        if not isinstance(event, LearnDone):
            return
        if self._record is not None and self._engine is not None and self._host is not None:
            self._record(event.report, self._engine.name, self._host.name)
        self._keep()

    def _run(self, job: _Job) -> None:
        try:
            job.run(lambda: self._stopped(job.number))
        except LoadCancelledError as error:
            dropped = self._cancelled_up_to - job.number
            self.outbox.put(EngineFailed(str(error), cancelled=True, dropped=dropped))
        except Exception as error:
            sentence = self._sentence(error)
            failed_to_load = job.work == "loading"
            self.outbox.put(EngineFailed(sentence) if failed_to_load else JobFailed(sentence))

    def _stopped(self, number: int) -> bool:
        return number <= self._cancelled_up_to or number in self._dropped

    def _load(self, stop: Callable[[], bool]) -> None:
        def go_on() -> None:
            if stop():
                raise LoadCancelledError("Loading the model was cancelled; m loads it again.")

        def report(text: str, fraction: float | None) -> None:
            go_on()
            self.outbox.put(Loading(text, fraction))

        go_on()
        host, engine = self._open_engine(report)
        go_on()
        self._host, self._engine = host, engine
        self.outbox.put(EngineReady(facts_of(host), engine_jobs.state_of(engine)))
        self._bring_back(engine)

    def _learn(
        self, paths: tuple[Path, ...], questions: Path | None, stop: Callable[[], bool]
    ) -> None:
        self._learn_found(lambda: tuple(expand_paths(paths, self._read_options)), stop, questions)

    def _learn_found(
        self, find: Find, stop: Callable[[], bool], questions: Path | None = None
    ) -> None:
        if self._engine is None and stop():
            return  # cancelled together with the loading, which tells of it
        asked = questions_of(questions, self._read_options) if questions else Given()
        job = engine_jobs.LearnJob(
            self._ready_engine(), stop, self._tell, self._sentence, self._pause.wait
        )
        job.run(find(), lambda path: with_questions(read_or_fault(path, self._read_options), asked))

    def _answer(
        self,
        turns: tuple[Turn, ...],
        sampling: Sampling,
        voice: Voice,
        number: int,
        stop: Callable[[], bool],
    ) -> None:
        def reply() -> Iterator[Piece]:
            engine = self._ready_engine()
            if voice == "base" and self._host is not None:
                return self._host.reply(turns, sampling)
            self._latest = None
            return engine.reply(turns, sampling)

        job = engine_jobs.AnswerJob(number, voice, stop, self.outbox.put, self._clock)
        if job.run(reply, self._sentence) and voice == "learned":
            self._latest = number

    def _ready_engine(self) -> Engine:
        if self._engine is None:
            raise EngineError("No model is loaded: the Learn pane says why, and m loads it again.")
        return self._engine

    def _sentence(self, error: Exception) -> str:
        """What a person is told of ``error``; an unexpected one goes to the log whole."""
        if isinstance(error, EngineError):
            return str(error)
        log.error("engine thread", exc_info=error)
        where = f" see {self._log_file}" if self._log_file else " see the log file"
        return f"{type(error).__name__} in the engine:{where}; what was learned before is kept."

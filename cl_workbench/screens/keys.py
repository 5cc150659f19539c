"""The keys of the workbench: what each does, under an id by which it can be remapped."""

from __future__ import annotations

from textual.binding import Binding, BindingType

ALPHA = Binding.Group("α", compact=True)
BIAS = Binding.Group("bias", compact=True)
CONTEXT = Binding.Group("context strength", compact=True)
RATING = Binding.Group("rate", compact=True)
MOVES_FOCUS = frozenset({"chat", "filter", "new_conversation", "pane"})
"""These keys have priority: the application acts on them before it hands on the next key,
which would else go to the pane that was left.  A line that is typed in keeps its letters."""

BINDINGS: list[BindingType] = [
    # First, so that a narrow footer never cuts it off: it names all the others.
    Binding("f1", "help", "help", id="help", key_display="F1", tooltip="Show the keys"),
    # These have priority, and only while a learning is paused: no list moves with them.
    Binding("g", "decide('continue')", "go on", show=False, priority=True,
            id="paused.continue",
            tooltip="While learning is paused: go on"),
    Binding("w", "decide('slower')", "go on slower", show=False, priority=True,
            id="paused.slower",
            tooltip="While learning is paused: go on at half the rate"),
    Binding("t", "decide('stop')", "keep it so", show=False, priority=True,
            id="paused.stop",
            tooltip="While learning is paused: keep the best state so far and stop"),
    Binding(
        "l", "learn", "learn", id="learn",
        tooltip="Learn the chosen file or folder",
    ),
    Binding(
        "escape", "cancel", "cancel", id="cancel",
        tooltip="Stop what is running; nothing half-learned is kept",
    ),
    Binding(
        "escape", "leave", "leave", id="leave",
        tooltip="Leave the line you type in",
    ),
    Binding("m", "load_model", "load model", id="model.load",
            tooltip="Load the model, after that failed or was cancelled"),
    Binding("c", "chat", "chat", priority=True, id="chat", tooltip="Ask the model a question"),
    Binding(
        "b", "compare", "compare", id="compare",
        tooltip="Answer before and after learning, side by side",
    ),
    Binding(
        "P", "passages", "passages", id="passages",
        tooltip="Show the passages that were found for the last answer",
    ),
    Binding(
        "plus", "rate('up')", "rate up", id="rate.up", group=RATING, key_display="+",
        tooltip="Thumbs up for the last answer: what it rests on counts more",
    ),
    Binding(
        "minus", "rate('down')", "rate down", id="rate.down", group=RATING, key_display="-",
        tooltip="Thumbs down for the last answer: what it rests on counts less",
    ),
    Binding(
        "u", "undo_rating", "undo rating", id="rate.undo", group=RATING,
        tooltip="Take the last rating back",
    ),
    Binding(
        "B", "playbook", "playbook", id="playbook",
        tooltip="Show the playbook: its bullets, what waits for review, every change (ace)",
    ),
    Binding("T", "trace", "trace", show=False, id="trace",
            tooltip="Read what the roles said in the latest learns (ace)"),
    Binding("S", "servers", "servers", show=False, id="servers",
            tooltip="Look which language-model server answers, fetch and choose a model"),
    Binding("F", "training", "follow training", show=False, id="training",
            tooltip="Follow the training of a hypernetwork by its run folder (doc2lora)"),
    Binding(
        "x", "forget", "forget", id="forget",
        tooltip="Forget the marked document of the ledger",
    ),
    Binding(
        "left_square_bracket", "alpha(-1)", "α down", id="alpha.down", group=ALPHA,
        key_display="[", tooltip="Blend in more of what was learned",
    ),
    Binding(
        "right_square_bracket", "alpha(1)", "α up", id="alpha.up", group=ALPHA,
        key_display="]", tooltip="Blend in more of the original model",
    ),
    Binding(
        "left_square_bracket", "strength(-1)", "bias down", id="strength.down", group=BIAS,
        key_display="[", tooltip="Move the logits less towards what is retrieved; 0 is off",
    ),
    Binding(
        "right_square_bracket", "strength(1)", "bias up", id="strength.up", group=BIAS,
        key_display="]", tooltip="Move the logits more towards what is retrieved",
    ),
    Binding(
        "left_square_bracket", "context_strength(-1)", "context strength down",
        id="context_strength.down", group=CONTEXT, key_display="[",
        tooltip="Let the LoRAs of the documents count less; 0 leaves them out (doc2lora)",
    ),
    Binding(
        "right_square_bracket", "context_strength(1)", "context strength up",
        id="context_strength.up", group=CONTEXT, key_display="]",
        tooltip="Let the LoRAs of the documents count more; 1 is as they were generated (doc2lora)",
    ),
    Binding(
        "slash", "filter", "filter", priority=True, id="filter", key_display="/",
        tooltip="Filter the documents by name",
    ),
    Binding("a", "preview_alpha", "α preview", show=False, id="alpha.preview",
            tooltip="Answer the last question at several α, and choose one"),
    Binding("e", "knock_out", "effect", show=False, id="knock_out",
            tooltip="Show what the last answer rests on: ask without each learned document"),
    Binding("i", "study", "study items", show=False, id="study",
            tooltip="Prepare, read and change the items the chosen file is studied by"),
    Binding("p", "learn_path", "path", show=False, id="learn.path",
            tooltip="Learn a path that you type"),
    Binding("Q", "learn_questions", "with questions", show=False, id="learn.questions",
            tooltip="Learn the chosen file by the questions of a file that you name (ace)"),
    Binding("v", "switch_voice", "voice", show=False, id="voice",
            tooltip="Switch between base and learned answers"),
    Binding("n", "new_conversation", "new conversation", show=False, priority=True,
            id="conversation.new",
            tooltip="Begin a new conversation"),
    Binding("y", "copy_answer", "copy", show=False, id="answer.copy",
            tooltip="Copy the last answer to the clipboard"),
    Binding("s", "save", "save", show=False, id="save",
            tooltip="Save what was learned under a name"),
    Binding("o", "open", "saved states", show=False, id="open",
            tooltip="Open, compare, rename or delete what was saved"),
    Binding("H", "history", "history", show=False, id="history",
            tooltip="Show every document that was ever learned, and export the table"),
    Binding("R", "reset", "reset", show=False, id="reset",
            tooltip="Forget everything that was learned"),
    Binding("1", "pane('learn')", "learn pane", show=False, priority=True,
            id="pane.learn",
            tooltip="Show how learning goes"),
    Binding("2", "pane('chat')", "chat pane", show=False, priority=True,
            id="pane.chat",
            tooltip="Show the conversation"),
    Binding("3", "pane('read')", "read pane", show=False, priority=True,
            id="pane.read",
            tooltip="Show the text of the chosen document"),
    Binding("4", "pane('documents')", "documents", show=False, priority=True,
            id="pane.documents",
            tooltip="Go to the documents"),
    Binding("5", "pane('learned')", "ledger", show=False, priority=True,
            id="pane.learned",
            tooltip="Go to the learned documents"),
    Binding("tab", "app.focus_next", "next", show=False, id="focus.next",
            tooltip="Go to the next part of the screen"),
    Binding("shift+tab", "app.focus_previous", "previous", show=False, id="focus.previous",
            tooltip="Go to the previous part of the screen"),
    Binding("question_mark", "help", "help", show=False, id="help.too", key_display="?",
            tooltip="Show the keys"),
    Binding("f2", "app.save_screenshot", "screenshot", show=False, id="screenshot",
            key_display="F2", tooltip="Save a picture of the screen"),
]  # fmt: skip

PROGRAM_KEYS: list[BindingType] = [
    Binding("ctrl+p", "palette", "Every command by name, and the theme"),
    Binding("ctrl+c", "copy", "Copy the text marked with the mouse"),
    Binding("ctrl+q", "quit", "Quit"),
]

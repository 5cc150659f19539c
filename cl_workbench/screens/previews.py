"""What the read pane shows of a file or a folder; read on a thread of its own."""

from __future__ import annotations

from pathlib import Path

from engines.documents import ReadOptions, preview_folder
from engines.protocol import DocumentError
from widgets.reader import Preview

PREVIEW_BYTES = 64 * 1024
MAX_NAMES = 200
_MARKDOWN = {".md", ".markdown"}


def preview_of(path: Path, options: ReadOptions) -> Preview:
    """The beginning of a file, or what of a folder would be learned.  Never raises."""
    try:
        return _of_folder(path, options) if path.is_dir() else _of_file(path)
    except DocumentError as error:
        return Preview(path.name, "", error.reason)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        return Preview(path.name, "", f"This can't be read ({reason}); choose another one.")


def _of_file(path: Path) -> Preview:
    if not path.is_file():
        return Preview(path.name, "", "This is not an ordinary file; choose a text file.")
    size = path.stat().st_size
    with path.open("rb") as stream:
        content = stream.read(PREVIEW_BYTES)
    note = f"{size:,} bytes."
    if size > len(content):
        note += f" The first {PREVIEW_BYTES // 1024} KB are shown."
    if b"\0" in content:
        return Preview(path.name, "", f"{note} This is not a text file.")
    text = content.decode("utf-8-sig", errors="replace")
    form = "markdown" if path.suffix.lower() in _MARKDOWN else "text"
    return Preview(path.name, text, note, "markdown" if form == "markdown" else "text")


def _of_folder(path: Path, options: ReadOptions) -> Preview:
    folder = preview_folder(path, options)
    count = len(folder.readable)
    note = f"{count:,} document{'s' if count != 1 else ''} will be learned with l"
    note += f", {len(folder.left_out):,} left out." if folder.left_out else "."
    lines = [str(file.relative_to(path)) for file in folder.readable[:MAX_NAMES]]
    if count > MAX_NAMES:
        lines.append(f"… and {count - MAX_NAMES:,} more")
    if folder.left_out:
        lines += ["", "Left out:"]
        lines += [f"{_below(file, path)}: {reason}" for file, reason in folder.left_out[:MAX_NAMES]]
    if len(folder.left_out) > MAX_NAMES:
        lines.append(f"… and {len(folder.left_out) - MAX_NAMES:,} more")
    return Preview(f"{path.name}/", "\n".join(lines), note)


def _below(path: Path, folder: Path) -> str:
    return str(path.relative_to(folder)) if path.is_relative_to(folder) else str(path)

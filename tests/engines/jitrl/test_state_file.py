"""A document's states on disk: written row by row, mapped, and refused when damaged."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from engines.jitrl.state_file import StateFile, StateWriter
from engines.protocol import CheckpointError

TOKENS, CHUNKS, WIDTH = 20, 3, 8


def rows() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    source = torch.Generator().manual_seed(1)
    states = torch.randn(TOKENS, WIDTH, generator=source)
    chunk = torch.tensor([0] * 7 + [1] * 9 + [2] * 4)
    return states, torch.arange(TOKENS) * 3, chunk


def written(path: Path, step: int = 6) -> Path:
    states, tokens, chunk = rows()
    with StateWriter(
        path, tokens=TOKENS, chunks=CHUNKS, width=WIDTH, metadata={"id": "a", "title": "Grüße"}
    ) as writer:
        for row in range(0, TOKENS, step):
            part = slice(row, row + step)
            writer.append(states[part], tokens[part], chunk[part])
    return path


def test_what_was_written_in_pieces_is_read_back(tmp_path):
    states, tokens, chunk = rows()
    found = StateFile(written(tmp_path / "a.safetensors"), vocabulary=100)
    assert (found.tokens, found.chunks, found.width) == (TOKENS, CHUNKS, WIDTH)
    assert found.metadata == {"id": "a", "title": "Grüße"}
    got, following = found.rows(4, 11)
    assert torch.equal(got, states[4:11].half())
    assert torch.equal(following, tokens[4:11])
    assert [found.chunk_rows(n) for n in range(CHUNKS)] == [(0, 7), (7, 16), (16, 20)]
    mean = states[7:16].half().float().mean(dim=0)
    torch.testing.assert_close(found.pooled[1], mean)
    assert chunk.bincount().tolist() == [7, 9, 4]


def test_any_safetensors_reader_reads_it_and_the_pieces_do_not_matter(tmp_path):
    one, other = written(tmp_path / "a"), written(tmp_path / "b", step=TOKENS)
    assert load_file(one).keys() == {"states", "tokens", "chunk", "pooled"}
    assert load_file(one)["states"].dtype == torch.float16
    assert torch.equal(load_file(one)["states"], load_file(other)["states"])
    assert {path.name for path in tmp_path.iterdir()} == {"a", "b"}


def test_values_beyond_half_precision_are_kept_finite(tmp_path):
    with StateWriter(tmp_path / "a", tokens=1, chunks=1, width=2) as writer:
        writer.append(torch.tensor([[1e9, -1e9]]), torch.tensor([1]), torch.tensor([0]))
    assert StateFile(tmp_path / "a").rows(0, 1)[0].tolist() == [[65504.0, -65504.0]]


def test_a_writer_that_is_stopped_leaves_nothing_and_keeps_the_old(tmp_path):
    path = written(tmp_path / "a")
    before = path.read_bytes()
    states, tokens, chunk = rows()
    with (
        pytest.raises(KeyboardInterrupt),
        StateWriter(path, tokens=TOKENS, chunks=CHUNKS, width=WIDTH) as writer,
    ):
        writer.append(states[:5], tokens[:5], chunk[:5])
        raise KeyboardInterrupt
    assert [*tmp_path.iterdir()] == [path]
    assert path.read_bytes() == before


def test_rows_that_are_missing_are_told(tmp_path):
    states, tokens, chunk = rows()
    with (
        pytest.raises(ValueError, match="5 of 20 rows"),
        StateWriter(tmp_path / "a", tokens=TOKENS, chunks=CHUNKS, width=WIDTH) as writer,
    ):
        writer.append(states[:5], tokens[:5], chunk[:5])
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize(
    "change",
    [
        {"states": torch.zeros(2, WIDTH + 1)},
        {"states": torch.full((2, WIDTH), float("nan"))},
        {"tokens": torch.zeros(3, dtype=torch.long)},
        {"chunk": torch.tensor([1, 0])},
        {"chunk": torch.tensor([0, CHUNKS])},
        {"chunk": torch.tensor([-1, 0])},
    ],
)
def test_rows_that_can_not_be_right_are_refused(tmp_path, change):
    good = {
        "states": torch.zeros(2, WIDTH),
        "tokens": torch.zeros(2, dtype=torch.long),
        "chunk": torch.zeros(2, dtype=torch.long),
    }
    with (
        pytest.raises(ValueError, match=r".+"),
        StateWriter(tmp_path / "a", tokens=TOKENS, chunks=CHUNKS, width=WIDTH) as writer,
    ):
        writer.append(**(good | change))
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize("kept", [0, 4, 8, 100, -200, -2])
def test_a_file_that_was_cut_short_is_refused(tmp_path, kept):
    path = written(tmp_path / "a.safetensors")
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(CheckpointError, match=r"a\.safetensors are damaged: learn"):
        StateFile(path)


@pytest.mark.parametrize(
    "change",
    [
        {"states": torch.full((TOKENS, WIDTH), float("inf")).half()},
        {"states": torch.zeros(TOKENS + 1, WIDTH).half()},
        {"states": torch.zeros(TOKENS, WIDTH)},
        {"states": torch.zeros(TOKENS).half()},
        {"pooled": torch.full((CHUNKS, WIDTH), float("nan"))},
        {"pooled": torch.zeros(CHUNKS, WIDTH - 1)},
        {"tokens": torch.full((TOKENS,), -1, dtype=torch.int32)},
        {"tokens": torch.full((TOKENS,), 100, dtype=torch.int32)},
        {"chunk": torch.full((TOKENS,), CHUNKS, dtype=torch.int32)},
        {"chunk": torch.arange(TOKENS, 0, -1, dtype=torch.int32)},
        {"more": torch.zeros(1)},
        {"states": None},
        {"pooled": None},
    ],
)
def test_a_file_of_another_form_is_refused(tmp_path, change):
    tensors = load_file(written(tmp_path / "a")) | change
    save_file({k: t for k, t in tensors.items() if t is not None}, tmp_path / "b")
    with pytest.raises(CheckpointError, match="damaged"):
        StateFile(tmp_path / "b", vocabulary=100)


def test_a_missing_file_and_a_folder_in_the_way_are_one_sentence(tmp_path):
    with pytest.raises(CheckpointError, match="damaged"):
        StateFile(tmp_path / "none")
    (tmp_path / "file").write_text("in the way")
    with (
        pytest.raises(CheckpointError, match="Can't write"),
        StateWriter(tmp_path / "file" / "a", tokens=1, chunks=1, width=1),
    ):
        pass

"""A job that fails leaves its own words where SageMaker hands them on, and never a library's quotation."""

import json
from pathlib import Path

import numpy as np
import pytest
from tabular import failure, metrics
from tabular.families.base import TrainingDiverged


def left(folder: Path) -> dict[str, str]:
    found: dict[str, str] = json.loads((folder / failure.FILE).read_text())
    return found


def fail(folder: Path, error: Exception) -> None:
    with pytest.raises(type(error)), failure.beside_checkpoints(folder):
        raise error


def test_an_error_of_ours_is_left_in_its_own_words_and_still_raised(tmp_path: Path) -> None:
    fail(tmp_path / "checkpoints", TrainingDiverged("look at eta"))
    assert left(tmp_path / "checkpoints") == {"error": "TrainingDiverged", "message": "look at eta"}


def test_an_error_of_a_library_is_named_and_placed_but_not_quoted(tmp_path: Path) -> None:
    with pytest.raises(KeyError, match="N123AB"), failure.beside_checkpoints(tmp_path):
        # The innermost of our lines is in tabular, the error is Python's.
        metrics.row_loss(_Odd(), np.zeros(1), np.zeros(1))  # type: ignore[arg-type]
    assert left(tmp_path)["error"] == "KeyError"
    assert "raised by a library in metrics.py, line " in left(tmp_path)["message"]
    assert "N123AB" not in str(left(tmp_path))


class _Odd:
    def __eq__(self, other: object) -> bool:
        raise KeyError("N123AB")

    __hash__ = object.__hash__


def test_a_failure_of_an_earlier_attempt_is_emptied_at_the_start_of_the_next(tmp_path: Path) -> None:
    fail(tmp_path, TrainingDiverged("look at eta"))
    with failure.beside_checkpoints(tmp_path):
        assert left(tmp_path) == {}, "already while it runs: the instance may go at any time"
    assert left(tmp_path) == {}


def test_a_training_without_a_failure_leaves_no_file(tmp_path: Path) -> None:
    with failure.beside_checkpoints(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


def test_words_that_cannot_be_written_do_not_hide_the_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    fail(tmp_path / "file", TrainingDiverged("look at eta"))
    with pytest.raises(TrainingDiverged), failure.as_exit_message(tmp_path / "file"):
        raise TrainingDiverged("look at eta")


def test_an_exit_message_fits_and_stays_utf_8(tmp_path: Path) -> None:
    with pytest.raises(TrainingDiverged), failure.as_exit_message(tmp_path):
        raise TrainingDiverged("é" * 2000)
    data = (tmp_path / "output" / "message").read_bytes()
    assert len(data) <= 1024
    assert data.decode().startswith("TrainingDiverged: éé")

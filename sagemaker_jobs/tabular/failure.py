"""Why a job failed, in its own words, where SageMaker hands them on.

A training job leaves failure.json beside its checkpoints, which SageMaker copies to S3: the image's toolkit
(sagemaker-containers) overwrites /opt/ml/output/failure with the command line, so no script can leave its
words there. A processing job writes /opt/ml/output/message, which becomes the job's ExitMessage.

Only our own errors are quoted: they are written to be read. The text of a library's error may quote data, so
it stays in the job's log.
"""

import json
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

FILE = "failure.json"
LONGEST_MESSAGE = 500
LONGEST_EXIT_MESSAGE = 1024  # bytes: SageMaker cuts there, and a character cut in half is no UTF-8 any more
SOURCE = Path(__file__).absolute().parents[1]


@contextmanager
def beside_checkpoints(folder: Path) -> Iterator[None]:
    """An error of the block stays an error, and is told in `folder`, where no checkpoint is looked for."""
    path = folder / FILE
    # Of an attempt that Spot took away. Emptied, not deleted: whether SageMaker also deletes the copy in S3
    # depends on the role's rights.
    if path.exists():
        path.write_text("{}")
    try:
        yield
    except Exception as error:
        name, message = words(error)
        with suppress(OSError):  # the error itself matters more
            folder.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps({"error": name, "message": message[:LONGEST_MESSAGE]}))
        raise


@contextmanager
def as_exit_message(root: Path) -> Iterator[None]:
    """An error of the block stays an error, and becomes the processing job's ExitMessage."""
    try:
        yield
    except Exception as error:
        text = ": ".join(words(error)).encode()[:LONGEST_EXIT_MESSAGE].decode(errors="ignore")
        with suppress(OSError):
            (root / "output").mkdir(parents=True, exist_ok=True)
            (root / "output" / "message").write_text(text, encoding="utf-8")
        raise


def words(error: BaseException) -> tuple[str, str]:
    """Name and text; of a library's error the place in our code instead of its text."""
    name = type(error).__name__
    if _is_ours(type(error)):
        return name, str(error)
    ours = [frame for frame in traceback.extract_tb(error.__traceback__) if _is_source(frame.filename)]
    place = f" in {Path(ours[-1].filename).name}, line {ours[-1].lineno}" if ours else ""
    return name, f"raised by a library{place}; its text may quote data, so it is in the job's log only"


def _is_ours(kind: type[BaseException]) -> bool:
    return _is_source(getattr(sys.modules.get(kind.__module__), "__file__", None))


def _is_source(file: str | None) -> bool:
    """Also of a source that runs as a zip."""
    return file is not None and Path(file).absolute().is_relative_to(SOURCE)

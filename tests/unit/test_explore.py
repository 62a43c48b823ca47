"""The explore job: a report that needs nothing else, the same for the same rows, nobody's secret in it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import explore
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from matplotlib import colors, image
from tabular import contract, frame, source
from tabular.explore import canvas, report, sampling
from tabular.explore.sampling import Sizes
from tabular.split import SplitError, Windows

from tests.any_model import WINDOWS, agreed, any_contract, any_table, write_features

PLAN = {"run_id": "r1", **WINDOWS}
SMALL = Sizes(train=900, validation=250, pairs=600, clusters=400, silhouette=200, linkage=80, points=200)
CLASSES = ["low", "middle", "high"]


def telling_contract(problem: str = "binary") -> contract.ModelContract:
    """With a text column and, for several classes, their names."""
    compiled = any_contract("binary" if problem == "multiclass" else problem)
    compiled["model"]["features"]["remark"] = {"kind": "text", "encoding": "tf_idf", "imputation": "none"}
    compiled["tables"]["visits"]["columns"] = {"size": {"type": "number", "description": "Metres"}}
    if problem != "multiclass":
        return agreed(compiled)
    compiled["model"]["classes"] = CLASSES
    return replace(agreed(compiled), problem=problem, compiled=compiled)


def telling_table(problem: str = "binary") -> pa.Table:
    """Keys and rare categories that must not be told; a remark of each row, of which two are rare."""
    table = any_table(problem="binary" if problem == "multiclass" else problem)
    random = np.random.default_rng(11)
    count = table.num_rows
    town = table.column("town").to_pylist()
    town[:4] = ["Ada Lovelace"] * 4
    remarks: list[str | None] = [
        " ".join(random.choice(["late", "early", "storm", "calm"], 4)) for _ in range(count)
    ]
    remarks[5:7] = ["Grace Hopper 4711", "late Hopper"]
    remarks[9] = None
    table = table.set_column(table.column_names.index("town"), "town", pa.array(town))
    table = table.append_column("remark", pa.array(remarks))
    if problem == "multiclass":
        size = np.nan_to_num(table.column("size").to_numpy(zero_copy_only=False))
        label = np.digitize(size + random.normal(0, 0.4, count), [-0.5, 0.7]).astype(float)
        table = table.set_column(table.column_names.index("label"), "label", pa.array(label))
    return table


def explored(folder: Path, problem: str = "binary", table: pa.Table | None = None) -> Path:
    places = explore.Places.below(folder)
    write_features(places.features, telling_table(problem) if table is None else table)
    explore.run(telling_contract(problem), PLAN, places, SMALL)
    return places.output


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return explored(tmp_path_factory.mktemp("explored"))


@pytest.fixture(scope="module")
def found(made: Path) -> Any:
    return json.loads((made / "explore.json").read_text(encoding="utf-8"))


def test_the_report_is_one_file_that_loads_nothing(made: Path) -> None:
    page = (made / "report.html").read_text(encoding="utf-8")
    assert set(re.findall(r'(?:src|href)="([^"]{0,5})', page)) <= {"data:", "#time", "#miss", "#labe"} | {
        f"#{name}"[:5] for name in ("alone", "columns", "pairs", "clusters", "method")
    }
    assert "<script" not in page and "http" not in re.sub(r"base64,[^\"]+", "", page)
    figures = {path.stem for path in made.glob("*.png")}
    assert page.count("data:image/png;base64,") == len(figures) == 14
    assert {"time", "missing", "learning", "correlation", "scatter", "dendrogram", "map", "terms"} <= figures
    assert page.index("What was found") < page.index("data:image/png"), "words come first"
    alts = re.findall(r'<img [^>]*alt="([^"]*)"', page)
    assert len(alts) == len(figures) and all(len(alt) > 10 for alt in alts)


@pytest.mark.parametrize("name", ["time", "missing", "label", "alone", "histograms", "boxes", "categories"])
def test_bars_are_where_bars_should_be(made: Path, name: str) -> None:
    pixels = image.imread(made / f"{name}.png")[:, :, :3]
    blue = np.abs(pixels - colors.to_rgb(canvas.BLUE)).sum(axis=2) < 0.7
    assert blue.mean() > 0.02


def test_no_key_no_rare_category_and_no_rare_term_is_told(made: Path, found: Any) -> None:
    keys = set(telling_table().column("key").to_pylist())
    for name in ("explore.json", "report.html"):
        text = re.sub(r"base64,[^\"]+", "", (made / name).read_text(encoding="utf-8"))
        for secret in ("Lovelace", "opper", "Grace", "4711"):
            assert secret not in text, name
        assert not [key for key in list(keys)[:200] if key in text]
    assert found["columns"]["town"]["other"]["values"] >= 1
    assert found["columns"]["remark"]["terms"] == 6, "they are counted all the same"


def test_what_is_counted_is_counted_over_all_rows(found: Any) -> None:
    frame = telling_table().to_pandas()
    assert found["rows"] == len(frame)
    parts = {"train": "2024-01-01", "validation": "2024-03-01", "holdout": "2024-03-15"}
    for name, start in parts.items():
        end = {"train": "2024-03-01", "validation": "2024-03-15", "holdout": "2024-04-12"}[name]
        inside = frame[(frame.event_date >= start) & (frame.event_date < end)]
        assert found["windows"][name]["rows"] == len(inside)
        assert found["windows"][name]["labelled"] == inside.label.notna().sum()
    share = {entry["feature"]: entry["share"] for entry in found["missing"]["columns"]}
    expected = frame[list(share)].isna().mean()
    assert share == pytest.approx(expected.to_dict(), abs=1e-5)
    by_month = frame.groupby(frame.event_date.str[:7])["size"].apply(lambda values: values.isna().mean())
    [size] = [entry for entry in found["missing"]["columns"] if entry["feature"] == "size"]
    assert size["by_month"] == pytest.approx(by_month.tolist(), abs=1e-5)
    sites = {entry["value"]: entry["rows"] for entry in found["columns"]["site"]["top"]}
    assert sites == frame.site.value_counts().to_dict()
    days = {entry["day"]: entry["rows"] for entry in found["days"]}
    assert days == frame.groupby("event_date").size().to_dict()


def test_the_label_is_told_by_day_but_never_that_of_the_holdout(found: Any) -> None:
    frame = telling_table().to_pandas()
    expected = frame.groupby("event_date").label.mean()
    periods = found["time"]["periods"]
    assert found["time"]["days"] == 1
    for period in periods:
        if period["start"] < WINDOWS["validation_end"]:
            assert period["label_mean"] == pytest.approx(expected[period["start"]], abs=1e-5)
        else:
            assert period["label_mean"] is None
    months = {entry["month"]: entry["mean"] for entry in found["label_by_month"]}
    early = frame[frame.event_date < WINDOWS["validation_end"]]
    assert months == pytest.approx(early.groupby(early.event_date.str[:7]).label.mean().to_dict(), abs=1e-5)


def test_the_sample_and_its_method_are_stated(made: Path, found: Any) -> None:
    assert found["sample"]["train"] == {"rows": 900, "of": 1_500}
    assert found["sample"]["validation"] == {"rows": 250, "of": 350}
    assert found["sample"]["at_most"] == SMALL.to_json()
    page = " ".join((made / "report.html").read_text(encoding="utf-8").split())
    assert "900 of 1,500 training rows and 250 of 350 validation rows" in page
    assert "smallest hash (BLAKE2b)" in page


def test_the_same_rows_give_the_same_bytes_whatever_order_and_files_they_come_in(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampling, "BATCH_ROWS", 97)
    table = telling_table()
    shuffled = table.take(np.random.default_rng(2).permutation(table.num_rows))
    again = explored(tmp_path, table=shuffled)
    for path in sorted(made.iterdir()):
        assert (again / path.name).read_bytes() == path.read_bytes(), path.name


def test_the_sample_is_random_and_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "BATCH_ROWS", 100)
    folder = write_features(tmp_path, any_table())
    kept: list[int] = []
    prune = sampling.BottomK._prune

    def watched(self: sampling.BottomK) -> None:
        kept.append(sum(map(len, self.ranks)))
        prune(self)

    monkeypatch.setattr(sampling.BottomK, "_prune", watched)
    kinds = agreed(any_contract()).kinds
    windows = Windows.of(PLAN)
    got = sampling.read(folder, kinds, windows, Sizes(train=150, validation=150))
    assert len(got.train) == len(got.validation) == 150
    assert max(kept) <= 2 * 150 + 100, "twice the sample and a batch is all that is held"
    early = np.mean(got.train.date < "2024-01-31")
    assert early == pytest.approx(0.5, abs=0.12), "both halves of the window are in it alike"
    other = sampling.read(folder, kinds, windows, Sizes(train=60, validation=60))
    assert (got.train.head(60).label == other.train.label).all(), "its head is the smaller sample"


def test_several_classes_go_by_their_names(tmp_path: Path) -> None:
    output = explored(tmp_path, "multiclass")
    found = json.loads((output / "explore.json").read_text(encoding="utf-8"))
    assert [entry["class"] for entry in found["label"]["classes"]] == CLASSES
    assert {entry["test"] for entry in found["association"] if entry["kind"] == "numeric"} == {
        "Kruskal-Wallis"
    }
    assert found["alone"][0]["feature"] == "size"
    assert found["sufficiency"]["verdict"] in ("enough", "would gain from more")
    assert "class middle" not in (output / "report.html").read_text(encoding="utf-8").split("<img")[0]


def looked(folder: Path, agreed: contract.ModelContract, table: pa.Table) -> Any:
    return report.look(agreed, PLAN, write_features(folder, table), SMALL).found


def test_a_number_as_label_is_tested_by_ranks(tmp_path: Path) -> None:
    found = looked(tmp_path, telling_contract("regression"), telling_table("regression"))
    tests = {entry["feature"]: entry["test"] for entry in found["association"]}
    assert tests["size"] == "Spearman"
    assert tests["site"] == "Kruskal-Wallis"
    assert found["label"]["kind"] == "numeric"
    assert "boxes" not in found


def test_without_labels_groups_and_columns_are_left(tmp_path: Path) -> None:
    table = telling_table()
    empty = pa.array([None] * table.num_rows, pa.float64())
    table = table.set_column(table.column_names.index("label"), "label", empty)
    found = looked(tmp_path, replace(telling_contract(), problem="clustering"), table)
    assert found["label"] is None and "association" not in found
    assert found["clusters"]["k"] >= 2
    assert any(finding["title"] == "No label" for finding in found["findings"])


def test_few_rows_a_day_are_told_by_week_and_no_mean_is_one_persons(tmp_path: Path) -> None:
    table = telling_table("regression").to_pandas()
    few = table.sample(150, random_state=1).sort_values("event_date")
    found = looked(tmp_path, telling_contract("regression"), pa.Table.from_pandas(few, preserve_index=False))
    assert found["time"]["days"] == 28
    assert all("label_mean" not in day for day in found["days"])
    for period in found["time"]["periods"]:
        assert period["label_mean"] is None or period["labelled"] >= 5


def test_the_contracts_words_stand_at_the_axes(tmp_path: Path) -> None:
    assert report.units(telling_contract()) == {"size": "Metres"}


def test_a_gap_in_the_days_and_a_leak_are_among_the_first_findings(tmp_path: Path) -> None:
    table = telling_table().to_pandas()
    table["noise"] = table.label + np.random.default_rng(3).normal(0, 0.05, len(table))
    table = table[(table.event_date < "2024-02-01") | (table.event_date >= "2024-02-08")]
    found = looked(tmp_path, telling_contract(), pa.Table.from_pandas(table, preserve_index=False))
    first, *others = found["findings"]
    assert (first["level"], first["title"]) == ("alert", "Smells of a leak")
    assert "noise" in first["text"]
    [gap] = [finding for finding in others if finding["title"] == "A gap in time"]
    assert "7 days from 2024-02-01" in gap["text"]


@pytest.mark.parametrize(
    ("break_it", "error", "says"),
    [
        pytest.param(
            lambda table: table.drop_columns(["size"]), frame.FrameError, "lacks the column size", id="absent"
        ),
        pytest.param(
            lambda table: table.set_column(
                table.column_names.index("size"), "size", table.column("site")
            ),
            frame.FrameError, "feature size is numeric but stored as string", id="text for a number",
        ),
        pytest.param(
            lambda table: table.set_column(
                table.column_names.index("label"), "label", pa.array([2.0] * table.num_rows)
            ),
            report.LabelError, "is none of 0 to 1: problem binary has 2 classes", id="a third class",
        ),
    ],
)  # fmt: skip
def test_what_does_not_fit_the_contract_is_refused_in_words(
    tmp_path: Path, break_it: Any, error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        looked(tmp_path, agreed(any_contract()), break_it(any_table()))


def test_windows_without_rows_are_refused(tmp_path: Path) -> None:
    folder = write_features(tmp_path, any_table())
    moved = {"train_start": "2030-01-01", "train_end": "2030-02-01"}
    late = {**PLAN, **moved, "validation_end": "2030-03-01", "holdout_end": "2030-04-01"}
    with pytest.raises(frame.FrameError, match=r"no row of \[2030-01-01, 2030-04-01\)"):
        report.look(agreed(any_contract()), late, folder)
    with pytest.raises(SplitError):
        report.look(agreed(any_contract()), {**PLAN, "train_end": "2023-01-01"}, folder)
    with pytest.raises(frame.FrameError, match="no Parquet file"):
        report.look(agreed(any_contract()), PLAN, tmp_path / "nothing")


def test_runs_from_a_zip_as_a_processing_job_does(tmp_path: Path) -> None:
    table = any_table(rows_per_day=4)
    path = tmp_path / "processing/input/features/part-0.parquet"
    path.parent.mkdir(parents=True)
    pq.write_table(table, path)
    code = tmp_path / "code.zip"
    with zipfile.ZipFile(code, "w") as archive:
        for name, data in {**source.files(), "contract.json": json.dumps(any_contract()).encode()}.items():
            archive.writestr(name, data)
    environment = {
        "ML_ROOT": str(tmp_path),
        "PATH": "/usr/bin",
        **{name.upper(): day for name, day in WINDOWS.items()},
    }
    done = subprocess.run(
        [sys.executable, str(code), "explore", "--run_id", "r1"],
        env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["run_id"] == "r1"
    assert (tmp_path / "processing/output/explore/report.html").is_file()
    assert pd.read_json(tmp_path / "processing/output/explore/explore.json", typ="series")["rows"] == len(
        table
    )

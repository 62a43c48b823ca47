"""Several candidates: read as the run left them, measured side by side, one chosen on validation rows."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import evaluate
import jsonschema
import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import train
import xgboost
from scipy import stats
from sklearn import metrics as oracle
from statsmodels.stats.multitest import multipletests
from tabular import candidates, card, metrics, models, packaging, recalibration, rules, source, split
from tabular.frame import Frame

from sandbox.engines.model_cards import SCHEMA
from tests.any_model import WINDOWS, agreed, any_contract, any_table, read_json, write_features

RUN = "r20240412-0badcafe"
PLAN = {**WINDOWS, "run_id": RUN}
FAIR = {
    "attributes": [
        {"feature": "site", "kind": "categorical"},
        {"feature": "size", "kind": "numeric", "edges": [0.0]},
    ],
    "minimum_rows": 50,
}
EVALUATION = {"recalibration": "platt", "fairness": FAIR, "card": {"creator": "us", "risk_rating": "Low"}}
TOLD = {"purpose": "who comes", "usage": "planning", "limitations": "made up"}


def compiled(**evaluation: Any) -> dict[str, Any]:
    return any_contract(evaluation={**EVALUATION, **evaluation}) | {"description": TOLD, "domain": "tests"}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, bytes]]:
    """The feature table, and archives of three models: strong, nearly as strong but smaller, weak."""
    root = tmp_path_factory.mktemp("trained")
    write_features(root / "features", any_table())
    archives = {}
    for name, given in {
        "boosted": {"num_round": 40},
        "shrunken": {"num_round": 20, "max_depth": 2},
        "stump": {"num_round": 3, "max_depth": 1},
    }.items():
        at = train.Places(
            features=root / "features",
            champion=root / "nothing",
            model=root / name,
            output=root / "output",
            checkpoints=root / f"checkpoints-{name}",
        )
        argv = [text for key, value in {**PLAN, **given}.items() for text in (f"--{key}", str(value))]
        contract = agreed(compiled())
        train.run(contract, train.parse_arguments(argv, contract), at, nthread=1)
        archives[name] = packaging.archive({path.name: path.read_bytes() for path in at.model.iterdir()})
    return root / "features", archives


def entry(name: str, family: str, **given: Any) -> dict[str, Any]:
    return {
        "name": name,
        "family": family,
        "job": f"{name}-job",
        "path": f"{name}/{name}-job/output/model.tar.gz",
        "seconds": 30,
        "billable_seconds": 12,
        "hyperparameters": {"max_depth": "3", "run_id": RUN},
        **given,
    }


def lay_out(
    root: Path, trained: tuple[Path, dict[str, bytes]], families: dict[str, str], **given: Any
) -> evaluate.Places:
    """The job's input as the record of candidates promises it."""
    features, archives = trained
    places = evaluate.Places.below(root)
    entries = []
    for name, family in families.items():
        listed = entry(name, family)
        path = places.candidates / listed["path"]
        path.parent.mkdir(parents=True)
        path.write_bytes(archives.get(name, b"damaged"))
        entries.append(listed)
    content = {
        "format": 1,
        "run_id": RUN,
        "instance_type": "ml.m5.large",
        "usd_per_hour": 0.115,
        "candidates": entries,
        "failed": [],
        "tuning": None,
        **given,
    }
    places.candidates.mkdir(parents=True, exist_ok=True)
    (places.candidates / "candidates.json").write_text(json.dumps(content))
    places.champion.mkdir(parents=True)
    rule = packaging.servable(rules.rule_model(any_contract()), None, source.files())
    (places.champion / "model.tar.gz").write_bytes(rule)
    places.features.symlink_to(features)
    return places


ALL = {"boosted": "xgboost", "shrunken": "tree", "stump": "logistic"}


@pytest.fixture(scope="module")
def chosen(
    tmp_path_factory: pytest.TempPathFactory, trained: tuple[Path, dict[str, bytes]]
) -> tuple[dict[str, Any], Path]:
    root = tmp_path_factory.mktemp("chosen")
    lost = {"name": "linear", "family": "linear", "job": None, "error": "TrainingDiverged", "reason": "eta"}
    places = lay_out(root, trained, {**ALL, "broken": "forest"}, failed=[lost])
    return evaluate.run(agreed(compiled()), PLAN, places), places.output


def table(chosen: tuple[dict[str, Any], Path]) -> dict[str, Any]:
    content: dict[str, Any] = read_json(chosen[1] / "evaluation/candidates.json")
    return content


def held(trained: tuple[Path, dict[str, bytes]]) -> Frame:
    return evaluate.read(agreed(compiled()), split.Windows.of(PLAN), trained[0])[0].validation


def losses(trained: tuple[Path, dict[str, bytes]], folder: Path) -> dict[str, np.ndarray]:
    """Of each model on the validation rows, straight from its archive."""
    rows = held(trained)
    found = {}
    for name, data in trained[1].items():
        (folder / name).mkdir()
        (folder / name / "model.tar.gz").write_bytes(data)
        model = models.load(models.unpacked(folder / name, folder / f"{name}-unpacked"))
        found[name] = metrics.row_loss("binary", rows.label, model.scores(rows))
    return found


def test_losses_are_those_of_the_validation_rows_with_tests_against_the_best(
    chosen: tuple[dict[str, Any], Path], trained: tuple[Path, dict[str, bytes]], tmp_path: Path
) -> None:
    found, days = losses(trained, tmp_path), held(trained).date
    best = min(found, key=lambda name: found[name].mean())
    lines = {line["name"]: line for line in table(chosen)["candidates"]}
    assert set(lines) == set(ALL)
    for name, line in lines.items():
        assert line["loss"]["value"] == pytest.approx(found[name].mean())
        pair = line["loss_above_best"]
        assert pair["difference"] == pytest.approx((found[name] - found[best]).mean())
        if name == best:
            continue
        # Days of equal size: the clustered t test is that of the means of days.
        by_day = [(found[name] - found[best])[days == day].mean() for day in np.unique(days)]
        assert pair["p"] == pytest.approx(stats.ttest_1samp(by_day, 0).pvalue)
        assert pair["p_holm"] >= pair["p"]


def test_losses_metrics_and_corrected_p_values_agree_with_libraries(
    chosen: tuple[dict[str, Any], Path], trained: tuple[Path, dict[str, bytes]], tmp_path: Path
) -> None:
    """Straight from the archives: the loss with its interval and the AUC of each, Holm over the others."""
    lines = {line["name"]: line for line in table(chosen)["candidates"]}
    rows = held(trained)
    _, days = np.unique(rows.date, return_inverse=True)
    for name, loss in losses(trained, tmp_path).items():
        model = models.load(tmp_path / f"{name}-unpacked")
        scores = model.scores(rows)
        assert lines[name]["loss"]["value"] == pytest.approx(oracle.log_loss(rows.label, scores))
        fitted = sm.OLS(loss, np.ones(len(loss))).fit(
            cov_type="cluster", cov_kwds={"groups": days}, use_t=True
        )
        ends = [lines[name]["loss"][end] for end in ("low", "high")]
        assert ends == pytest.approx(fitted.conf_int(0.05)[0])
        area = oracle.roc_auc_score(rows.label, scores)
        assert lines[name]["metric"] | {"value": pytest.approx(area)} == lines[name]["metric"]
    others = [line["loss_above_best"] for line in lines.values() if line["loss_above_best"]["difference"] > 0]
    expected = multipletests([pair["p"] for pair in others], method="holm")[1]
    assert len(others) == 2
    assert [pair["p_holm"] for pair in others] == pytest.approx(expected)


def test_the_simplest_within_one_standard_error_is_chosen_and_the_reason_told(
    chosen: tuple[dict[str, Any], Path],
) -> None:
    report, _ = chosen
    found = table(chosen)
    near = [line for line in found["candidates"] if line["within_one_standard_error"]]
    simplest = min(near, key=lambda line: candidates.FAMILIES.index(line["family"]))
    assert found["chosen"] == simplest["name"]
    assert report["chosen"] == {"chosen": found["chosen"], "reason": found["reason"]}
    assert found["chosen"] in found["reason"]
    stump = next(line for line in found["candidates"] if line["name"] == "stump")
    assert not stump["within_one_standard_error"], "simple, but clearly worse"


def line_of(name: str, family: str, difference: float, error: float, size: int = 1_000) -> dict[str, Any]:
    return {
        "name": name,
        "family": family,
        "loss": {"value": 0.5 + difference},
        "loss_above_best": {"difference": difference, "standard_error": error},
        "within_one_standard_error": difference <= error,
        "bytes": size,
    }


@pytest.mark.parametrize(
    ("lines", "choice", "expected", "says"),
    [
        pytest.param(
            [line_of("x", "xgboost", 0, 0), line_of("l", "logistic", 0.01, 0.02)],
            "simplest", 1, "l (logistic) is the simplest within one standard error", id="near and simpler",
        ),
        pytest.param(
            [line_of("x", "xgboost", 0, 0), line_of("l", "logistic", 0.03, 0.02)],
            "simplest", 0, "l is simpler and worse by more than one standard error", id="simpler but worse",
        ),
        pytest.param(
            [line_of("x", "xgboost", 0, 0), line_of("l", "logistic", 0.01, 0.02)],
            "best", 0, "x has the lowest of 2", id="the best was asked for",
        ),
        pytest.param(
            [line_of("x", "xgboost", 0, 0, 9_000), line_of("y", "xgboost", 0.001, 0.02, 4_000)],
            "simplest", 1, "y (xgboost) is the simplest", id="of one family the smaller",
        ),
        pytest.param([line_of("x", "xgboost", 0, 0)], "simplest", 0, "x is the only candidate", id="one"),
    ],
)  # fmt: skip
def test_the_choice_and_its_words(lines: list[dict[str, Any]], choice: str, expected: int, says: str) -> None:
    place = candidates._chosen(lines, 0, choice)
    assert place == expected
    assert says in candidates._reason(lines, place, 0, choice)


def test_time_price_size_and_latency_stand_beside_the_quality(chosen: tuple[dict[str, Any], Path]) -> None:
    found = table(chosen)
    assert (found["usd_per_hour"], found["instance_type"]) == (0.115, "ml.m5.large")
    for line in found["candidates"]:
        assert line["seconds"] == 30
        assert line["usd"] == pytest.approx(12 / 3600 * 0.115)
        assert line["bytes"] > 10_000
        assert 0 < line["latency"]["p50_ms"] <= line["latency"]["p99_ms"]
        assert line["hyperparameters"] == {"max_depth": "3"}, "what the run is called is no hyperparameter"
        low, value, high = (line["metric"][name] for name in ("low", "value", "high"))
        assert low < value < high


def test_what_did_not_train_or_cannot_be_loaded_is_named_and_left_out(
    chosen: tuple[dict[str, Any], Path],
) -> None:
    found = {each["name"]: each for each in table(chosen)["left_out"]}
    assert found["linear"] == {"name": "linear", "family": "linear", "reason": "eta"}
    assert "model.tar.gz cannot be unpacked" in found["broken"]["reason"]


def test_a_search_is_part_of_the_price_of_what_it_found() -> None:
    model = candidates.Candidate(
        name="tuned", family="xgboost", model=None, facts={"seconds": 9, "billable_seconds": 4}, story={}
    )
    found = candidates.Found(
        candidates=[model],
        left_out=[],
        usd_per_hour=3.6,
        instance_type=None,
        tuning={"billable_seconds": 100},
    )
    costs = candidates.costs(model, found)
    assert costs == {"seconds": 9, "billable_seconds": 100, "usd": pytest.approx(0.1)}


def test_without_any_model_the_job_says_what_became_of_each(
    trained: tuple[Path, dict[str, bytes]], tmp_path: Path
) -> None:
    lost = {"name": "linear", "family": "linear", "job": None, "error": "X", "reason": "the loss is nan"}
    places = lay_out(tmp_path, trained, {"broken": "forest"}, failed=[lost])
    with pytest.raises(
        candidates.NoCandidateError, match=r"at least one is needed: linear: the loss is nan; broken: model"
    ):
        evaluate.run(agreed(compiled()), PLAN, places)


def test_without_the_table_of_candidates_the_job_says_what_it_got(
    trained: tuple[Path, dict[str, bytes]], tmp_path: Path
) -> None:
    places = lay_out(tmp_path, trained, {"forest": "forest"})
    (places.candidates / "candidates.json").unlink()
    with pytest.raises(models.ArtefactError, match=r"no candidates.json .*, it holds forest"):
        evaluate.run(agreed(compiled()), PLAN, places)


def test_the_winner_serves_recalibrated_scores_with_a_threshold_of_their_own(
    chosen: tuple[dict[str, Any], Path], trained: tuple[Path, dict[str, bytes]], tmp_path: Path
) -> None:
    report, output = chosen
    shutil.copytree(output / "model", tmp_path / "model")
    served = models.load(models.unpacked(tmp_path / "model", tmp_path / "served"))
    assert served.content["recalibration"]["method"] == "platt"
    rows = held(trained)
    scores = served.scores(rows)
    bare = replace(served, content={**served.content, "recalibration": None})
    raw = bare.scores(rows)
    assert scores == pytest.approx(recalibration.applied(served.content, raw))
    assert not np.allclose(scores, raw, atol=1e-3)
    assert served.score(rows.record(5)) == pytest.approx(scores[5], rel=1e-5)
    expected = metrics.cost_threshold(rows.label, scores, any_contract()["model"]["threshold"])
    assert served.content["threshold"] == report["threshold"] == pytest.approx(expected)


def test_calibration_before_and_after_is_that_of_the_holdout(chosen: tuple[dict[str, Any], Path]) -> None:
    report, _ = chosen
    found = report["recalibration"]
    after = report["candidate"]["metrics"]["calibration_error"]["value"]
    assert found["after"]["calibration_error"] == pytest.approx(after)
    assert found["before"]["calibration_error"] != found["after"]["calibration_error"]
    assert found["before"]["roc_auc"] == pytest.approx(found["after"]["roc_auc"])
    assert sum(entry["rows"] for entry in found["after"]["bins"]) == 700


def test_the_reports_figures_are_those_of_the_served_model_on_the_holdout(
    chosen: tuple[dict[str, Any], Path], trained: tuple[Path, dict[str, bytes]], tmp_path: Path
) -> None:
    """From the archive that will serve, by libraries: metrics, maps, tests between models, gap, parts."""
    report, output = chosen
    shutil.copytree(output / "model", tmp_path / "model")
    served = models.load(models.unpacked(tmp_path / "model", tmp_path / "served"))
    assert isinstance(served, models.TrainedModel)
    bare = replace(served, content={**served.content, "recalibration": None})
    parts = evaluate.read(agreed(compiled()), split.Windows.of(PLAN), trained[0])[0]
    rule = models.RuleModel(content=rules.rule_model(any_contract()))
    label, cut = parts.holdout.label, report["threshold"]
    for name, model in (("after", served), ("before", bare)):
        scores = model.scores(parts.holdout)
        found = report["recalibration"][name]
        assert found["log_loss"] == pytest.approx(oracle.log_loss(label, scores))
        assert found["brier"] == pytest.approx(oracle.brier_score_loss(label, scores))
        assert found["roc_auc"] == pytest.approx(oracle.roc_auc_score(label, scores))
        assert found["calibration_gap"] == pytest.approx(abs(scores.mean() - label.mean()))
    ours, simple = served.scores(parts.holdout), rule.scores(parts.holdout)
    metric = {name: entry["value"] for name, entry in report["candidate"]["metrics"].items()}
    assert metric["pr_auc"] == pytest.approx(oracle.average_precision_score(label, ours))
    assert metric["f1"] == pytest.approx(oracle.f1_score(label, ours >= cut))
    assert report["confusion_matrix"]["rows"] == oracle.confusion_matrix(label, ours >= cut).tolist()
    lost, theirs = ([oracle.log_loss([a], [b], labels=[0, 1]) for a, b in zip(label, each, strict=True)]
                    for each in (ours, simple))  # fmt: skip
    _, days = np.unique(parts.holdout.date, return_inverse=True)
    fitted = sm.OLS(np.subtract(theirs, lost), np.ones(len(label))).fit(
        cov_type="cluster", cov_kwds={"groups": days}, use_t=True
    )
    paired = report["paired"]["rule"]
    assert (paired["difference"], paired["p"]) == pytest.approx((fitted.params[0], fitted.pvalues[0]))
    tests = {entry["name"]: entry for entry in report["tests"]["rule"]}
    area = oracle.roc_auc_score(label, ours) - oracle.roc_auc_score(label, simple)
    assert tests["delong"]["difference"] == pytest.approx(area)
    acts = (ours >= cut, simple >= rule.content["threshold"])
    accuracy = [oracle.accuracy_score(label, each) for each in acts]
    assert tests["mcnemar"]["difference"] == pytest.approx(accuracy[0] - accuracy[1])
    p = [entry["p"] for entry in report["tests"]["rule"]]
    assert [entry["p_holm"] for entry in report["tests"]["rule"]] == pytest.approx(
        multipletests(p, method="holm")[1]
    )
    for name, model in (("train_loss", served), ("rule_train_loss", rule)):
        expected = oracle.log_loss(parts.train.label, model.scores(parts.train))
        assert report["gap"][name] == pytest.approx(expected)
    data = xgboost.DMatrix(served.preparation.matrix(parts.holdout))
    columns = served.predictor.booster.predict(data, pred_contribs=True)[:, :-1]  # type: ignore[attr-defined]
    sums = pd.DataFrame(columns.T).groupby(list(served.preparation.features)).sum().T
    assert {entry["feature"]: entry["mean_contribution"] for entry in report["importance"]} == pytest.approx(
        sums.abs().mean().to_dict(), rel=1e-4
    )


def test_fairness_looks_at_declared_attributes(chosen: tuple[dict[str, Any], Path]) -> None:
    entries = chosen[0]["fairness"]["attributes"]
    assert [entry["attribute"] for entry in entries] == ["site", "size"]
    assert {group["group"] for group in entries[1]["groups"]} >= {"below 0", "0 and above"}


def test_an_attribute_need_not_be_a_feature_of_the_model(
    trained: tuple[Path, dict[str, bytes]], tmp_path: Path
) -> None:
    """It is read beside the features; no model and no statistic sees it."""
    fair = {"attributes": [{"feature": "event_month", "kind": "categorical"}], "minimum_rows": 2}
    data = any_table()
    months = [day[:7] for day in data.column("event_date").to_pylist()]
    write_features(tmp_path / "wide", data.append_column("event_month", [months]))
    contract = agreed(compiled(fairness=fair))
    parts, groups = evaluate.read(contract, split.Windows.of(PLAN), tmp_path / "wide")
    assert "event_month" in groups.columns
    assert set(parts.holdout.columns) == set(contract.features)
    assert groups.key.tolist() == parts.holdout.key.tolist()


def test_the_card_follows_the_registrys_schema_and_holds_the_figures(
    chosen: tuple[dict[str, Any], Path],
) -> None:
    report, output = chosen
    found = read_json(output / "evaluation/model_card.json")
    jsonschema.Draft201909Validator(json.loads(SCHEMA.read_text())).validate(found)
    assert len(card.compact(found)) < 60_000
    assert found["intended_uses"]["purpose_of_model"] == "who comes"
    assert found["intended_uses"]["risk_rating"] == "Low"
    assert found["business_details"]["line_of_business"] == "tests"
    details = {detail["name"]: detail for detail in found["evaluation_details"]}
    assert set(details) == {
        "hold-out window",
        "fairness by site",
        "fairness by size",
        "candidates on the validation window",
    }
    groups = {group["name"]: group["metric_data"] for group in details["hold-out window"]["metric_groups"]}
    quality = {entry["name"]: entry["value"] for entry in groups["quality"]}
    assert quality["roc auc"] == pytest.approx(report["candidate"]["metrics"]["roc_auc"]["value"], rel=1e-5)
    [matrix] = groups["confusion matrix"]
    assert matrix["value"] == report["confusion_matrix"]["rows"]
    four = report["confusion"]
    assert matrix["value"][1] == [four["false_negative"], four["true_positive"]]
    [bars] = groups["attributions"]
    assert bars["x_axis_name"][0] == report["importance"][0]["feature"]
    assert {entry["name"] for entry in groups["curves"]} == {"ROC", "precision-recall"}
    sides = details["candidates on the validation window"]["metric_groups"][0]["metric_data"]
    assert all(entry["x_axis_name"] == list(ALL) for entry in sides)


def test_neither_report_nor_card_holds_a_key(chosen: tuple[dict[str, Any], Path]) -> None:
    """Keys are a day and a number behind a bar."""
    texts = [path.read_text() for path in (chosen[1] / "evaluation").iterdir()]
    assert len(texts) == 6
    assert not [text for text in texts if "2024-03-20|" in text or "|00" in text]


def test_the_page_is_one_file_that_escapes_what_comes_from_data(
    chosen: tuple[dict[str, Any], Path],
) -> None:
    from tabular import card_page

    text = (chosen[1] / "evaluation/model_card.html").read_text()
    assert "<svg" in text
    assert not [word for word in ("<script", "http://", "https://", "src=") if word in text]
    found = read_json(chosen[1] / "evaluation/model_card.json")
    found["intended_uses"]["purpose_of_model"] = "<script>alert(1)</script>"
    assert "<script>" not in card_page.render(found, "a <b>title")


def test_a_card_that_is_too_large_loses_its_largest_charts_and_says_so(
    chosen: tuple[dict[str, Any], Path],
) -> None:
    found = read_json(chosen[1] / "evaluation/model_card.json")
    whole = len(card.compact(found))
    smaller = card.bounded(found, largest=whole - 2_000)
    assert len(card.compact(smaller)) <= whole - 2_000
    assert ": " in smaller["additional_information"]["custom_details"]["left out for its size"]
    names = [group["name"] for group in smaller["evaluation_details"][0]["metric_groups"]]
    assert {"quality", "gains", "confusion matrix"} <= set(names)
    jsonschema.Draft201909Validator(json.loads(SCHEMA.read_text())).validate(smaller)


def test_one_candidate_is_taken_as_it_always_was(
    trained: tuple[Path, dict[str, bytes]], tmp_path: Path
) -> None:
    places = lay_out(tmp_path, trained, {"boosted": "xgboost"}, usd_per_hour=None)
    report = evaluate.run(agreed(any_contract()), PLAN, places)
    assert "is the only candidate" in report["chosen"]["reason"]
    assert report["recalibration"]["method"] == "none"
    assert report["recalibration"]["reason"] == "the contract asks for none"
    line = read_json(places.output / "evaluation/candidates.json")["candidates"][0]
    assert (line["usd"], line["name"]) == (None, "boosted")

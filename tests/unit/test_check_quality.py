"""Quality rules: what the language allows, what is measured, and that a broken rule stops the run."""

import json
from pathlib import Path
from typing import Any

import pytest
from lake.dqdl import DqdlError, parse_rule

ROWS = [("a", 1, 10.0), ("b", 2, 20.0), ("b", 3, None)]
SCHEMA = "name string, id long, value double"


def measured(spark: Any, rule: str, rows: list[Any] = ROWS) -> tuple[bool, Any]:
    from lake.quality import check

    report = check({"t": spark.createDataFrame(rows, SCHEMA)}, {"t": [rule]})
    return report.outcomes[0].passed, report.outcomes[0].measured


@pytest.mark.parametrize(
    ("rule", "passed", "value"),
    [
        ("RowCount > 2", True, 3),
        ("RowCount between 3 and 9", False, 3),
        ('ColumnExists "id"', True, 0),
        ('ColumnExists "ids"', False, 1),
        ('IsComplete "id"', True, 0),
        ('IsComplete "value"', False, 1),
        ('IsComplete "value" where "id < 3"', True, 0),
        ('Completeness "value" > 0.6', True, pytest.approx(2 / 3)),
        ('Completeness "value" > 0.7', False, pytest.approx(2 / 3)),
        ('ColumnValues "name" in ["a", "b"]', True, 0),
        ('ColumnValues "id" in [1, 2]', False, 1),
        ('ColumnValues "id" between 0 and 4', True, 0),
        ('ColumnValues "id" between 1 and 4', False, 1),
        ('ColumnValues "value" > 5', False, 1),
        ('ColumnValues "value" > 5 where "value is not null"', True, 0),
        ('ColumnValues "value" != 10', False, 1),
        ('ColumnValues "name" = "a"', False, 2),
        ('IsUnique "id"', True, 0),
        ('IsUnique "name"', False, 2),
        ('Uniqueness "name" > 0.3', True, pytest.approx(1 / 3)),
        ('Uniqueness "name" "id" >= 1', True, 1.0),
        ('IsPrimaryKey "name" "id"', True, 0),
        ('IsPrimaryKey "name" "value"', False, 1),
        ('Mean "value" between 14 and 16', True, 15.0),
        ('Mean "value" < 15', False, 15.0),
        ('IsComplete "nowhere"', False, 1),
    ],
)
def test_rule_measures(spark, rule: str, passed: bool, value: Any) -> None:
    assert measured(spark, rule) == (passed, value)


@pytest.mark.parametrize(
    ("rule", "allowed"),
    [
        pytest.param('CustomSql "select 1"', "RowCount, ColumnExists", id="unknown kind"),
        pytest.param("", "ColumnValues", id="empty"),
        pytest.param('IsComplete "a" "b"', "IsComplete takes 1 quoted columns, got 2", id="too many columns"),
        pytest.param("IsPrimaryKey", "takes 1 or more", id="too few columns"),
        pytest.param('ColumnValues "a"', "takes a condition", id="no condition"),
        pytest.param('IsUnique "a" > 1', "takes no condition", id="needless condition"),
        pytest.param('ColumnValues "a" like "b"', "between 1 and 2", id="unknown comparison"),
        pytest.param('ColumnValues "a" in []', "between 1 and 2", id="empty list"),
        pytest.param('ColumnValues "a" in [1 2]', "between 1 and 2", id="list without commas"),
        pytest.param('ColumnValues "a" between 2 and 1', "the lower number first", id="upside down"),
        pytest.param('Mean "a" > "b"', "compares with numbers", id="mean of text"),
        pytest.param('RowCount > 1 where "a"', "where is read with", id="where of a count"),
        pytest.param('IsComplete "a', "cannot read", id="open quote"),
        pytest.param(7, "a rule is text", id="no text"),
    ],
)
def test_rule_outside_of_the_language_is_refused(rule: Any, allowed: str) -> None:
    with pytest.raises(DqdlError, match=allowed):
        parse_rule(rule)


def test_table_into_which_nothing_arrived_is_not_judged(spark) -> None:
    assert measured(spark, "RowCount > 2", []) == (True, None)
    assert measured(spark, 'Mean "value" > 2', []) == (True, None)


def test_report_names_every_broken_rule(spark) -> None:
    from lake.quality import QualityError, check

    rows = spark.createDataFrame(ROWS, SCHEMA)
    report = check({"t": rows}, {"t": ['IsComplete "value"', 'IsUnique "name"', 'IsComplete "id"']})
    with pytest.raises(QualityError, match='2 quality rules broken: t: got 1, allowed: IsComplete "value"'):
        report.require()
    assert report.content()["passed"] is False
    assert report.content()["rows"] == {"t": 3}


def test_job_writes_its_report_and_stops_the_run(spark, tmp_path: Path) -> None:
    from check_quality import job
    from lake.quality import QualityError

    contract = {
        "tables": {
            "visits": {
                "event_time": "at",
                "columns": {"at": {"type": "timestamp"}, "score": {"type": "number"}},
            }
        },
        "quality": {"visits": ['ColumnValues "score" <= 1'], "features": ['IsComplete "key"']},
    }
    uri = f"file://{tmp_path}/visits/run=r1/month=2024-01"
    row = spark.sql("select timestamp '2024-01-01' as at, 2.0D as score, '' as _ingested_at, '' as _source")
    row.write.parquet(uri)
    arguments = {
        "partitions": {"visits": {"2024-01": uri}, "places": {}},
        "models_uri": f"file://{tmp_path}",
    }
    with pytest.raises(QualityError, match="visits: got 1"):
        job.run(spark, contract, run_id="r1", **arguments)
    report = json.loads((tmp_path / "runs/r1/quality.json").read_text())
    assert report["rules"] == [
        {"table": "visits", "rule": 'ColumnValues "score" <= 1', "passed": False, "measured": 1}
    ]
    # What an older run wrote was checked by that run.
    job.run(spark, contract, run_id="r2", **arguments)
    assert json.loads((tmp_path / "runs/r2/quality.json").read_text()) == {
        "passed": True,
        "rows": {},
        "rules": [],
    }

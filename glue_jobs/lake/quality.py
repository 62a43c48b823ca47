"""DQDL rules on DataFrames: all rules of a table in one aggregation, keys in one more each."""

import operator
from dataclasses import dataclass, field
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from lake.dqdl import Condition, Rule, parse_rule

COMPARE = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "=": operator.eq,
    "!=": operator.ne,
}


class QualityError(ValueError):
    """Data that break their rules: the run stops here and nothing is published."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """`measured` is what the rule compares: a count, a share, a mean, or the number of rows that break it."""

    table: str
    rule: str
    passed: bool
    measured: float | int | None


@dataclass(frozen=True, kw_only=True)
class Report:
    rows: dict[str, int] = field(default_factory=dict)
    outcomes: list[Outcome] = field(default_factory=list)

    def content(self) -> dict[str, Any]:
        """The report as plain data."""
        return {
            "passed": all(outcome.passed for outcome in self.outcomes),
            "rows": self.rows,
            "rules": [vars(outcome) for outcome in self.outcomes],
        }

    def require(self) -> None:
        """Raises QualityError with every rule that does not hold."""
        broken = [
            f"{one.table}: got {one.measured}, allowed: {one.rule}" for one in self.outcomes if not one.passed
        ]
        if broken:
            fix = "look at the rows below curated/<table>/run=<id>/, mend the source and start the run again"
            raise QualityError(f"{len(broken)} quality rules broken: {'; '.join(broken)}: {fix}")


def check(tables: dict[str, DataFrame], rules: dict[str, list[str]]) -> Report:
    """Checks every rule. A table into which nothing arrived is not judged: an empty month is no error."""
    report = Report()
    for name, rows in tables.items():
        parsed = [parse_rule(text) for text in rules.get(name, [])]
        values = _measure(rows, parsed)
        report.rows[name] = values["_rows"]
        for index, rule in enumerate(parsed):
            report.outcomes.append(_outcome(name, rule, rows, values.get(f"_{index}"), values["_rows"]))
    return report


def _measure(rows: DataFrame, rules: list[Rule]) -> dict[str, Any]:
    """One pass for all that is a sum; counting distinct keys needs a shuffle, so each key has its own."""
    sums = [F.count(F.lit(1)).alias("_rows")]
    for index, rule in enumerate(rules):
        expression = _aggregate(rule)
        if expression is not None and set(rule.columns) <= set(rows.columns):
            sums.append(expression.alias(f"_{index}"))
    values = rows.agg(*sums).first().asDict()
    for index, rule in enumerate(rules):
        if rule.kind in {"IsUnique", "IsPrimaryKey", "Uniqueness"} and set(rule.columns) <= set(rows.columns):
            values[f"_{index}"] = _unique_rows(rows, rule)
    return values


def _aggregate(rule: Rule) -> Column | None:
    """A count of rows that break the rule, or the share or mean that it compares."""
    if rule.kind not in {"IsComplete", "Completeness", "ColumnValues", "Mean"}:
        return None
    column = F.col(rule.columns[0])
    chosen = F.expr(rule.where) if rule.where else F.lit(True)
    if rule.kind == "Mean":
        return F.avg(F.when(chosen, column))
    if rule.kind == "Completeness":
        return F.avg(F.when(chosen, column.isNotNull().cast("double")))
    holds = column.isNotNull() if rule.kind == "IsComplete" else _holds(column, rule.condition)
    return F.count(F.when(chosen & ~holds, F.lit(1)))


def _holds(column: Column, condition: Condition | None) -> Column:
    """Never null: as in Glue, a missing value breaks every comparison but !=."""
    if condition is None:
        raise ValueError("ColumnValues takes a condition, got none")
    values = condition.values
    if condition.operator == "in":
        return F.coalesce(column.isin(*values), F.lit(False))
    if condition.operator == "between":
        return F.coalesce((column > values[0]) & (column < values[1]), F.lit(False))
    return F.coalesce(COMPARE[condition.operator](column, values[0]), F.lit(condition.operator == "!="))


def _unique_rows(rows: DataFrame, rule: Rule) -> int:
    """Rows whose key occurs once and, in a primary key, has no missing part."""
    keys = rows.groupBy(*rule.columns).count().where(F.col("count") == 1)
    if rule.kind == "IsPrimaryKey":
        keys = keys.dropna(subset=list(rule.columns))
    return keys.count()


def _outcome(table: str, rule: Rule, rows: DataFrame, value: Any, row_count: int) -> Outcome:
    missing = [column for column in rule.columns if column not in rows.columns]
    measured: float | int | None
    if rule.kind == "ColumnExists" or missing:
        measured, passed = len(missing), not missing
    elif row_count == 0:
        measured, passed = None, True
    elif rule.kind == "RowCount":
        measured, passed = row_count, _compare(row_count, rule.condition)
    elif rule.kind in {"IsUnique", "IsPrimaryKey"}:
        measured, passed = row_count - value, value == row_count
    elif rule.kind == "Uniqueness":
        measured, passed = value / row_count, _compare(value / row_count, rule.condition)
    elif rule.kind in {"Completeness", "Mean"}:
        measured, passed = value, value is not None and _compare(value, rule.condition)
    else:
        measured, passed = value, value == 0
    return Outcome(table=table, rule=rule.text, passed=passed, measured=measured)


def _compare(value: float, condition: Condition | None) -> bool:
    if condition is None:
        raise ValueError("a condition is needed, got none")
    values = condition.values
    if condition.operator == "in":
        return value in values
    if condition.operator == "between":
        return bool(values[0] < value < values[1])
    return bool(COMPARE[condition.operator](value, values[0]))

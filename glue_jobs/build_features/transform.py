"""Curated tables to features: what was known when each event was due, and the label when it is known.

DataFrame in, DataFrame out. A row never sees the future: joins take rows of its own key or an earlier hour,
and histories end with the previous local day, because the labels of the same day are still open.
"""

from typing import Any

from lake import months as calendar
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

LOCAL_DATE = "local_date"
LABEL = "label"
MONTH = "month"
DAY_NUMBER = "_day"
JOINED = "_joined_"
# Problems whose label is a measured amount, not a class.
MEASURED = ("regression", "forecasting", "recommendation", "clustering")


def features(
    contract: dict[str, Any],
    tables: dict[str, DataFrame],
    months: list[str],
    daily: DataFrame | None = None,
) -> DataFrame:
    """The feature rows of the local `months`, one for each row of the base table, sorted by event.

    daily  what `daily_labels` gives for the same months, where the caller has it already
    """
    steps = contract["features"]
    base = contract["tables"][steps["base"]]
    rows = _labelled(contract, tables, months)
    if daily is None:
        daily = daily_labels(contract, tables, months)
    histories = [_history(daily, step) for step in steps["history"]]
    rows = rows.where(_within(contract, months, 0))
    for join in steps["joins"]:
        if join["role"] == "feature":
            rows = _join(rows, tables[join["table"]], join)
    for step, history in zip(steps["history"], histories, strict=True):
        rows = rows.join(F.broadcast(history), [*step["group"], LOCAL_DATE], "left")
    for step in steps["derived"]:
        rows = rows.withColumn(step["name"], F.expr(step["sql"]).cast(step["type"]))
    return _arranged(rows, contract, base)


def daily_labels(contract: dict[str, Any], tables: dict[str, DataFrame], months: list[str]) -> DataFrame:
    """Sum and number of known labels by the groups of all histories and local day, lookback included.

    Kept: one small table serves all histories, and the label join behind it is the dear part.
    """
    rows = _labelled(contract, tables, months)
    return _daily(rows, contract["features"]["history"], contract["model"]["problem"]).persist()


def _labelled(contract: dict[str, Any], tables: dict[str, DataFrame], months: list[str]) -> DataFrame:
    """Rows of the base with local date and label, of the months and the days that they look back to."""
    steps = contract["features"]
    base = contract["tables"][steps["base"]]
    local_time = F.from_utc_timestamp(F.col(base["event_time"]), contract["time_zone"])
    rows = tables[steps["base"]].withColumn(LOCAL_DATE, F.to_date(local_time))
    rows = rows.where(_within(contract, months, lookback_days(contract)))
    for join in steps["joins"]:
        if join["role"] == "label":
            rows = _join(rows, tables[join["table"]], join)
    return rows.withColumn(LABEL, F.expr(steps["label"]["sql"]).cast("double"))


def lookback_days(contract: dict[str, Any]) -> int:
    """How many local days before a month its histories reach."""
    return max((step["days"] for step in contract["features"]["history"]), default=0)


def _within(contract: dict[str, Any], months: list[str], days_before: int) -> Column:
    """Whether the event falls into the months, or the local days before one of them.

    As moments in UTC: compared with two constants, where a time zone would be worked out for each row.
    """
    base = contract["tables"][contract["features"]["base"]]
    moment = F.col(base["event_time"])
    chosen = F.lit(False)
    for start, end in calendar.spans(months, days_before):
        first, last = (calendar.midnight(day, contract["time_zone"]) for day in (start, end))
        chosen = chosen | ((moment >= F.lit(first)) & (moment < F.lit(last)))
    return chosen


def _join(rows: DataFrame, other: DataFrame, join: dict[str, Any]) -> DataFrame:
    """Adds columns of the one other row with this key; null when there is none.

    The contract's compiler made sure that the columns of the join are the whole key of the other table, so no
    row is multiplied. `as_of` takes the other row of exactly that many hours before.
    """
    pairs = {ours: F.col(theirs) for ours, theirs in join["on"].items()}
    conditions = {ours: F.col(ours) for ours in pairs}
    if as_of := join["as_of"]:
        pairs["as_of"] = F.col(as_of["other"])
        shift = F.make_dt_interval(hours=F.lit(as_of["offset_hours"]))
        conditions["as_of"] = F.col(as_of["base"]) + shift
    renamed = other.select(
        *(column.alias(f"{JOINED}{name}") for name, column in pairs.items()),
        *(F.col(theirs).alias(new) for new, theirs in join["columns"].items()),
    )
    condition = [conditions[name] == F.col(f"{JOINED}{name}") for name in pairs]
    return rows.join(renamed, condition, "left").drop(*(f"{JOINED}{name}" for name in pairs))


def _daily(rows: DataFrame, steps: list[dict[str, Any]], problem: str) -> DataFrame:
    """Sum and number of known labels for each combination of all histories' groups and each local day.

    Of a multiclass label there is a sum per class that a history asks for: how many were of it. Sums are
    exact (whole numbers, or decimals for a measured label): no order of rows changes the last bit.
    """
    exact = "decimal(28,9)" if problem in MEASURED else "bigint"
    groups = sorted({column for step in steps for column in step["group"]})
    sums = {sum_column(step): step.get("class") for step in steps}
    return rows.groupBy(*groups, LOCAL_DATE).agg(
        *(
            F.sum((F.col(LABEL) if number is None else F.col(LABEL) == number).cast(exact)).alias(name)
            for name, number in sums.items()
        ),
        F.count(LABEL).alias("_count"),
    )


def sum_column(step: dict[str, Any]) -> str:
    """Of `daily_labels`: what a history is the mean of."""
    return f"_sum_{step['class']}" if "class" in step else "_sum"


def _history(daily: DataFrame, step: dict[str, Any]) -> DataFrame:
    """Mean label of a group, or share of a class, in the `days` local days before each day with an event."""
    group = step["group"]
    days = daily.groupBy(*group, LOCAL_DATE).agg(
        F.sum(sum_column(step)).alias("_sum"), F.sum("_count").alias("_count")
    )
    day = F.datediff(F.col(LOCAL_DATE), F.lit("1970-01-01").cast("date"))
    before = Window.partitionBy(*group).orderBy(DAY_NUMBER).rangeBetween(-step["days"], -1)
    known = F.sum("_count").over(before)
    mean = F.sum("_sum").over(before).cast("double") / known
    return (
        days.withColumn(DAY_NUMBER, day)
        .withColumn(step["name"], F.when(known >= step["minimum_count"], mean))
        .select(*group, LOCAL_DATE, step["name"])
    )


def _arranged(rows: DataFrame, contract: dict[str, Any], base: dict[str, Any]) -> DataFrame:
    columns = contract["features"]["columns"]
    arranged = rows.select(
        F.concat_ws("|", *(F.col(column).cast("string") for column in base["primary_key"])).alias("key"),
        F.col(base["event_time"]).alias("event_time"),
        F.col(LOCAL_DATE).cast("string").alias("event_date"),
        *(F.col(name).cast(kind).alias(name) for name, kind in columns.items()),
        F.col(LABEL),
        F.date_format(LOCAL_DATE, "yyyy-MM").alias(MONTH),
    )
    return arranged.repartition(MONTH).sortWithinPartitions(MONTH, "event_time", "key")

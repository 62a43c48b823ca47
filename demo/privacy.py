"""What a run shows of persons: as many tokens as identifiers, how many are alike, and nobody in the clear."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from demo.story import Story

Class = tuple[Any, ...]


def gather(story: Story) -> dict[str, Any]:
    return {
        "tokens": tokens(story),
        "rotations": rotations(story),
        "anonymity": [*curated(story), *features(story)],
        "search": search(story),
    }


def tokens(story: Story) -> list[dict[str, Any]]:
    """How many different identifiers were sent in good records, by table and column, and tokens of them."""
    found = []
    for (table, column), sent in sorted(story.told.identifiers.items()):
        rows = story.analyst.curated(table, [column])
        clear = {value for _, value in sent}
        found.append(
            {
                "table": table,
                "column": column,
                "identifiers": len(sent),
                "tokens": len({row[column] for row in rows} - {None}),
                "clear": sum(str(row[column]) in clear for row in rows),
            }
        )
    return found


def rotations(story: Story) -> list[str]:
    """When the token keys were renewed, as the function's own log tells it."""
    logs = story.account.site.client("logs")
    found = []
    for page in logs.get_paginator("describe_log_groups").paginate():
        for group in page["logGroups"]:
            if "TokenKeysRotate" in group["logGroupName"]:
                pages = logs.get_paginator("filter_log_events").paginate(
                    logGroupName=group["logGroupName"], filterPattern='"rotated"'
                )
                found += [event["timestamp"] for each in pages for event in each["events"]]
    return [str(at) for at in sorted(found)]


# -- how many are alike


def curated(story: Story) -> list[dict[str, Any]]:
    """k-anonymity of every table with quasi-identifiers, over what the catalogue's partitions hold."""
    found = []
    for name, table in story.contract["tables"].items():
        wish = table["anonymity"]
        if wish is not None:
            rows = story.analyst.curated(name, [wish["subject"], *wish["quasi_identifiers"]])
            pairs = ((row[wish["subject"]], _class(row, wish["quasi_identifiers"])) for row in rows)
            found.append({"table": name, "below": wish["below"]} | measure(pairs, wish["k"]))
    return found


def features(story: Story) -> list[dict[str, Any]]:
    """The same of the feature rows, whose subjects are found by way of the base table's rows."""
    contract = story.contract
    base = contract["features"]["base"]
    key = contract["tables"][base]["primary_key"]
    found = []
    for join in contract["features"]["joins"]:
        wish = contract["tables"][join["table"]]["anonymity"]
        carried = _carried(contract, join) if wish else []
        subject = next(
            (ours for ours, other in join["on"].items() if wish and other == wish["subject"]), None
        )
        if not carried or subject is None:
            continue
        rows = story.analyst.curated(base, [*key, subject])
        subjects = {"|".join(str(row[name]) for name in key): row[subject] for row in rows}
        pairs = (
            (subjects.get(row["key"]), _class(row, carried))
            for month in story.analyst.feature_months()
            for row in story.analyst.feature_columns(month, ["key", *carried])
        )
        found.append({"table": "features", "below": "tell"} | measure(pairs, wish["k"]))
    return found


def _carried(contract: dict[str, Any], join: dict[str, Any]) -> list[str]:
    """Columns of the feature table that hold a quasi-identifier of the joined table, or are made of one."""
    quasi = contract["tables"][join["table"]]["anonymity"]["quasi_identifiers"]
    joined = {new for new, theirs in join["columns"].items() if theirs in quasi}
    made = {step["name"] for step in contract["features"]["derived"] if joined & set(_words(step["sql"]))}
    return [name for name in contract["features"]["columns"] if name in joined | made]


def _words(sql: str) -> list[str]:
    return "".join(sign if sign.isalnum() or sign == "_" else " " for sign in sql).split()


def _class(row: dict[str, Any], columns: list[str]) -> Class:
    return tuple(row[name] for name in columns)


def measure(pairs: Iterable[tuple[Any, Class]], k: int) -> dict[str, Any]:
    """Of (subject, class) of each row: the smallest class, and the share of rows in classes below `k`.

    A class is counted in subjects of one epoch. Rows of which nothing is told are in no class.
    """
    subjects: defaultdict[tuple[str, Class], set[Any]] = defaultdict(set)
    rows: defaultdict[tuple[str, Class], int] = defaultdict(int)
    untold = 0
    for subject, alike in pairs:
        if all(value is None for value in alike):
            untold += 1
            continue
        epoch = "_".join(str(subject).split("_")[:2]) if subject is not None else ""
        rows[(epoch, alike)] += 1
        if subject is not None:
            subjects[(epoch, alike)].add(subject)
    small = sum(count for alike, count in rows.items() if len(subjects[alike]) < k)
    told = sum(rows.values())
    return {
        "wanted": k,
        "smallest": min((len(subjects[alike]) for alike in rows), default=None),
        "classes": len(rows),
        "rows": told + untold,
        "untold": untold,
        "rows_below": small,
        "share_below": small / told if told else 0.0,
    }


# -- nobody in the clear


def search(story: Story) -> dict[str, Any]:
    """Every identifier that was sent, looked for in everything that the account holds.

    It may be where decision 11 leaves it: in files as they landed, in what could not be taken apart, and in
    the stream, on its way to the door.
    """
    values = sorted({value for sent in story.told.identifiers.values() for _, value in sent})
    if not values:  # a data set without persons
        return {"values": 0, "bytes": 0, "allowed": {}, "forbidden": []}
    files = [f"s3://{story.outputs['LandingBucketName']}/landing/"]
    records = [
        f"s3://{story.outputs['RawBucketName']}/errors/",
        f"kinesis/streams/{story.outputs['StreamName']}/",
    ]
    # Where nobody sends identifiers, there are none to be found.
    sent = {story.contract["tables"][table]["source"] for table, _ in story.told.identifiers}
    allowed = files * ("batch" in sent) + records * ("stream" in sent)
    found: dict[str, Any] = story.account.ask("search", values=values, allowed=allowed)
    return found

"""The story: months of data arrive, a model is trained, serves, drifts, is challenged and replaced.

Nothing is staged: every step asks the deployed stacks to do their work, and what they decide is what the
report shows.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)
from shared.epochs import epoch_of

from demo.account import Account
from demo.actors import ActorError, Answer, Client, Producer, Uploader
from demo.analyst import Analyst
from demo.operator import Operator
from demo.source import Row, Source, months_between, next_month

FORMAT = "%Y-%m-%d %H:%M"


def instant(month: str, *, day: int, hour: int, minute: int = 0) -> datetime:
    """UTC."""
    first = date.fromisoformat(f"{month}-01")
    return datetime(first.year, first.month, day, hour, minute, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Plot:
    """What the story uses of the data set. `history` months arrive before the first training."""

    start: date
    end: date
    history_months: int
    rows_a_month: int | None  # None: all of them
    # How it goes, as far as the data set decides it: drift, promotion, bad model (someone tries one).
    expects: tuple[str, ...] = ("drift", "promotion", "bad model")

    @property
    def months(self) -> list[str]:
        return months_between(self.start, self.end)


@dataclass
class Sent:
    """Records of a table as they were sent: how many, of them again, and of them in files to be refused."""

    records: int = 0
    copies: int = 0
    in_refused_files: int = 0
    keys: set[int] = field(default_factory=set)

    def add(self, rows: list[Row], key: list[str], epoch: str = "") -> None:
        """Good records; copies are those whose key was sent before, of a dimension in the same epoch."""
        before = len(self.keys)
        self.keys.update(hash((epoch, *(row.get(name) for name in key))) for row in rows)
        self.records += len(rows)
        self.copies += len(rows) - (len(self.keys) - before)


@dataclass
class Told:
    """What the story saw itself; everything else the report asks the account for."""

    chapters: list[dict[str, Any]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    sent: dict[str, Sent] = field(default_factory=dict)
    # (table, column) -> direct identifiers as they were sent in good records, each with its epoch
    identifiers: dict[tuple[str, str], set[tuple[str, str]]] = field(default_factory=dict)
    answers: dict[str, list[Answer]] = field(default_factory=dict)
    seen_at: dict[str, str] = field(default_factory=dict)
    meant_denials: list[tuple[str, str, str]] = field(default_factory=list)  # role, action, why it was tried
    bulk: dict[str, Any] | None = None  # rows, and the largest difference to the endpoint's answers

    @property
    def records(self) -> int:
        return sum(sent.records for sent in self.sent.values())


class Story:
    def __init__(
        self,
        account: Account,
        contract: dict[str, Any],
        outputs: dict[str, str],
        plot: Plot,
        console: Console,
        source: Source | None = None,
    ) -> None:
        """`source`: other data than the contract's own; tests tell the story without drift, or poisoned."""
        self.account = account
        self.contract = contract
        self.outputs = outputs
        self.plot = plot
        self.console = console
        self.told = Told()
        site = account.site
        keys = {name: table["primary_key"] for name, table in contract["tables"].items()}
        self.producer = Producer(site, outputs["ProducerRoleArn"], outputs["StreamName"], keys)
        self.uploader = Uploader(site, outputs["UploaderRoleArn"], outputs["LandingBucketName"])
        self.client = Client(site, outputs["ClientRoleArn"], outputs["EndpointName"])
        self.analyst = Analyst(site, outputs)
        self.operator = Operator(site, outputs)
        self.source = source or Source(contract, plot.start, plot.end)
        self._tried_bad_model = "bad model" not in plot.expects
        self._seen_alarms: set[str] = set()
        self._seen_executions: set[str] = set()
        self._seen_runs: set[str] = set()

    def tell(self) -> Told:
        """History, the first champion, then month after month; `told` is complete up to where it stops."""
        months = self.plot.months
        history, live = months[: self.plot.history_months], months[self.plot.history_months :]
        self.account.set_clock(instant(live[0], day=1, hour=6))
        with self.chapter(f"{history[0]} to {history[-1]} arrive at once") as note:
            self._dimensions_arrive()
            for month in history:
                self._month_arrives(month)
            note(f"{self.told.records:,} records sent")
        with self.chapter("a poisoned batch is quarantined") as note:
            note(self._poisoned_batch(history[-1]))
        with self.chapter("people try what their roles do not allow") as note:
            note(self._trespass())
        with self.chapter("the first model is trained, by schedule") as note:
            note(self._first_training(live[0]))
        for month in live:
            with self.chapter(f"{month}: served, watched, judged") as note:
                note(self._live_month(month, first=month == live[0], last=month == live[-1]))
        return self.told

    # -- chapters

    def _dimensions_arrive(self) -> None:
        grain = self.contract["token_epochs"]["grain"]
        epochs = sorted({epoch_of(f"{month}-01", grain) for month in self.plot.months})
        for table, rows in self.source.dimensions.items():
            for epoch in epochs if self._identifying(table) else [""]:
                self.uploader.upload_csv(table, f"epoch={epoch}/all" if epoch else "all", rows)
                self._sent(table).add(rows, self.producer.keys[table], epoch)
                self._note_identifiers(table, rows, epoch)

    def _month_arrives(self, month: str) -> None:
        """Streamed tables record by record, the others as a file each; both are filed before this ends."""
        kept = self._share(month)
        epoch = epoch_of(f"{month}-01", self.contract["token_epochs"]["grain"])
        for table in self.source.streamed:
            rows = self._slice(table, self.source.month(table, month), kept)
            with self._bar(f"{month} {table} on the stream", len(rows)) as advance:
                self.producer.send(table, rows, advance)
            self._sent(table).add(rows, self.producer.keys[table])
            self._note_identifiers(table, rows, epoch)
        for table in self.source.landed:
            rows = self._slice(table, self.source.month(table, month), kept)
            if rows:
                self.uploader.upload_csv(table, month, rows)
                self._sent(table).add(rows, self.producer.keys[table])
                self._note_identifiers(table, rows, epoch)
        self.account.ask("flush")
        self.account.settle()

    def _poisoned_batch(self, month: str) -> str:
        """A file with numbers in the wrong unit and partly missing, and bytes that are no records at all."""
        table = self.source.landed[0]
        columns = self.contract["tables"][table]["columns"]
        ranged = [
            name for name, column in columns.items() if "maximum" in column and not column.get("required")
        ]
        rows = self._slice(table, self.source.month(table, month), self._share(month))[:200]
        broken = [
            {**row, ranged[0]: columns[ranged[0]]["maximum"] * 1000 + number}
            for number, row in enumerate(rows)
        ]
        # As many as a file may have before it is set aside as a whole.
        count = min(10, int(len(rows) * self.contract["tables"][table]["max_rejected_share"]))
        few = [*broken[:count], *rows[count:]]
        all_of_it = [{**row, next(iter(columns)): ""} for row in broken]
        before = sum(self.analyst.set_aside(table).values())
        self.uploader.upload_csv(table, "some-rows-poisoned", few)
        self.uploader.upload_csv(table, "poisoned", all_of_it)
        broken_records = [b"\xff\xfe not text", b'{"table": "nowhere", "record": {}}', b"[1, 2"]
        self.producer.send_raw(broken_records)
        for streamed in self.source.streamed[:1]:
            self._bad_events(streamed, month)
        self.account.ask("flush")
        self.account.settle()
        after = sum(self.analyst.set_aside(table).values())
        if after - before != count + 1:
            raise ActorError(
                f"{after - before} entries of {table} in quarantine, not {count} rows and one file"
            )
        sent = self._sent(table)
        sent.add(rows[count:], self.producer.keys[table])
        sent.records += count + len(all_of_it)
        sent.in_refused_files += len(all_of_it)
        self._event(
            "quarantine",
            f"{table}: {count} rows of a file out of range, and a file of {len(rows)} bad rows whole",
        )
        events = len(self.source.streamed[:1])
        return (
            f"{count} rows and one whole file of {table} and {events} records of the stream in quarantine; "
            f"{len(broken_records) + events} broken stream records under errors/"
        )

    def _bad_events(self, table: str, month: str) -> None:
        """Two with identifiers: a value out of range, set aside with tokens, and a column nobody declared."""
        columns, key = self.contract["tables"][table]["columns"], self.producer.keys[table]
        ranged = next(name for name, each in columns.items() if "maximum" in each and name not in key)
        row = self.source.month(table, month)[0]
        self.producer.send(table, [{**row, ranged: columns[ranged]["maximum"] * 1000}])
        self._sent(table).records += 1
        undeclared = {"table": table, "record": {**row, "undeclared": 1}}
        self.producer.send_raw([json.dumps(undeclared).encode()])

    def _trespass(self) -> str:
        """Each of these has to be refused; any other refusal of the whole story is an error of the stacks."""
        attempts = (
            ("ClientRoleArn", "s3:GetObject", "a client reads a model", self._read_a_model),
            (
                "ProducerRoleArn",
                "kinesis:GetShardIterator",
                "a producer reads the stream",
                self._read_the_stream,
            ),
            ("AnalystRoleArn", "s3:GetObject", "an analyst reads raw records", self._read_raw_records),
        )
        for role, action, why, attempt in attempts:
            try:
                attempt(self.outputs[role])
            except ClientError as refused:
                if refused.response["Error"]["Code"] not in {"AccessDenied", "AccessDeniedException", "403"}:
                    raise
            else:
                raise ActorError(f"not refused: {why}")
            self.told.meant_denials.append((self.outputs[role], action, why))
        return f"{len(attempts)} attempts, all refused"

    def _read_a_model(self, role: str) -> None:
        s3 = self.account.site.client("s3", role)
        s3.get_object(Bucket=self.outputs["ModelsBucketName"], Key="runs/any/model/model.tar.gz")

    def _read_the_stream(self, role: str) -> None:
        self.account.site.client("kinesis", role).get_shard_iterator(
            StreamName=self.outputs["StreamName"],
            ShardId="shardId-000000000000",
            ShardIteratorType="TRIM_HORIZON",
        )

    def _read_raw_records(self, role: str) -> None:
        s3 = self.account.site.client("s3", role)
        s3.get_object(Bucket=self.outputs["RawBucketName"], Key="raw/any")

    def _first_training(self, month: str) -> str:
        # The training instance is taken away half-way, as managed Spot may; it goes on from its checkpoint.
        self.account.fault("spot", "*", times=1)
        self._event("fault", "the training instance is taken away half-way (managed Spot)")
        self._move_to(instant(month, day=2, hour=3, minute=30))  # past the refresh
        self._move_to(instant(month, day=2, hour=5))  # past the quarterly retraining
        # Past the first look at an endpoint that nobody asked yet.
        self._move_to(instant(month, day=6, hour=8))
        return self._standing()

    def _live_month(self, month: str, *, first: bool, last: bool) -> str:
        """The month's data arrive; its rows are asked for as soon as their features are there; then the
        labels are in, the monitoring looks, and what it starts runs to its end or until it waits.
        """
        after = f"{next_month(date.fromisoformat(f'{month}-01')):%Y-%m}"
        self._move_to(instant(month, day=20, hour=12))
        self._month_arrives(month)
        if first:
            # A Spark job dies once; the state machine has to try again.
            self.account.fault("glue", "*", times=1)
            self._event("fault", "a Glue job dies half-way through")
        # Past the refresh, before anything is trained on it.
        self._move_to(instant(after, day=2, hour=3, minute=30))
        rows = self.analyst.feature_rows(month)
        with self._bar(f"{month} predictions", len(rows)) as advance:
            self.told.answers[month] = self.client.predict(rows, on_answer=advance)
        self.account.ask("flush-captures")
        if last:
            self._score_in_bulk(month)
        self._move_to(instant(after, day=2, hour=5))  # past the quarterly retraining
        self._move_to(instant(after, day=6, hour=8))  # past the monitoring, and what it starts
        self._move_to(instant(after, day=8, hour=8))  # past the next look at a challenger
        if not self._tried_bad_model and not self.operator.is_running("retraining"):
            self._bad_model(through=f"{after}-02")
        return self._standing()

    def _score_in_bulk(self, month: str) -> None:
        """The whole month once more by batch transform: the same model has to give the same scores."""
        arn = self.operator.start("bulk scoring", {"input_uri": self.analyst.feature_uri(month)})
        self.account.settle()
        scores = self.analyst.bulk_scores(self.operator.output(arn)["scores"]["output_uri"])
        online = {a.key: a.values for a in self.told.answers[month] if a.variant == "champion"}
        missing = len(online.keys() - scores.keys())
        if missing:
            raise ActorError(f"{missing} of {len(online)} rows that the endpoint scored are missing in bulk")
        difference = max(
            (
                abs(bulk - asked)
                for key, values in online.items()
                for bulk, asked in zip(scores[key], values, strict=True)
            ),
            default=0.0,
        )
        self.told.bulk = {"rows": len(online), "largest_difference": difference}

    def _bad_model(self, *, through: str) -> None:
        """Someone retrains with settings that cannot learn; the gate has to say no.

        Once, when no challenger bakes.
        """
        self._tried_bad_model = True
        self._retrain(
            {
                "trigger": "manual",
                "action": "retrain",
                "through": through,
                "hyperparameters": {"num_round": "25", "max_depth": "2"},
            }
        )

    # -- what the chapters are made of

    def _retrain(self, payload: dict[str, Any]) -> str:
        arn = self.operator.start(
            "retraining", payload | {"time": self.account.now().strftime("%Y-%m-%dT%H:%M:%SZ")}
        )
        self.account.settle()
        self._notice()
        return arn

    def _standing(self) -> str:
        champion = self.operator.champion()
        return f"champion: {champion['run_id'] if champion else 'the rule baseline'}"

    def _notice(self) -> None:
        """Write down what is new since the last look: alarms, executions, how runs ended."""
        for name, reason in self.operator.ringing().items():
            if name not in self._seen_alarms:
                self._event("alarm", f"{name}: {reason}")
        self._seen_alarms = set(self.operator.ringing())
        for execution in self.operator.executions():
            if execution["arn"] in self._seen_executions:
                continue
            self._seen_executions.add(execution["arn"])
            self.told.seen_at[execution["arn"]] = self.account.now().isoformat()
            given = execution["input"]
            if execution["machine"] == "retraining" and given.get("action") == "retrain":
                self._event(
                    "retraining", f"started by {given.get('trigger')} {given.get('alarm', '')}".strip()
                )
        for run in self.operator.runs():
            if run["run_id"] in self._seen_runs or run["outcome"] == "refreshed":
                continue
            self._seen_runs.add(run["run_id"])
            kind = {"promoted": "promotion", "failed": "failure"}.get(run["outcome"], "refusal")
            self._event(kind, f"{run['run_id']} {run['outcome']}: {run.get('reason', '')}")

    def _move_to(self, when: datetime) -> None:
        """Let time pass in steps, so that what one schedule started is done before the next one fires."""
        while (now := self.account.now()) < when:
            self.account.set_clock(min(when, now + timedelta(days=15)))
            self.account.settle()
        self._notice()

    def _identifying(self, table: str) -> list[str]:
        """The columns of a table that are direct identifiers."""
        columns = self.contract["tables"][table]["columns"]
        return [name for name, column in columns.items() if "token" in column]

    def _note_identifiers(self, table: str, rows: list[Row], epoch: str) -> None:
        for column in self._identifying(table):
            values = {(epoch, str(row[column])) for row in rows if row.get(column) is not None}
            self.told.identifiers.setdefault((table, column), set()).update(values)

    def _sent(self, table: str) -> Sent:
        return self.told.sent.setdefault(table, Sent())

    def pass_time(self, *steps: timedelta) -> None:
        """Let time pass, and what it starts run to its end or until it waits."""
        for step in steps:
            self._move_to(self.account.now() + step)

    def _share(self, month: str) -> float:
        """The share of this month's rows that the story uses: the same for a fact and its outcome."""
        if self.plot.rows_a_month is None:
            return 1.0
        table = self.contract["features"]["base"]
        return min(1.0, self.plot.rows_a_month / max(len(self.source.month(table, month)), 1))

    def _slice(self, table: str, rows: list[Row], share: float) -> list[Row]:
        shared_key = self.contract["tables"][self.contract["features"]["base"]]["primary_key"]
        if share >= 1.0 or not set(shared_key) <= set(self.contract["tables"][table]["columns"]):
            return rows
        chosen = []
        for row in rows:
            draw = random.Random("|".join(str(row[name]) for name in shared_key)).random()  # noqa: S311
            if draw < share:
                chosen.append(row)
        return chosen

    def _event(self, kind: str, text: str) -> None:
        now = self.account.now()
        self.told.events.append({"time": now.isoformat(), "kind": kind, "text": text})
        self.console.print(f"  [dim]{now:%Y-%m-%d %H:%M}[/dim]  {kind}: {text}", markup=True)

    @contextmanager
    def chapter(self, title: str) -> Iterator[Callable[[str], None]]:
        began = time.monotonic()
        texts: list[str] = []
        self.console.print(f"[bold]{title}[/bold]")
        try:
            yield texts.append
        finally:
            seconds = time.monotonic() - began
            text = "; ".join(texts)
            self.told.chapters.append({"title": title, "seconds": seconds, "text": text})
            self.console.print(f"  [dim]{seconds:5.1f} s[/dim]  {text}")

    @contextmanager
    def _bar(self, title: str, total: int) -> Iterator[Callable[[int], None]]:
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=self.console, transient=True) as progress:
            task = progress.add_task(title, total=total)
            yield lambda count: progress.advance(task, count)

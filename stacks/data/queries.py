"""Queries: a workgroup that limits what a query may read and encrypts what it finds, and the role of those
who ask.
"""

from __future__ import annotations

from typing import Any

from aws_cdk import aws_athena as athena
from aws_cdk import aws_kms as kms
from constructs import Construct

from security import grants
from security.roles import PersonRole, arn
from settings import Settings
from stacks.data.catalogue import FEATURES, PARTITION
from stacks.data.feature_store import OFFLINE, FeatureStore
from stacks.data.lake import ANALYSTS, Lake
from stacks.data.point_in_time import can_join, point_in_time

MEBIBYTE = 1024 * 1024


class Queries(Construct):
    """
    workgroup  every query of the named ones and of people runs in it; its settings cannot be overridden
    analyst    asks the catalogue through Athena, and reads what runs made: reports, and models to look into;
               no raw records, no landing files
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: Settings,
        contract: dict[str, Any],
        lake: Lake,
        key: kms.IKey,
        store: FeatureStore | None,
    ) -> None:
        super().__init__(scope, construct_id)
        self._stored = [group.table for group in store.groups] if store else []
        # Named: one asks for a workgroup by its name, on every call.
        self.workgroup_name = settings.prefix
        self.workgroup = athena.CfnWorkGroup(
            self,
            "WorkGroup",
            name=self.workgroup_name,
            description="Queries over the lake",
            recursive_delete_option=not settings.base.keep_on_destroy,
            work_group_configuration=_configuration(settings, lake, key),
        )
        self._named(settings.database, queries(contract) | looked_up(contract, store))
        self.analyst = PersonRole(self, "Analyst", path=f"/{settings.prefix}/{ANALYSTS}/")
        self._let_ask(settings.database, lake)

    def _named(self, database: str, named: dict[str, tuple[str, str]]) -> None:
        for name, (description, text) in named.items():
            query = athena.CfnNamedQuery(
                self,
                name,
                database=database,
                description=description,
                name=description,
                query_string=text,
                work_group=self.workgroup_name,
            )
            query.node.add_dependency(self.workgroup)

    def _let_ask(self, database: str, lake: Lake) -> None:
        asking = ("GetNamedQuery", "GetQueryExecution", "GetQueryResults", "GetWorkGroup", "ListNamedQueries")
        acting = ("StartQueryExecution", "StopQueryExecution")
        grants.allow(
            self.analyst,
            [f"athena:{action}" for action in (*asking, *acting)],
            [arn("athena", f"workgroup/{self.workgroup_name}")],
        )
        reading = ("GetDatabase", "GetPartition", "GetPartitions", "GetTable", "GetTables")
        grants.allow(
            self.analyst,
            [f"glue:{action}" for action in reading],
            [
                arn("glue", "catalog"),
                arn("glue", f"database/{database}"),
                *(arn("glue", f"table/{database}/{name}") for name in [*lake.tables, *self._stored]),
            ],
        )
        grants.read_objects(self.analyst, lake.curated, "curated/")
        grants.read_objects(self.analyst, lake.features, "features/")
        if self._stored:
            grants.read_objects(self.analyst, lake.features, OFFLINE)
        # What was set aside, to decide on a re-drive; identifiers are tokens there. raw/ is not read.
        grants.read_objects(self.analyst, lake.raw, "quarantine/")
        grants.read_objects(self.analyst, lake.models, "runs/")
        grants.read_objects(self.analyst, lake.models, "monitor/")
        # Scores of batch transforms, and answers of one's own queries.
        grants.read_objects(self.analyst, lake.results, "bulk_scores/")
        grants.read_objects(self.analyst, lake.results, "results/")
        grants.write_objects(self.analyst, lake.results, "results/", in_parts=True)
        grants.allow(self.analyst, ["s3:GetBucketLocation"], [lake.results.bucket_arn])


def _configuration(
    settings: Settings, lake: Lake, key: kms.IKey
) -> athena.CfnWorkGroup.WorkGroupConfigurationProperty:
    return athena.CfnWorkGroup.WorkGroupConfigurationProperty(
        bytes_scanned_cutoff_per_query=settings.lake.query_scan_limit_mb * MEBIBYTE,
        enforce_work_group_configuration=True,
        publish_cloud_watch_metrics_enabled=True,
        result_configuration=athena.CfnWorkGroup.ResultConfigurationProperty(
            encryption_configuration=athena.CfnWorkGroup.EncryptionConfigurationProperty(
                encryption_option="SSE_KMS", kms_key=key.key_arn
            ),
            output_location=f"s3://{lake.results.bucket_name}/results/",
        ),
    )


def queries(contract: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """Construct id -> (what it answers, SQL), for any contract."""
    counts = "\nUNION ALL\n".join(
        _select(f"'{table}' AS table_name, {PARTITION}, count(*) AS row_count", f'"{table}"', PARTITION)
        for table in [*contract["tables"], FEATURES]
    )
    missing = ",\n".join(
        f'  avg(CASE WHEN "{column}" IS NULL THEN 1.0 ELSE 0.0 END) AS "{column}"'
        for column in contract["features"]["columns"]
    )
    ordered = f"{PARTITION} ORDER BY {PARTITION}"
    labels = f"{PARTITION}, count(*) AS row_count, count(label) AS labelled, avg(label) AS mean_label"
    return {
        "RowsByMonth": ("Rows by table and month", f"{counts}\nORDER BY table_name, {PARTITION}"),
        "LabelByMonth": (
            "Labels by month: how many are known, and their mean",
            _select(labels, FEATURES, ordered),
        ),
        "MissingByMonth": (
            "Share of missing values by feature and month",
            _select(f"{PARTITION},\n{missing}", FEATURES, ordered),
        ),
        "FilesByMonth": (
            "Which run's files the catalogue points at",
            _select(f'{PARTITION}, "$path" AS file', FEATURES, f'{PARTITION}, "$path" ORDER BY {PARTITION}'),
        ),
    }


def looked_up(contract: dict[str, Any], store: FeatureStore | None) -> dict[str, tuple[str, str]]:
    """A query per feature group, as of each event; to see what was served: docs/operations.md."""
    entities = {entity["name"]: entity for entity in contract["features"]["entities"]}
    columns = contract["features"]["columns"]
    return {
        f"AsOf{''.join(part.capitalize() for part in group.entity.split('_'))}": (
            f"What the feature store held by {' and '.join(entities[group.entity]['columns'])} at each event",
            point_in_time(entities[group.entity], group.table),
        )
        for group in (store.groups if store else [])
        if can_join(entities[group.entity], columns)
    }


def _select(columns: str, table: str, grouped: str) -> str:
    return f"SELECT {columns}\nFROM {table}\nGROUP BY {grouped}"  # noqa: S608  nothing in it comes from a user

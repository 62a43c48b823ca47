"""Lake: landing, raw, curated, features, models, captures; a table for each contract table; queries over
them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aws_cdk import Duration
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from security.buckets import BucketKeeping, PrivateBucket, Reach
from security.roles import roles_below
from settings import LakeSettings, Settings
from stacks.data.catalogue import Catalogue

# Folders of IAM roles that bucket policies name; whoever works outside the VPC has a role in one of them.
DELIVERY, UPLOADERS, ANALYSTS, SERVING = "delivery", "uploaders", "analysts", "serving"
FEATURE_STORE = "feature-store"


class Lake(Construct):
    """
    landing   files as people drop them; gone after `landing_retention_days`
    raw       records as they arrived, identifiers already tokens; quarantine and undecodable ones beside them
    curated   typed, without duplicates; a folder per run, of which the catalogue points at the newest
    features  one row per primary key; a folder per run likewise
    models    what runs made: manifests, models, reports
    captures  what was asked of the endpoint, and what it answered
    results   of queries

    Nothing is overwritten or deleted by a run: publishing moves the catalogue's partitions to a new folder.
    So no lifecycle rule may expire curated/ or features/ by age, as an old month's folder is still read.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: Settings,
        contract: dict[str, Any],
        key: kms.IKey,
        models_key: kms.IKey,
        keeping: BucketKeeping,
        endpoint_id: str,
    ) -> None:
        super().__init__(scope, construct_id)
        self._prefix, self._keeping, self._endpoint_id = settings.prefix, keeping, endpoint_id
        lake = settings.lake
        self.landing = self._bucket(
            "Landing", key, [_expire("", lake.landing_retention_days)], roles=[UPLOADERS], notifies=True
        )
        self.raw = self._bucket("Raw", key, _raw_rules(lake), roles=[DELIVERY, ANALYSTS])
        self.curated = self._bucket(
            "Curated",
            key,
            [_expire("rejected/", lake.quarantine_retention_days), *_cheaper("curated/", lake)],
            roles=[ANALYSTS],
            services=["athena"],
        )
        self.features = self._bucket(
            "Features",
            key,
            _cheaper("features/", lake),
            # The feature store writes its offline half from outside the VPC.
            roles=[ANALYSTS, *([FEATURE_STORE] if settings.feature_store else [])],
            services=["athena"],
        )
        self.models = self._bucket(
            "Models",
            models_key,
            [_expire("checkpoints/", lake.superseded_retention_days)],
            roles=[ANALYSTS],
        )
        self.captures = self._bucket(
            "Captures", models_key, [_expire("", lake.capture_retention_days)], roles=[SERVING]
        )
        self.results = self._bucket(
            "Results",
            key,
            [_expire("", lake.result_retention_days)],
            roles=[ANALYSTS],
            services=["athena"],
        )
        self._catalogue = Catalogue(
            self,
            "Catalogue",
            contract=contract,
            database_name=settings.database,
            curated=self.curated,
            features=self.features,
        )
        self.database = self._catalogue.database
        self.tables = self._catalogue.tables

    def _bucket(
        self,
        construct_id: str,
        key: kms.IKey,
        rules: Sequence[s3.LifecycleRule],
        *,
        roles: Sequence[str] = (),
        services: Sequence[str] = (),
        notifies: bool = False,
    ) -> PrivateBucket:
        return PrivateBucket(
            self,
            construct_id,
            key=key,
            keeping=self._keeping,
            reach=Reach(
                endpoint_id=self._endpoint_id,
                roles=[roles_below(self._prefix, folder) for folder in roles],
                services=services,
            ),
            lifecycle_rules=rules,
            notifies=notifies,
        )


def _raw_rules(lake: LakeSettings) -> list[s3.LifecycleRule]:
    return [
        _expire("raw/", lake.raw_retention_days),
        _expire("quarantine/", lake.quarantine_retention_days),
        # Clear text: what could not be checked, and its copies after a redrive.
        *(_expire(prefix, lake.error_retention_days) for prefix in ("errors/", "redriven/")),
        *_cheaper("raw/", lake),
    ]


def _expire(prefix: str, days: int) -> s3.LifecycleRule:
    name = f"expire-{prefix.rstrip('/') or 'all'}"
    return s3.LifecycleRule(id=name, prefix=prefix or None, expiration=Duration.days(days))


def _cheaper(prefix: str, lake: LakeSettings) -> list[s3.LifecycleRule]:
    if lake.infrequent_after_days is None:
        return []
    transition = s3.Transition(
        storage_class=s3.StorageClass.INFREQUENT_ACCESS,
        transition_after=Duration.days(lake.infrequent_after_days),
    )
    return [s3.LifecycleRule(id=f"cheaper-{prefix.rstrip('/')}", prefix=prefix, transitions=[transition])]

"""Copies: a bucket for each zone that is replicated, as private as its original, under keys of this Region.

S3 decrypts with the original's key and encrypts with the copy's: it makes no use of multi-Region keys, and
keys of their own cannot be lost together (docs/decisions/0057-second-region.md).
"""

from __future__ import annotations

from collections.abc import Mapping

from aws_cdk import aws_kms as kms
from constructs import Construct

from security import grants
from security.buckets import BucketKeeping, PrivateBucket, Reach
from security.roles import ServiceRole, roles_below
from stacks.modules.second_region.names import PREFIXES, SERVING, STANDBY, Lake, Places, key_of


class Copies(Construct):
    """
    zones     copy of raw, curated, features, models
    captures  what the standby's endpoint is asked and answers; carried home at fail-back
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        places: Places,
        lake: Lake,
        keys: Mapping[str, kms.IKey],
        keeping: BucketKeeping,
        endpoint_id: str,
    ) -> None:
        super().__init__(scope, construct_id)
        self._places, self._keys, self._keeping = places, keys, keeping
        self._reach = Reach(endpoint_id=endpoint_id, roles=[roles_below(places.prefix, STANDBY)])
        self.zones = {zone: self._bucket(zone, getattr(lake, zone), self._reach) for zone in PREFIXES}
        serving = [roles_below(places.prefix, folder) for folder in (SERVING, STANDBY)]
        reach = Reach(endpoint_id=endpoint_id, roles=serving)
        self.captures = self._bucket("captures", lake.captures, reach)
        self.role = self._role()

    def _bucket(self, zone: str, original: PrivateBucket, reach: Reach) -> PrivateBucket:
        return PrivateBucket(
            self,
            zone.capitalize(),
            # Named, because the first Region's rules name it.
            bucket_name=self._places.bucket(zone),
            key=self._keys[key_of(zone)],
            keeping=self._keeping,
            reach=reach,
            # What was promised to be gone after some days is gone from the copy as well: S3 replicates no
            # expiry, each bucket has rules of its own.
            lifecycle_rules=original.expiry,
        )

    def _role(self) -> ServiceRole:
        """Made here, where the copies and their keys are known; what it reads is granted in the first
        Region, by stacks/modules/second_region/replication.py.
        """
        # S3 is not known to send a source when it takes this role on: docs/decisions/0042-no-source.md
        role = ServiceRole(self, "Role", service="s3", name=self._places.replication_role, sends_source=False)
        for zone, prefixes in PREFIXES.items():
            bucket = self.zones[zone]
            objects = [bucket.arn_for_objects(f"{prefix}*") for prefix in prefixes]
            grants.allow(role, ["s3:ReplicateObject"], objects)
            # Encrypt for the copy, Decrypt to check the bucket's own key before it is used.
            grants.use_key(
                role,
                self._keys[key_of(zone)],
                ["kms:Encrypt", "kms:Decrypt"],
                through="s3",
                context={"aws:s3:arn": bucket.bucket_arn},
            )
        return role

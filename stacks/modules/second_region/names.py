"""Names that both Regions know before either is deployed: no export crosses Regions, and nothing is looked
up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from security.buckets import PrivateBucket
from security.roles import ACCOUNT, PARTITION, ROLE_ARN
from settings import SecondRegionSettings, Settings

# What is copied of a zone: a rule each. The rest stays, on purpose: landing and raw's errors/ and redriven/
# hold clear text, which is to leave no Region and lives for days; results can be asked for again.
PREFIXES: Mapping[str, tuple[str, ...]] = {
    "raw": ("raw/", "quarantine/"),
    "curated": ("curated/",),
    "features": ("features/",),
    "models": ("",),
}
CHAMPION_KEY = "champion/champion.json"
# Folder of the roles that may read copies; buckets name it before the roles exist.
STANDBY, SERVING = "standby", "serving"


class Lake(Protocol):
    @property
    def raw(self) -> PrivateBucket: ...
    @property
    def curated(self) -> PrivateBucket: ...
    @property
    def features(self) -> PrivateBucket: ...
    @property
    def models(self) -> PrivateBucket: ...
    @property
    def captures(self) -> PrivateBucket: ...


@dataclass(frozen=True, kw_only=True)
class Places:
    """`region` is the second one."""

    prefix: str
    stack: str
    region: str

    def bucket(self, zone: str) -> str:
        """At most 63 characters, also of the longest profile and Region."""
        return f"{self.stack}-{zone}-{ACCOUNT}-{self.region}"

    def bucket_arn(self, zone: str) -> str:
        return f"arn:{PARTITION}:s3:::{self.bucket(zone)}"

    def alias(self, kind: str) -> str:
        return f"alias/{self.stack}-{kind}"

    def alias_arn(self, kind: str) -> str:
        """S3 takes an alias where it asks for the copies' key: the key's own name is made up by AWS."""
        return f"arn:{PARTITION}:kms:{self.region}:{ACCOUNT}:{self.alias(kind)}"

    @property
    def replication_role(self) -> str:
        return f"{self.prefix}-replication"

    @property
    def replication_role_arn(self) -> str:
        return f"{ROLE_ARN}/{self.replication_role}"

    @property
    def carrier_role(self) -> str:
        return f"{self.prefix}-carrier"


def places(settings: Settings, second: SecondRegionSettings) -> Places:
    return Places(prefix=settings.prefix, stack=settings.stack_name("standby"), region=second.region)


def key_of(zone: str) -> str:
    """Which kind of key a zone has, as in the first Region."""
    return "models" if zone in ("models", "captures") else "lake"

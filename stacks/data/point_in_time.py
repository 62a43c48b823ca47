"""Joins label events with the offline store: which values stood there when each event was due.

Standard SQL that Athena and Spark both read. Never a later record; of several of one event time the one that
was put last; nothing of an entity that was deleted by then.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stacks.data.catalogue import FEATURES

ALWAYS = "TIMESTAMP '9999-12-31 00:00:00'"
AS_SERVED = "events.event_time"


def can_join(entity: Mapping[str, Any], columns: Mapping[str, str]) -> bool:
    """Whether the feature table holds what the entity is looked up by, as text."""
    return all(columns.get(column) == "string" for column in entity["columns"])


def point_in_time(entity: Mapping[str, Any], table: str, *, written_by: str = ALWAYS) -> str:
    """SQL: key, event_time, label and the entity's features, one row per row of the feature table.

    table       of the entity's offline store
    written_by  time travel: what the store received later is not seen. ALWAYS sees all of it, also what came
                late or was put again; AS_SERVED only what a look-up at the event would have found.
    """
    columns = [f'events."{column}"' for column in entity["columns"]]
    identifier = columns[0] if len(columns) == 1 else f"concat_ws('|', {', '.join(columns)})"
    found = ",\n".join(f'    store."{name}"' for name in entity["features"])
    kept = ",\n".join(
        f'  CASE WHEN is_deleted THEN NULL ELSE "{name}" END AS "{name}"' for name in entity["features"]
    )
    # Text in ISO 8601, as the store has it, in the form that both engines cast.
    moment = "CAST(replace(replace(store.event_time, 'T', ' '), 'Z', '') AS timestamp)"
    return f"""WITH found AS (
  SELECT
    events."key",
    events.event_time,
    events.label,
{found},
    store.is_deleted,
    row_number() OVER (
      PARTITION BY events."key"
      ORDER BY store.event_time DESC, store.api_invocation_time DESC, store.write_time DESC
    ) AS place
  FROM {FEATURES} AS events
  LEFT JOIN {table} AS store
    ON store.entity = {identifier}
    AND {moment} <= events.event_time
    AND store.write_time <= {written_by}
)
SELECT
  "key",
  event_time,
  label,
{kept}
FROM found
WHERE place = 1
ORDER BY event_time, "key"
"""  # noqa: S608  nothing in it comes from a user

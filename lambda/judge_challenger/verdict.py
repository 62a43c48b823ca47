"""When a challenger has proved itself on live traffic. Pure: alarms and a report in, verdict out."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

CHAMPION, CHALLENGER = "champion", "challenger"
# The challenger answers its first requests while the endpoint is still moving.
SLACK = timedelta(days=1)
# By how much the share of refused requests may be higher than the champion's, of at least this many requests.
MORE_REFUSED, ENOUGH_REQUESTS = 0.05, 20


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """verdict: promote, roll_back or wait."""

    verdict: str
    reason: str


def rings(alarms: Mapping[str, str]) -> Verdict | None:
    """`alarms`: name -> state. Whichever variant fails: the endpoint was well before the challenger came."""
    ringing = sorted(name for name, state in alarms.items() if state == "ALARM")
    if not ringing:
        return None
    return Verdict(verdict="roll_back", reason=f"alarms ring beside the challenger: {', '.join(ringing)}")


def judge(report: Mapping[str, Any], deployed_at: datetime, minimum_labels: int) -> Verdict:
    variants = report["variants"]
    challenger, champion = variants.get(CHALLENGER), variants.get(CHAMPION)
    if not challenger or not challenger["captured"] + challenger["refused"]:
        return Verdict(verdict="wait", reason="no request of the challenger was captured yet")
    if challenger["since"] and _instant(challenger["since"]) < deployed_at - SLACK:
        reason = f"the report reaches back to an earlier challenger, of {challenger['since'][:10]}"
        return Verdict(verdict="wait", reason=reason)
    if (refused := _refuses_more(challenger, champion)) is not None:
        return Verdict(verdict="roll_back", reason=refused)
    counts = {name: (variants.get(name) or {}).get("labelled", 0) for name in (CHAMPION, CHALLENGER)}
    few = [f"{count} of the {name}" for name, count in counts.items() if count < minimum_labels]
    comparison = report["comparison"]
    if few or comparison is None or comparison["low"] is None:
        got = " and ".join(few or ["no comparison"])
        reason = f"{got}: {minimum_labels} labelled answers of each are needed"
        return Verdict(verdict="wait", reason=reason)
    return _compared(comparison)


def _compared(comparison: Mapping[str, Any]) -> Verdict:
    gain = comparison["difference"]
    way = "lower" if gain > 0 else "higher"
    interval = f"{comparison['confidence']:.0%} interval {comparison['low']:.4g} to {comparison['high']:.4g}"
    numbers = (
        f"its live loss is {way} than the champion's by {abs(gain):.4g} (gain: {interval}, "
        f"{comparison['challenger_rows']} and {comparison['champion_rows']} labelled answers)"
    )
    if comparison["high"] < 0:
        return Verdict(verdict="roll_back", reason=f"the challenger is worse: {numbers}")
    return Verdict(verdict="promote", reason=f"the challenger is not worse: {numbers}")


def _refuses_more(challenger: Mapping[str, Any], champion: Mapping[str, Any] | None) -> str | None:
    asked = challenger["captured"] + challenger["refused"]
    if asked < ENOUGH_REQUESTS:
        return None
    share = challenger["refused"] / asked
    usual = champion["refused"] / max(champion["captured"] + champion["refused"], 1) if champion else 0.0
    if share <= usual + MORE_REFUSED:
        return None
    return f"the challenger refused {share:.0%} of {asked} requests, the champion {usual:.0%}"


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)

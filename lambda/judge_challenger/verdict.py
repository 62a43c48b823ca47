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


def judge(report: Mapping[str, Any], deployed_at: datetime, minimum_labels: int, limit: float) -> Verdict:
    """`limit`: by how much a challenger's calibration gap may be larger, however low its loss."""
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
    bounds = report["sequential"]
    if few or bounds is None:
        got = " and ".join(few or ["no comparison"])
        reason = f"{got}: {minimum_labels} labelled answers of each are needed"
        return Verdict(verdict="wait", reason=reason)
    if bounds["low"] is None:
        requests = (
            f"{bounds['challenger_requests']} requests of the challenger, {bounds['champion_requests']}"
        )
        return Verdict(verdict="wait", reason=f"{requests} of the champion: too few to say anything")
    found = _compared(bounds)
    # Better on the whole and yet far off on average: what acts on the scores would act wrongly.
    unbalanced = _off_balance(challenger, champion, limit) if found.verdict == "promote" else None
    return found if unbalanced is None else Verdict(verdict="roll_back", reason=unbalanced)


def _compared(bounds: Mapping[str, Any]) -> Verdict:
    gain, margin = bounds["difference"], bounds["margin"]
    way = "lower" if gain > 0 else "higher"
    numbers = (
        f"its live loss is {way} than the champion's {bounds['champion_loss']:.4g} by {abs(gain):.4g} "
        f"(gain, at every look at once: above {bounds['low']:.4g} but for a chance of "
        f"{bounds['false_promotion']:.0%}, below {bounds['high']:.4g} but for "
        f"{bounds['false_roll_back']:.0%}; "
        f"{bounds['challenger_rows']} and {bounds['champion_rows']} labelled answers in "
        f"{bounds['challenger_requests']} and {bounds['champion_requests']} requests)"
    )
    said = {
        "roll_back": f"the challenger is worse: {numbers}",
        "promote": f"the challenger is not worse by {margin:.0%} of the loss: {numbers}",
        "wait": f"not decided yet, the margin is {margin:.0%} of the loss: {numbers}",
    }
    return Verdict(verdict=bounds["verdict"], reason=said[bounds["verdict"]])


def _off_balance(challenger: Mapping[str, Any], champion: Mapping[str, Any], limit: float) -> str | None:
    gap, usual = challenger["calibration_gap"], champion["calibration_gap"]
    if gap is None or usual is None or gap <= usual + limit:
        return None
    return (
        f"the challenger is off balance: its scores differ from the labels by {gap:.3g} on average, the "
        f"champion's by {usual:.3g}, allowed are {limit:g} more"
    )


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

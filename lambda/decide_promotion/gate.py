"""When a candidate may challenge the champion. Pure: evaluation in, decision with its reasons out.

Compared is the loss of each row of the hold-out window, not the difference of two AUCs: the loss also
punishes scores that are off as probabilities, and both models are judged on the same rows.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# Fewer rows cannot tell two models apart, whatever the interval says.
FEWEST_ROWS = 50
# How many times the training loss the validation loss may be, where an evaluation does not tell.
WIDEST_GAP = 3.0


@dataclass(frozen=True, kw_only=True)
class Check:
    name: str
    passed: bool
    text: str


@dataclass(frozen=True, kw_only=True)
class Decision:
    promote: bool
    checks: tuple[Check, ...]

    @property
    def reason(self) -> str:
        """What failed; if nothing did, everything that held."""
        failed = [check.text for check in self.checks if not check.passed]
        return "; ".join(failed or [check.text for check in self.checks])


def decide(evaluation: Mapping[str, Any], gate: Mapping[str, float]) -> Decision:
    checks = [_rows(evaluation), _gap(evaluation["gap"])]
    is_rule = evaluation["champion"]["kind"] == "rule"
    if not is_rule:
        name = "the champion"
        if evaluation["champion"]["overlaps_holdout"]:
            name = "the champion (which was fitted to a part of the hold-out window)"
        checks.append(_gain("champion", name, evaluation, gate["minimum_gain"]))
    checks.append(_gain("rule", "the rule baseline", evaluation, gate["minimum_gain_over_rule"]))
    return Decision(promote=all(check.passed for check in checks), checks=tuple(checks))


def _rows(evaluation: Mapping[str, Any]) -> Check:
    rows = evaluation["rows"]["holdout"]
    passed = rows >= FEWEST_ROWS
    text = f"the hold-out window has {rows} labelled rows" + ("" if passed else f", {FEWEST_ROWS} are needed")
    return Check(name="rows", passed=passed, text=text)


def _gap(gap: Mapping[str, Any]) -> Check:
    """`maximum_ratio` is the contract's evaluation.maximum_gap."""
    widest = gap.get("maximum_ratio", WIDEST_GAP)
    passed = gap["validation_loss"] <= widest * gap["train_loss"]
    text = (
        f"the loss is {gap['train_loss']:.4g} on training and {gap['validation_loss']:.4g} on validation rows"
    )
    if not passed:
        text += f", more than {widest:g} times as high: the candidate learned its rows by heart"
    return Check(name="gap", passed=passed, text=text)


def _gain(key: str, name: str, evaluation: Mapping[str, Any], minimum: float) -> Check:
    """The lower end of the interval must lie above `minimum`: the gain is then no chance."""
    paired, loss = evaluation["paired"][key], evaluation["loss"].replace("_", " ")
    if paired["low"] is None:
        text = f"the gain over {name} has no interval on {paired['rows']} rows"
        return Check(name=key, passed=False, text=text)
    passed = paired["low"] > minimum
    way = "lower" if paired["difference"] > 0 else "higher"
    text = (
        f"the {loss} is {way} than that of {name} by {abs(paired['difference']):.4g} "
        f"(gain: {paired['confidence']:.0%} interval {paired['low']:.4g} to {paired['high']:.4g})"
    )
    if not passed:
        text += f", the interval must lie above {minimum:g}"
    return Check(name=key, passed=passed, text=text)

"""What the story has to show, read from the evidence of the run: a claim that does not hold fails the demo.

Nothing here knows how the story went, only what the lake, the ledger, the executions and the record of calls
say.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Evidence = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Claim:
    """`found`: what was seen, whether the claim holds or not."""

    title: str
    holds: bool
    found: str


def check(evidence: Evidence) -> list[Claim]:
    """Every claim that the data set's story makes, in the order of the story."""
    return [
        claim(evidence) for claim in CLAIMS if EXPECTED.get(claim, ALWAYS) in [ALWAYS, *evidence["expects"]]
    ]


def nothing_is_lost(evidence: Evidence) -> Claim:
    wrong = []
    for row in evidence["ingest"]:
        known = row["curated"] + row["quarantined"] + row["copies"] + row["rows_of_refused_files"]
        if known != row["sent"]:
            wrong.append(f"{row['table']}: {row['sent']} sent, {known} found")
    sent = sum(row["sent"] for row in evidence["ingest"])
    return Claim(
        title="Every record sent is curated, in quarantine with a reason, or a copy of one that is",
        holds=sent > 0 and not wrong,
        found="; ".join(wrong) or f"{sent:,} records",
    )


def bad_data_are_set_aside(evidence: Evidence) -> Claim:
    rows = sum(row["quarantined"] for row in evidence["ingest"])
    files = sum(row["refused_files"] for row in evidence["ingest"])
    return Claim(
        title="A poisoned batch is in quarantine: single rows with their reasons, a bad file as a whole",
        holds=rows > 0 and files > 0,
        found=f"{rows} rows and {files} file",
    )


def trespassers_are_refused(evidence: Evidence) -> Claim:
    meant = [call for call in evidence["denied"] if call["meant"]]
    unmeant = [f"{call['role']} {call['action']}" for call in evidence["denied"] if not call["meant"]]
    return Claim(
        title="People are refused what their roles forbid, and nothing else was refused in the whole run",
        holds=bool(meant) and not unmeant,
        found="; ".join(unmeant) or f"{len(meant)} refusals, all meant",
    )


def interrupted_training_goes_on(evidence: Evidence) -> Claim:
    jobs = [job for job in evidence["training"] if job["interruptions"]]
    good = [job for job in jobs if job["status"] == "Completed"]
    return Claim(
        title="A training job whose Spot instance was taken away went on from its checkpoint and completed",
        holds=bool(good) and len(good) == len(jobs),
        found=", ".join(f"{job['name']}: {job['status']}" for job in jobs) or "no job was interrupted",
    )


def failed_task_is_tried_again(evidence: Evidence) -> Claim:
    retried = [
        execution
        for execution in evidence["executions"]
        if any(failure.startswith("States.TaskFailed") for failure in execution["failures"])
    ]
    good = [execution for execution in retried if execution["status"] == "SUCCEEDED"]
    return Claim(
        title="A run in which a Glue job died half-way tried it again and ended well",
        holds=bool(good),
        found=", ".join(execution["name"] for execution in good) or "no such run",
    )


def predictions_are_served_and_captured(evidence: Evidence) -> Claim:
    """Month by month: what one month lacks, another one cannot make up for."""
    counts = {
        month["month"]: (
            month["requests"],
            sum(variant["captured"] for variant in (month["variants"] or {}).values()),
        )
        for month in evidence["months"]
    }
    wrong = [
        f"{month}: {asked} answers, {captured} captured"
        for month, (asked, captured) in counts.items()
        if asked == 0 or captured != asked
    ]
    asked = sum(asked for asked, _ in counts.values())
    return Claim(
        title="Predictions were served in every live month, and the monitor saw each of them captured",
        holds=bool(counts) and not wrong,
        found="; ".join(wrong) or f"{asked:,} answers in {len(counts)} months, as many captured",
    )


def bulk_equals_online(evidence: Evidence) -> Claim:
    bulk = evidence["bulk"]
    if bulk is None:
        return Claim(title=BULK, holds=False, found="nothing was scored in bulk")
    return Claim(
        title=BULK,
        holds=bulk["rows"] > 0 and bulk["largest_difference"] <= 1e-6,
        found=f"{bulk['rows']:,} rows, largest difference {bulk['largest_difference']:.1e}",
    )


def drift_starts_a_retraining(evidence: Evidence) -> Claim:
    alarms = [
        event for event in evidence["events"] if event["kind"] == "alarm" and " monitor: " in event["text"]
    ]
    started = [run for run in evidence["executions"] if run["trigger"] == "drift"]
    return Claim(
        title="Drift was noticed by an alarm on the model's quality, and the alarm started a run",
        holds=bool(alarms) and bool(started),
        found=f"{len(alarms)} alarms, {len(started)} runs",
    )


def challenger_is_promoted(evidence: Evidence) -> Claim:
    promoted = [run for run in evidence["runs"] if run["gate"] == "passed" and run["bake"] == "promoted"]
    return Claim(
        title="A challenger passed the gate, served beside the champion, and was promoted on live labels",
        holds=bool(promoted),
        found="; ".join(f"{run['run_id']}: {run['bake_reason']}" for run in promoted) or "none",
    )


def bad_model_is_refused(evidence: Evidence) -> Claim:
    refused = [run for run in evidence["runs"] if run["trigger"] == "manual" and run["gate"] == "refused"]
    return Claim(
        title="A bad model was refused by the gate and never served",
        holds=bool(refused) and all(run["bake"] == "no bake" for run in refused),
        found="; ".join(f"{run['run_id']}: {run['gate_reason']}" for run in refused) or "none",
    )


def nothing_failed_unseen(evidence: Evidence) -> Claim:
    """Deliveries, log lines, rules and schedules fail without a caller who would notice."""
    failures = [f"{failure['name']}: {failure['message']}" for failure in evidence["failures"]]
    return Claim(
        title="Behind the calls nothing failed: every delivery, rule, schedule and log line went through",
        holds=not failures,
        found="; ".join(failures)[:500] or "no failure",
    )


def tokens_join_across_rotations(evidence: Evidence) -> Claim:
    """A rotation that changed a key would give the same person a second token."""
    told = evidence["privacy"]
    wrong = [
        f"{each['table']}.{each['column']}: {each['identifiers']} identifiers, {each['tokens']} tokens, "
        f"{each['clear']} rows in the clear"
        for each in told["tokens"]
        if each["tokens"] != each["identifiers"] or each["clear"]
    ]
    count = len(told["rotations"])
    return Claim(
        title="Token keys were rotated while records came in, and every identifier kept its one token",
        holds=count >= 2 and bool(told["tokens"]) and not wrong,
        found="; ".join(wrong)
        or f"{count} rotations; "
        + ", ".join(f"{each['table']}.{each['column']}: {each['tokens']:,}" for each in told["tokens"]),
    )


def nobody_is_one_of_few(evidence: Evidence) -> Claim:
    """Where the contract has small classes suppressed, none may be left; elsewhere they are told."""
    measured = evidence["privacy"]["anonymity"]
    wrong = [each for each in measured if each["below"] == "suppress" and each["rows_below"]]
    promised = [each for each in measured if each["below"] == "suppress" and each["rows"] > each["untold"]]
    return Claim(
        title="Whatever describes somebody in the curated tables describes at least k of them alike",
        holds=bool(promised) and not wrong,
        found="; ".join(
            f"{each['table']}: smallest class {each['smallest']} of {each['classes']} (k {each['wanted']}), "
            f"{each['share_below']:.1%} of rows below, {each['untold']} of {each['rows']} rows tell nothing"
            for each in measured
        )
        or "nothing was measured",
    )


def nobody_is_in_the_clear(evidence: Evidence) -> Claim:
    """Also that the search bites: it must find them in each of the places before the door."""
    told = evidence["privacy"]["search"]
    places = ", ".join(f"{each['place']} ({each['values']})" for each in told["forbidden"])
    return Claim(
        title="No identifier is in the clear behind the door: objects, logs, metrics, messages, errors",
        holds=bool(told["allowed"]) and all(told["allowed"].values()) and not told["forbidden"],
        found=places[:1_000]
        or f"{told['values']:,} values looked for in {told['bytes'] / 1e6:,.0f} MB, found only before the "
        f"door: {', '.join(f'{place} ({count})' for place, count in told['allowed'].items())}",
    )


ALWAYS = "always"
BULK = "Scores of a whole month in bulk are those that the endpoint gave"
CLAIMS: tuple[Callable[[Evidence], Claim], ...] = (
    nothing_is_lost,
    bad_data_are_set_aside,
    trespassers_are_refused,
    interrupted_training_goes_on,
    failed_task_is_tried_again,
    predictions_are_served_and_captured,
    bulk_equals_online,
    drift_starts_a_retraining,
    challenger_is_promoted,
    bad_model_is_refused,
    nothing_failed_unseen,
    tokens_join_across_rotations,
    nobody_is_one_of_few,
    nobody_is_in_the_clear,
)

# Claims that not every data set's story can make: what it must expect for them.
EXPECTED = {
    drift_starts_a_retraining: "drift",
    challenger_is_promoted: "promotion",
    bad_model_is_refused: "bad model",
    tokens_join_across_rotations: "tokens",
    nobody_is_one_of_few: "suppression",
    nobody_is_in_the_clear: "tokens",
}

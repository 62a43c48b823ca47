"""The report's summary: what was found, in words, the most urgent first."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

ALERT, LOOK, FINE = "alert", "look", "fine"
ORDER = (ALERT, LOOK, FINE)
MISSING, MUCH_MISSING, MISSING_SHIFT = 0.05, 0.3, 0.2
CORRELATED = 0.9
IMBALANCE = 10
OUTSIDE = 0.05
DAY_SHIFT = 1.5
EXPECTED_IN_GAP = 10
SPLIT_GAP = 0.02
NAMED = 4


@dataclass(frozen=True, kw_only=True)
class Finding:
    """level: alert (do not train on), look (a person should), fine (was looked at)."""

    level: str
    title: str
    text: str


def of(found: Mapping[str, Any]) -> list[dict[str, str]]:
    """Sorted by urgency, within one in the order of the report."""
    every = [
        *_leaks(found), *_labels(found), *_sufficiency(found), *_split(found), *_signal(found),
        *_missing(found), *_columns(found), *_pairs(found), *_time(found), *_clusters(found),
    ]  # fmt: skip
    return [asdict(finding) for finding in sorted(every, key=lambda finding: ORDER.index(finding.level))]


def _leaks(found: Mapping[str, Any]) -> Iterator[Finding]:
    alone = found.get("alone") or []
    for verdict, level in (("leak", ALERT), ("suspicious", LOOK)):
        named = [entry for entry in alone if entry["verdict"] == verdict]
        if named:
            which = names([f"{entry['feature']} (skill {entry['skill']:.2f})" for entry in named])
            yield Finding(
                level=level,
                title="Smells of a leak" if verdict == "leak" else "Very strong alone",
                text=f"{which}: each alone nearly decides the label. Is it known before the event? If not, "
                "it belongs to the contract's leak columns.",
            )
    if alone and all(entry["verdict"] == "plausible" for entry in alone):
        best = alone[0]
        yield Finding(
            level=FINE,
            title="No leak smelled",
            text=f"no feature alone decides the label; the strongest, {best['feature']}, has a skill of "
            f"{best['skill']:.2f} of 1.",
        )


def _labels(found: Mapping[str, Any]) -> Iterator[Finding]:
    label = found["label"]
    if label is None:
        yield Finding(
            level=FINE, title="No label", text="the contract's problem has none: groups and columns only."
        )
        return
    if label["kind"] != "classes":
        middle = label.get("quantiles") or {}
        text = f"from {label['low']:.4g} to {label['high']:.4g}"
        if middle:
            text += f", half of it between {middle['0.25']:.4g} and {middle['0.75']:.4g}"
        skewed = abs(label.get("skewness") or 0) > 1
        yield Finding(
            level=LOOK if skewed else FINE,
            title="The label is skewed" if skewed else "The label",
            text=text + ("; a few large values will rule squared errors." if skewed else "."),
        )
        return
    shares = [entry for entry in label["classes"] if entry["share"] is not None]
    smallest = min(shares, key=lambda entry: entry["share"])
    text = (
        f"the rarest class, {smallest['class']}, makes up {smallest['share']:.1%} of {label['rows']:,} "
        f"labelled rows of the sample"
    )
    unequal = label["imbalance_ratio"] >= IMBALANCE or len(shares) < len(label["classes"])
    yield Finding(
        level=LOOK if unequal else FINE,
        title="Classes are unequal" if unequal else "Balance of the label",
        text=f"{text}; accuracy says little then, weights or resampling may help." if unequal else f"{text}.",
    )


def _sufficiency(found: Mapping[str, Any]) -> Iterator[Finding]:
    told = found.get("sufficiency")
    if told is None:
        return
    titles = {
        "enough": (FINE, "Labels are enough"),
        "would gain from more": (LOOK, "More labels would help"),
        "noise floor": (ALERT, "Nothing to learn: the noise floor is reached"),
        "not clear": (LOOK, "Whether labels are enough is not clear"),
    }
    level, title = titles[told["verdict"]]
    yield Finding(level=level, title=title, text=f"{told['why']}.")


def _split(found: Mapping[str, Any]) -> Iterator[Finding]:
    gap = found.get("split_gap")
    if gap is None:
        return
    text = (
        f"skill {gap['by_time']:.3f} on later days, {gap['by_chance']:.3f} if days were mixed by chance "
        f"(gap {gap['gap']:+.3f}{_in_auc(found, gap['gap'])})"
    )
    if gap["gap"] > max(SPLIT_GAP, 2 * gap["by_chance_sd"]):
        yield Finding(
            level=LOOK,
            title="A split by chance would promise too much",
            text=f"{text}: days resemble themselves, and seasons pass. The run splits by time.",
        )
    else:
        yield Finding(level=FINE, title="Split in time and by chance agree", text=f"{text}.")


def _signal(found: Mapping[str, Any]) -> Iterator[Finding]:
    tests = [entry for entry in found.get("association") or [] if entry.get("p_holm") is not None]
    if not tests:
        return
    sure = [entry for entry in tests if entry["p_holm"] < 0.05]
    worth = [entry for entry in sure if entry["size"] not in ("negligible", None)]
    strongest = [
        entry["feature"] for entry in found["alone"] if entry["feature"] in {e["feature"] for e in worth}
    ]
    text = (
        f"{len(sure)} of {len(tests)} features go with the label beyond chance (Holm, 5 %), {len(worth)} of "
        "them with more than a negligible effect"
    )
    yield Finding(
        level=FINE if worth else LOOK,
        title="Features that go with the label",
        text=f"{text}: {names(strongest)}." if strongest else f"{text}.",
    )


def _missing(found: Mapping[str, Any]) -> Iterator[Finding]:
    columns = sorted(found["missing"]["columns"], key=lambda entry: (-entry["share"], entry["feature"]))
    much = [entry for entry in columns if entry["share"] > MISSING]
    if much:
        which = names([f"{entry['feature']} {entry['share']:.0%}" for entry in much])
        yield Finding(
            level=LOOK if much[0]["share"] > MUCH_MISSING else FINE,
            title="Missing values",
            text=f"{len(much)} of {len(columns)} columns lack more than {MISSING:.0%} of their values: "
            f"{which}.",
        )
    else:
        yield Finding(
            level=FINE, title="Missing values", text=f"no column lacks more than {MISSING:.0%} of its values."
        )
    moved = [
        entry["feature"]
        for entry in columns
        if max(entry["by_month"]) - min(entry["by_month"]) > MISSING_SHIFT
    ]
    if moved:
        yield Finding(
            level=LOOK,
            title="Values go missing in some months",
            text=f"{names(moved)}: the share that is missing differs by more than {MISSING_SHIFT:.0%} "
            "between months. Did a source change?",
        )


def _columns(found: Mapping[str, Any]) -> Iterator[Finding]:
    empty = found["without_content"]
    constant = [entry["feature"] for entry in empty["constant"]]
    if constant:
        yield Finding(level=LOOK, title="Constant columns", text=f"{names(constant)}: they tell nothing.")
    nearly = [f"{entry['feature']} ({entry['share']:.1%})" for entry in empty["nearly_constant"]]
    if nearly:
        yield Finding(level=LOOK, title="Nearly constant columns", text=f"{names(nearly)} have one value.")
    for same in empty["duplicates"]:
        yield Finding(level=LOOK, title="The same column twice", text=f"{' = '.join(same)}: keep one.")
    far = [
        (entry["outside_fences"], name)
        for name, entry in found["columns"].items()
        if entry["kind"] == "numeric" and (entry.get("outside_fences") or 0) > OUTSIDE
    ]
    if far:
        which = names([f"{name} {share:.0%}" for share, name in sorted(far, key=lambda e: (-e[0], e[1]))])
        yield Finding(
            level=FINE,
            title="Long tails",
            text=f"outside of Tukey's fences lie {which} of the values: trees do not mind, linear models do.",
        )
    rare = [
        f"{name} ({entry['rare']} of {entry['distinct']})"
        for name, entry in found["columns"].items()
        if entry["kind"] == "categorical" and entry["rare"]
    ]
    if rare:
        yield Finding(
            level=FINE, title="Rare categories", text=f"values with fewer than 5 rows: {names(rare)}."
        )


def _pairs(found: Mapping[str, Any]) -> Iterator[Finding]:
    strong = [pair for pair in found["correlation"] if abs(pair["value"]) >= CORRELATED]
    if strong:
        which = names([f"{pair['a']} and {pair['b']} ({pair['value']:.2f})" for pair in strong])
        yield Finding(
            level=LOOK,
            title="Columns that say nearly the same",
            text=f"{which}: importances share out between them, and linear coefficients are not to be read.",
        )


def _time(found: Mapping[str, Any]) -> Iterator[Finding]:
    days = found["days"]
    longest, first = longest_gap(days)
    # Few rows leave days empty by chance; a gap is one where some were to be expected.
    if longest * found["rows"] / len(days) >= EXPECTED_IN_GAP:
        expected = longest * found["rows"] / len(days)
        yield Finding(
            level=LOOK,
            title="A gap in time",
            text=f"no row for {longest} days from {first} on, where {expected:,.0f} "
            "were to be expected. Did a source fail?",
        )
    means = {entry["month"]: entry["mean"] for entry in found.get("label_by_month") or []}
    if len(means) > 1 and found["contract"]["problem"] != "multiclass":
        low, high = min(means, key=lambda m: means[m]), max(means, key=lambda m: means[m])
        if means[low] > 0 and means[high] / means[low] >= DAY_SHIFT:
            yield Finding(
                level=LOOK,
                title="The label moves with time",
                text=f"its mean is {means[low]:.3g} in {low} and {means[high]:.3g} in {high}: what is "
                "learned from one month fits another less.",
            )


def _clusters(found: Mapping[str, Any]) -> Iterator[Finding]:
    told = found["clusters"]
    if told is None:
        return
    sizes = [f"{entry['share']:.0%}" for entry in told["clusters"] if entry.get("share") is not None]
    yield Finding(
        level=FINE,
        title="Groups of rows",
        text=f"{told['k']} by silhouette ({told['silhouette']:.2f}: {told['reading']}), elbow at "
        f"{told['elbow']}; sizes {', '.join(sizes)}.",
    )


def longest_gap(days: Sequence[Mapping[str, Any]]) -> tuple[int, str]:
    """Days in a row without a row of data, and the first of them."""
    longest, first, length = 0, "", 0
    for place, day in enumerate(days):
        length = 0 if day["rows"] else length + 1
        if length > longest:
            longest, first = length, days[place - length + 1]["day"]
    return longest, first


def _in_auc(found: Mapping[str, Any], skill: float) -> str:
    """Skill is 2 AUC - 1: what people are used to."""
    return f", {50 * skill:.1f} points of AUC" if found["contract"]["problem"] == "binary" else ""


def names(which: Sequence[str]) -> str:
    """The first few, and how many more."""
    more = len(which) - NAMED
    return ", ".join(which[:NAMED]) + (f" and {more} more" if more > 0 else "")

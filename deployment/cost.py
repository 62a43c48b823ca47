"""What the deployment has cost this month, by its tags; AWS counts up to a day late."""

from __future__ import annotations

from datetime import timedelta

from deployment.names import PROJECT
from deployment.view import Deployment, Section

CENTS_OF_A_QUESTION = 1  # https://aws.amazon.com/aws-cost-management/aws-cost-explorer/pricing/
SMALLEST = 0.005  # USD; less is not worth a line
HOW = (
    "nothing under the tags project and profile: activate them as cost allocation tags (Billing console, or "
    "aws ce update-cost-allocation-tags-status --cost-allocation-tags-status "
    "TagKey=project,Status=Active TagKey=profile,Status=Active); costs show a day later, and only from then"
)


def month_to_date(seen: Deployment) -> Section:
    first = seen.at.date().replace(day=1)
    after = seen.at.date() + timedelta(days=1)  # the end is not counted
    ours = [
        {"Tags": {"Key": key, "Values": [value]}}
        for key, value in (("project", PROJECT), ("profile", seen.names.profile))
    ]
    # Cost Explorer is at home in one Region, whatever Region is asked about.
    explorer = seen.place.session.client("ce", region_name=_home(seen.place.partition))
    answer = explorer.get_cost_and_usage(
        TimePeriod={"Start": first.isoformat(), "End": after.isoformat()},
        Granularity="MONTHLY",
        Metrics=["UnblendedCost"],
        Filter={"And": ours},
        GroupBy=[{"Type": "DIMENSION", "Key": "SERVICE"}],
    )
    amounts: dict[str, float] = {}
    unit = "USD"
    for period in answer["ResultsByTime"]:
        for group in period.get("Groups", []):
            cost = group["Metrics"]["UnblendedCost"]
            unit = cost.get("Unit", unit)
            amounts[group["Keys"][0]] = amounts.get(group["Keys"][0], 0.0) + float(cost["Amount"])
    facts = {"since": first.isoformat(), "unit": unit, "services": amounts}
    total = sum(amounts.values())
    if total < SMALLEST:
        return Section(title="cost", rows=[(f"since {first}", HOW)], facts=facts)
    dear = sorted(amounts.items(), key=lambda each: -each[1])
    rows = [(f"since {first}", f"{total:,.2f} {unit}, as far as AWS has counted")]
    rows += [(f"  {name}", f"{amount:,.2f} {unit}") for name, amount in dear if amount >= SMALLEST]
    return Section(title="cost", rows=rows, facts=facts)


def _home(partition: str) -> str:
    return "cn-northwest-1" if partition == "aws-cn" else "us-east-1"

"""Budget: what a month may cost; the topic is told at half of it, at four fifths and when it is used up.

AWS counts what carries the tag `project`, once that is a cost allocation tag (docs/operations.md, Cost), and
some hours late: a budget tells, it stops nothing.
"""

from __future__ import annotations

from aws_cdk import Annotations
from aws_cdk import aws_budgets as budgets
from aws_cdk import aws_sns as sns
from constructs import Construct

from security import regions
from settings import PROJECT

ALERTS_PERCENT = (50, 80, 100)


class Budget(Construct):
    def __init__(self, scope: Construct, construct_id: str, *, usd: int | None, topic: sns.ITopic) -> None:
        super().__init__(scope, construct_id)
        if usd is None:
            return
        if regions.is_without(self, regions.BUDGET):
            Annotations.of(self).add_warning_v2(
                "no-budget-in-region",
                "CloudFormation has no budgets in this Region, so the deployment has none: make one by hand, "
                "docs/operations.md, Cost",
            )
            return
        budget = budgets.CfnBudget
        self.budget = budget(
            self,
            # Unnamed: other alerts mean another budget, and a name would be in its way.
            "Budget",
            budget=budget.BudgetDataProperty(
                budget_type="COST",
                time_unit="MONTHLY",
                budget_limit=budget.SpendProperty(amount=usd, unit="USD"),
                cost_filters={"TagKeyValue": [f"user:project${PROJECT}"]},
            ),
            notifications_with_subscribers=[
                budget.NotificationWithSubscribersProperty(
                    notification=budget.NotificationProperty(
                        notification_type="ACTUAL",
                        comparison_operator="GREATER_THAN",
                        threshold=percent,
                        threshold_type="PERCENTAGE",
                    ),
                    subscribers=[budget.SubscriberProperty(subscription_type="SNS", address=topic.topic_arn)],
                )
                for percent in ALERTS_PERCENT
            ],
        )
        # Its policy lets Budgets publish.
        self.budget.node.add_dependency(topic)

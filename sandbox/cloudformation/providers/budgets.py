"""AWS::Budgets: budgets with their notifications. Nothing costs here, so none of them ever rings."""

# ruff: noqa: ARG002 every provider has the same three methods, not each needs all that they are given

from __future__ import annotations

from sandbox.account import ACCOUNT
from sandbox.cloudformation.providers.provider import Attributes, Context, Properties


class Budget:
    def create(self, context: Context, properties: Properties) -> tuple[str, Attributes]:
        budget = dict(properties["Budget"])
        name = str(budget.setdefault("BudgetName", context.name(100)))
        parameters = {
            key: properties[key]
            for key in ("NotificationsWithSubscribers", "ResourceTags")
            if key in properties
        }
        context.call("budgets", "CreateBudget", {"AccountId": ACCOUNT, "Budget": budget, **parameters})
        return name, {"Id": name}

    def update(self, context: Context, ref: str, old: Properties, new: Properties) -> tuple[str, Attributes]:
        """moto has no UpdateBudget; here a budget has no past that a new one of its name would lose."""
        self.delete(context, ref, old)
        again = {**new, "Budget": {**new["Budget"], "BudgetName": ref}}
        for name in ("NotificationsWithSubscribers", "ResourceTags"):
            new.get(name)
        return self.create(context, again)

    def delete(self, context: Context, ref: str, properties: Properties) -> None:
        context.call("budgets", "DeleteBudget", {"AccountId": ACCOUNT, "BudgetName": ref})


PROVIDERS = {"AWS::Budgets::Budget": Budget()}

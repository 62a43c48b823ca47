"""AWS::CDK::Metadata: a note of the CDK about itself; nothing is made of it."""

# ruff: noqa: ARG002 every provider has the same three methods, not each needs all that they are given

from __future__ import annotations

from sandbox.cloudformation.providers.provider import Attributes, Context, Properties, Watched


class Note:
    def create(self, context: Context, properties: Properties) -> tuple[str, Attributes]:
        if isinstance(properties, Watched):
            properties.all()
        return context.name(), {}

    def update(self, context: Context, ref: str, old: Properties, new: Properties) -> tuple[str, Attributes]:
        if isinstance(new, Watched):
            new.all()
        return ref, {}

    def delete(self, context: Context, ref: str, properties: Properties) -> None:
        """Nothing was made."""


PROVIDERS = {"AWS::CDK::Metadata": Note()}

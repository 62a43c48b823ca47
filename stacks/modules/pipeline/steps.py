"""What happens to a change, in order: one list, for CodePipeline's stages and for the workflows on GitHub.

tests/infrastructure/test_pipeline.py holds the workflows to it: the same commands, times and order.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Step:
    """
    job      of the workflows, as `<file>/<job>`; <profile> where there is one for each
    command  what of a clone of the repository is run
    minutes  after which it is ended
    by_profile  once for each profile, with PROFILE in the environment
    keeps    folder that is handed on: a report for a person, or what is deployed
    before   what CodeBuild runs first, where GitHub has it from elsewhere: the base of a pull request
    """

    name: str
    job: str
    command: str
    minutes: int
    by_profile: bool = False
    keeps: str = ""
    before: str = ""


LINT = Step(name="lint", job="checks/lint", command="make lint", minutes=20)
TEST = Step(name="test", job="checks/test", command="make test", minutes=60)
AUDIT = Step(
    name="audit",
    job="checks/audit",
    command="make audit",
    minutes=30,
    by_profile=True,
    keeps="audit-report",
)
REVIEW = Step(
    name="review",
    job="review/compare",
    command='make review BASE="$BASE"',
    minutes=30,
    by_profile=True,
    keeps="review-report",
    before="make deployed DELIVERY=1",
)
SYNTHESISE = Step(
    name="synthesise",
    job="deliver/synthesise",
    command="make synth",
    minutes=20,
    by_profile=True,
    keeps="cdk.out",
)
# What was synthesised before, byte for byte; the stacks that deliver are left to a person.
DEPLOY = Step(
    name="deploy",
    job="deliver/<profile>",
    command='make deploy DELIVERY=1 APP="$ASSEMBLY"',
    minutes=120,
    by_profile=True,
)
STEPS = (LINT, TEST, AUDIT, REVIEW, SYNTHESISE, DEPLOY)

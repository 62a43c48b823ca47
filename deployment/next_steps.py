"""What a person does with a deployment that stands: its outputs, and the first commands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from deployment import stacks
from deployment.assembly import Wanted
from deployment.names import Names
from deployment.place import Place


def outputs(place: Place, wanted: Sequence[Wanted]) -> dict[str, str]:
    found = (stacks.find(place, stack.name) for stack in wanted)
    return stacks.outputs(place, [stack for stack in found if stack is not None])


def told(names: Names, found: Mapping[str, str]) -> Iterator[str]:
    yield "outputs:"
    yield from (f"  {name} = {value}" for name, value in sorted(found.items()))
    yield "next (the text of docs/deploy.md goes with it):"
    for title, command in _steps(names, found):
        yield f"  {title}"
        yield f"    {command}"


def _steps(names: Names, found: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Only those whose outputs are there: another app may have others."""
    if "StreamName" in found:
        yield (
            "send a record, as the role ProducerRoleArn:",
            f"aws kinesis put-records --stream-name {found['StreamName']} "
            "--records PartitionKey=1,Data@=fileb://record.json",
        )
    if "RetrainStateMachineArn" in found:
        yield (
            "run the loop once, on what has come in:",
            f"aws stepfunctions start-execution --state-machine-arn {found['RetrainStateMachineArn']} "
            """--input '{"trigger": "me", "action": "retrain"}'""",
        )
    if "EndpointName" in found:
        yield (
            "ask for a prediction, as the role ClientRoleArn:",
            f"aws sagemaker-runtime invoke-endpoint --endpoint-name {found['EndpointName']} "
            "--content-type application/json --body fileb://request.json answer.json",
        )
    yield (
        "what it costs while it stands says `make bill`; less for a while:",
        f"make pause PROFILE={names.profile}",
    )
    yield "nothing any more:", f"make destroy PROFILE={names.profile}"

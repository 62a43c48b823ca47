"""The checks bite: each property that is broken in our own templates is noticed, by a named check."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from audit import mutants
from audit.mutants import Baseline, Documents, Mutant
from audit.templates import Templates


@pytest.fixture(scope="module")
def ours(audited: dict[str, Templates]) -> tuple[Documents, dict[str, Mutant], Baseline]:
    documents = audited["production"].documents
    every = {mutant.what: mutant for mutant in mutants.mutants(documents)}
    return documents, every, mutants.baseline(Templates(documents))


# One of each kind, the first that begins so; the whole run is `make mutants`.
KILLED = [
    pytest.param("Data/LakeRaw", "without BucketEncryption", "rules", id="bucket without key"),
    pytest.param("Data/LakeRaw", "with BlockPublicAcls off", "rules", id="bucket open"),
    pytest.param("Data/LakeRaw", "without VersioningConfiguration", "rules", id="bucket without versions"),
    pytest.param("Data/LakeRaw", "without denial #0", "rules", id="bucket without TLS"),
    pytest.param("Data/LakeRaw", "without denial #3", "access matrix", id="bucket without a denial"),
    pytest.param("Base/KeysLake", "without EnableKeyRotation", "rules", id="key not rotated"),
    pytest.param("Base/Network", "without PolicyDocument", "rules", id="endpoint without policy"),
    pytest.param("Base/Network", "lets everybody in", "rules", id="open security group"),
    pytest.param("Data/TransformClean", "without SecurityConfiguration", "rules", id="Glue job in the clear"),
    pytest.param("Operations/Deploy", "without DataCaptureConfig", "rules", id="nothing captured"),
    pytest.param("Operations/Deploy", "without EnableNetworkIsolation", "rules", id="model not isolated"),
    pytest.param("Operations/RetrainWorkflowMachine", "without VpcConfig", "rules", id="job outside the VPC"),
    pytest.param(
        "Operations/RetrainWorkflowMachine",
        "without EnableInterContainerTrafficEncryption",
        "rules",
        id="traffic in the clear",
    ),
    pytest.param("Operations/RetrainWorkflowMachine", "without Catch", "rules", id="state without a way out"),
    pytest.param("Data/QueriesAnalyst", "#0 on every resource", "wildcards", id="wider resource"),
    pytest.param("Data/QueriesAnalyst", "#0 with every action", "wildcards", id="wider action"),
    pytest.param("Model/TrainRolePermissions", "with every action", "wildcards", id="a job's wider action"),
    pytest.param("Model/TrainRole", "without PermissionsBoundary", "rules", id="role without its boundary"),
    pytest.param("Data/IngestStream", "without StreamEncryption", "rules", id="stream in the clear"),
]


@pytest.mark.parametrize(("begins", "says", "by"), KILLED)
def test_a_broken_property_is_noticed(ours: Any, begins: str, says: str, by: str) -> None:
    documents, every, before = ours
    chosen = next(one for what, one in every.items() if what.startswith(begins) and says in what)
    broken = copy.deepcopy(documents)
    chosen.change(broken)
    assert broken != documents
    assert mutants.killer(broken, before).partition(":")[0] == by


def test_there_are_hundreds_and_none_changes_the_original(ours: Any) -> None:
    documents, every, _ = ours
    assert len(every) > 1_000
    untouched = copy.deepcopy(documents)
    for mutant in list(every.values())[::97]:
        mutant.change(copy.deepcopy(documents))
    assert documents == untouched


def test_nothing_broken_is_no_kill(ours: Any) -> None:
    documents, _, before = ours
    assert mutants.killer(copy.deepcopy(documents), before) == ""


def test_the_command_tells_survivors_and_counts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    topic = '{"Resources": {"T": {"Type": "AWS::SNS::Topic", "Properties": {"KmsMasterKeyId": "k"}}}}'
    (tmp_path / "Any.template.json").write_text(topic)
    assert mutants.main([str(tmp_path), "--list"]) == 0
    said = capsys.readouterr().out
    assert "Any/T without KmsMasterKeyId" in said
    assert "1 of 1 mutants killed, 100.0%" in said
    assert mutants.main([str(tmp_path / "nowhere")]) == 2

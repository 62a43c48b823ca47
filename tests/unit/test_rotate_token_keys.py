"""The rotation: new epochs get keys, old ones lose theirs, the others stay; its steps are repeatable."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from moto import mock_aws
from rotate_token_keys import handler as module
from rotate_token_keys.renewal import Policy, RenewalError, check, renewed, wanted
from shared import token_keys
from shared.aws import client
from shared.epochs import epoch_of, following, last_day
from shared.token_keys import Key, TokenKeys, TokenKeysError

POLICY = Policy("year", "2024", keep_days=365, seal_days=30)
EMPTY = TokenKeys({})
INITIAL = '{"format": 1, "epochs": {}, "destroyed": [], "seals": [], "unused": "x"}'  # as the stack makes it
VERSION = "00000000-0000-0000-0000-0000000000aa"


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("grain", "day", "epoch", "after", "last"),
    [
        ("year", "2013-12-31", "2013", "2014", "2013-12-31"),
        ("quarter", "2013-06-30", "2013-Q2", "2013-Q3", "2013-06-30"),
        ("quarter", "2013-10-01", "2013-Q4", "2014-Q1", "2013-12-31"),
        ("month", "2012-02-29", "2012-02", "2012-03", "2012-02-29"),
        ("month", "2013-12-31", "2013-12", "2014-01", "2013-12-31"),
    ],
)
def test_epoch_of_a_day(grain: str, day: str, epoch: str, after: str, last: str) -> None:
    assert epoch_of(day, grain) == epoch
    assert following(epoch) == after
    assert last_day(epoch).isoformat() == last


def test_epochs_reach_from_the_first_to_the_one_after_the_present() -> None:
    assert wanted(POLICY, at("2026-05-01").date()) == ["2024", "2025", "2026", "2027"]
    assert wanted(POLICY, at("2013-05-01").date()) == ["2024"], "a clock before the data set"


def test_first_rotation_makes_a_key_for_each_epoch_and_all_differ() -> None:
    keys = renewed(EMPTY, POLICY, at("2026-05-01T10:00:00"))
    assert sorted(keys.epochs) == ["2024", "2025", "2026", "2027"]
    assert len({key.key for key in [*keys.epochs.values(), *keys.seals]}) == 5
    assert all(len(key.key) == 32 and key.made == "2026-05-01T10:00:00Z" for key in keys.epochs.values())


def test_keys_stay_and_the_seal_key_changes() -> None:
    first = renewed(EMPTY, POLICY, at("2026-05-01"))
    second = renewed(first, POLICY, at("2026-05-31"))
    assert second.epochs == first.epochs
    assert [*second.seals][:1] == [*first.seals]
    assert len(second.seals) == 2


def test_next_epoch_has_its_key_before_it_begins() -> None:
    first = renewed(EMPTY, POLICY, at("2026-12-31"))
    later = renewed(first, POLICY, at("2027-01-30"))
    assert later.epochs.keys() - first.epochs.keys() == {"2028"}


def test_key_is_destroyed_after_its_time_and_never_made_again() -> None:
    made = renewed(EMPTY, POLICY, at("2024-06-01"))
    last = renewed(made, POLICY, at("2025-12-31"))
    assert "2024" in last.epochs, "365 days after the last of 2024"
    over = renewed(last, POLICY, at("2026-01-01"))
    assert "2024" not in over.epochs
    assert over.destroyed == ("2024",)
    assert "2024" not in renewed(over, POLICY, at("2026-02-01")).epochs


def test_data_set_older_than_its_deployment_has_its_keys_as_long() -> None:
    old = POLICY._replace(first="2013")
    made = renewed(EMPTY, old, at("2026-06-01"))
    assert "2013" in renewed(made, old, at("2027-06-01")).epochs
    assert "2013" in renewed(made, old, at("2027-06-02")).destroyed


def test_seal_keys_are_kept_as_long_as_what_they_sealed() -> None:
    seals = [Key(bytes([n]) * 32, f"2026-0{n}-01T00:00:00Z") for n in (1, 2, 3)]
    epochs = renewed(EMPTY, POLICY, at("2026-01-01")).epochs
    keys = TokenKeys(epochs, seals=tuple(seals))
    assert renewed(keys, POLICY, at("2026-03-03")).seals[:-1] == tuple(seals), (
        "the first sealed until 1 February"
    )
    assert renewed(keys, POLICY, at("2026-03-06")).seals[:-1] == tuple(seals[1:])
    assert renewed(keys, POLICY, at("2026-08-20")).seals[:-1] == tuple(seals[2:]), "in use until today"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        pytest.param(lambda k: k._replace(epochs=k.epochs | {"2025": Key(b"x" * 32, "2026-05-01T00:00:00Z")}),
                     "2025: its key is another one", id="another key"),
        pytest.param(lambda k: k._replace(epochs={e: v for e, v in k.epochs.items() if e != "2025"}),
                     "2025: its key is gone", id="a key too few"),
        pytest.param(lambda k: k._replace(epochs=k.epochs | {"2020": k.epochs["2025"]}, destroyed=("2020",)),
                     "2020: its key was destroyed", id="a second key for a destroyed epoch"),
        pytest.param(lambda k: k._replace(seals=()), "no key for seals", id="no seal"),
    ],
)  # fmt: skip
def test_renewal_that_breaks_a_promise_is_refused(change: Any, said: str) -> None:
    now = at("2026-05-01")
    before = renewed(EMPTY, POLICY, now)._replace(destroyed=("2020",))
    with pytest.raises(RenewalError, match=said):
        check(before, change(before), POLICY, now)
    check(before, renewed(before, POLICY, now), POLICY, now)


def test_renewal_without_a_needed_epoch_is_refused() -> None:
    keys = renewed(EMPTY, POLICY, at("2025-05-01"))
    with pytest.raises(RenewalError, match="epoch 2027 has no key"):
        check(keys, keys, POLICY, at("2026-05-01"))


def test_text_holds_the_keys_and_errors_hold_none() -> None:
    keys = renewed(EMPTY, POLICY, at("2026-05-01"))
    assert token_keys.parse(token_keys.text(keys)) == keys
    for text in ("k" * 40, "[]", '{"format": 2}', token_keys.text(keys)[:-1],
                 '{"format":1,"epochs":{"2024":{"key":"abcd","made":"2026-05-01T00:00:00Z"}},"destroyed":[],'
                 '"seals":[]}'):  # fmt: skip
        with pytest.raises(TokenKeysError) as caught:
            token_keys.parse(text)
        assert text[:20] not in str(caught.value)
        assert caught.value.__suppress_context__


# -- the four steps


@pytest.fixture
def secret(monkeypatch) -> Iterator[str]:
    """A secret as the stack makes it, with a rotation that has begun."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("SEAL_DAYS", "30")
    epochs = {"grain": "year", "first": "2024", "keep_days": 365}
    monkeypatch.setattr(module, "contract", lambda: {"token_epochs": epochs})
    with mock_aws():
        client.cache_clear()
        boto3.client("secretsmanager").create_secret(Name="keys", SecretString=INITIAL)
        yield "keys"
        client.cache_clear()


def begin(version: str = VERSION) -> None:
    """What Secrets Manager does first: a version without a value, which is pending."""
    from moto.secretsmanager.models import secretsmanager_backends

    found = secretsmanager_backends["123456789012"]["us-east-1"].secrets["keys"]
    found.versions[version] = {"version_id": version, "version_stages": ["AWSPENDING"], "createdate": 0}


def step(name: str, version: str = VERSION) -> None:
    module.handler({"Step": name, "SecretId": "keys", "ClientRequestToken": version}, None)


def stages() -> dict[str, list[str]]:
    found: dict[str, list[str]] = boto3.client("secretsmanager").describe_secret(SecretId="keys")[
        "VersionIdsToStages"
    ]
    return found


def value(stage: str) -> TokenKeys:
    got = boto3.client("secretsmanager").get_secret_value(SecretId="keys", VersionStage=stage)
    return token_keys.parse(got["SecretString"])


def test_four_steps_make_the_new_keys_current(secret) -> None:
    begin()
    for name in module.STEPS:
        step(name)
        step(name)  # Secrets Manager may call a step again
    assert stages()[VERSION] == ["AWSCURRENT"]
    assert value("AWSCURRENT").epochs
    assert value("AWSPREVIOUS").epochs == {}


def test_step_called_again_keeps_the_pending_keys(secret) -> None:
    begin()
    step("createSecret")
    first = value("AWSPENDING")
    step("createSecret")
    assert value("AWSPENDING") == first


def test_unsound_keys_never_become_current(secret) -> None:
    begin()
    boto3.client("secretsmanager").put_secret_value(
        SecretId="keys", ClientRequestToken=VERSION, SecretString=token_keys.text(EMPTY),
        VersionStages=["AWSPENDING"],
    )  # fmt: skip
    for name in ("testSecret", "finishSecret"):
        with pytest.raises(RenewalError, match="has no key"):
            step(name)
    assert stages()[VERSION] == ["AWSPENDING"]


def test_no_label_leads_to_a_destroyed_key(secret, monkeypatch) -> None:
    old = Key(b"o" * 32, "2020-01-01T00:00:00Z")
    api = boto3.client("secretsmanager")
    keys = TokenKeys({"2019": old}, seals=(old,))
    before = api.put_secret_value(SecretId="keys", SecretString=token_keys.text(keys))["VersionId"]
    begin()
    for name in module.STEPS:
        step(name)
    assert value("AWSCURRENT").destroyed == ("2019",)
    assert stages().get(before, []) == []
    assert [label for labels in stages().values() for label in labels] == ["AWSCURRENT"]


@pytest.mark.parametrize("is_done", [False, True], ids=["before it", "after it"])
@pytest.mark.parametrize("call", [0, 1, 2])
def test_rotation_that_dies_at_any_call_is_finished_by_the_next(
    secret, monkeypatch, call: int, is_done: bool
) -> None:
    """Else AWSPREVIOUS would lead to the destroyed key until the next rotation."""
    old = Key(b"o" * 32, "2020-01-01T00:00:00Z")
    keys = TokenKeys({"2019": old}, seals=(old,))
    boto3.client("secretsmanager").put_secret_value(SecretId="keys", SecretString=token_keys.text(keys))
    begin()
    for name in list(module.STEPS)[:-1]:
        step(name)
    api, made = client("secretsmanager"), []
    move = api.update_secret_version_stage

    def dying(**given: Any) -> None:
        made.append(given["VersionStage"])
        if len(made) != call + 1:
            move(**given)
            return
        if is_done:
            move(**given)
        raise ConnectionError("the function died")

    with monkeypatch.context() as dies, pytest.raises(ConnectionError):
        dies.setattr(api, "update_secret_version_stage", dying)
        step("finishSecret")
    step("finishSecret")
    step("finishSecret")
    assert stages()[VERSION] == ["AWSCURRENT"]
    assert [label for labels in stages().values() for label in labels] == ["AWSCURRENT"]
    assert value("AWSCURRENT").destroyed == ("2019",)


@pytest.mark.parametrize(
    ("name", "version", "said"),
    [
        pytest.param("deleteSecret", VERSION, "unknown step", id="unknown step"),
        pytest.param("createSecret", VERSION[:-2] + "bb", "is not pending", id="unknown version"),
    ],
)
def test_call_that_is_no_rotation_is_refused(secret, name: str, version: str, said: str) -> None:
    begin()
    with pytest.raises(module.RotationError, match=said):
        step(name, version)

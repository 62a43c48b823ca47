"""The next keys from the present ones. Tokens of an epoch stay as they are for as long as it has its key."""

import secrets
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

from shared.epochs import epoch_of, following, last_day
from shared.token_keys import SHORTEST_KEY, Key, TokenKeys


class RenewalError(ValueError):
    """The next keys would lose or change what has to stay."""


class Policy(NamedTuple):
    """Epochs from `first` on; keys are kept `keep_days` after their epoch, seals as long as quarantine."""

    grain: str
    first: str
    keep_days: int
    seal_days: int


def renewed(keys: TokenKeys, policy: Policy, now: datetime) -> TokenKeys:
    """Keys up to the epoch after the present one, so that none is missing when it begins; a new seal key."""
    today, made = now.astimezone(UTC).date(), _moment(now)
    over = {epoch for epoch, key in keys.epochs.items() if _is_over(epoch, key, policy.keep_days, today)}
    epochs = {epoch: key for epoch, key in keys.epochs.items() if epoch not in over}
    for epoch in wanted(policy, today):
        if epoch not in keys.epochs and epoch not in keys.destroyed:
            epochs[epoch] = _new(made)
    return TokenKeys(
        epochs=epochs,
        destroyed=tuple(sorted({*keys.destroyed, *over})),
        seals=(*_still_needed(keys.seals, policy.seal_days, today), _new(made)),
    )


def check(before: TokenKeys, after: TokenKeys, policy: Policy, now: datetime) -> None:
    """Raises RenewalError when tokens of an epoch would change, or an epoch that is needed has no key."""
    today = now.astimezone(UTC).date()
    for epoch, key in before.epochs.items():
        kept = after.epochs.get(epoch)
        over = _is_over(epoch, key, policy.keep_days, today)
        if kept != key and not (over and kept is None and epoch in after.destroyed):
            got = "gone" if kept is None else "another one"
            allowed = f"the same key until {policy.keep_days} days after it"
            raise RenewalError(f"epoch {epoch}: its key is {got}, allowed: {allowed}")
    if again := sorted({*before.destroyed} & {*after.epochs}):
        raise RenewalError(f"epoch {again[0]}: its key was destroyed, allowed: no second one")
    known = {*after.epochs, *after.destroyed}
    if missing := sorted(epoch for epoch in wanted(policy, today) if epoch not in known):
        raise RenewalError(f"epoch {missing[0]} has no key, allowed: one for each from {policy.first} on")
    if not after.seals:
        raise RenewalError("no key for seals, allowed: one or more")


def wanted(policy: Policy, today: date) -> list[str]:
    """The epochs from the first one to the one after the present one."""
    last = following(epoch_of(today.isoformat(), policy.grain))
    epochs = [policy.first]
    while epochs[-1] < last:
        epochs.append(following(epochs[-1]))
    return epochs


def _is_over(epoch: str, key: Key, keep_days: int, today: date) -> bool:
    """Of a data set that is older than its deployment, the days count from when the key was made."""
    begun = max(last_day(epoch), date.fromisoformat(key.made[:10]))
    return begun + timedelta(days=keep_days) < today


def _still_needed(seals: tuple[Key, ...], seal_days: int, today: date) -> tuple[Key, ...]:
    """A seal key seals until the next one is made; what it sealed last is gone `seal_days` later."""
    successors = [seal.made for seal in seals[1:]]
    limit = (today - timedelta(days=seal_days + 1)).isoformat()
    outlived = sum(made[:10] < limit for made in successors)
    return seals[outlived:]


def _new(made: str) -> Key:
    return Key(secrets.token_bytes(SHORTEST_KEY), made)


def _moment(now: datetime) -> str:
    return now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

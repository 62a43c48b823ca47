"""What no other class speaks of: behaviour, unless it is words, tags, metadata or new code alone."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from audit.findings import few
from audit.review.difference import Change, Kind, shown, without_assets
from audit.review.loss import is_kept
from audit.review.pairs import Pair
from audit.templates import Resource, Templates

# Properties, wherever they stand, that nobody but a reader sees.
WORDS = ("Description", "Comment", "DisplayName", "Tags", "TagList", "HostedZoneTags", "FileSystemTags")
# What only says how the template was made.
MADE_BY = ("AWS::CDK::Metadata",)
_SECTIONS = ("Parameters", "Mappings", "Conditions", "Transform", "Rules", "Outputs")


def rest(one: Pair, spoken: Collection[str]) -> Iterator[Change]:
    """`spoken`: properties that other classes speak of; "*" for the whole resource."""
    if "*" in spoken:
        return
    if one.one.type in MADE_BY:
        if one.changed or one.old is None or one.new is None:
            yield _change(one, Kind.COSMETIC, "says how the template was made")
    elif one.old is None:
        yield _change(one, Kind.BEHAVIOUR, "is new")
    elif one.new is None:
        kept = "leaves the stack and is kept: nobody manages it any more"
        what = kept if is_kept(one) else "is deleted"
        yield _change(one, Kind.BEHAVIOUR, what)
    elif one.is_renamed:
        yield _change(one, Kind.COSMETIC, f"is made anew as {one.new.path}, with the same content")
    else:
        yield from _changed(one, one.old, one.new, spoken)


def _changed(one: Pair, old: Resource, new: Resource, spoken: Collection[str]) -> Iterator[Change]:
    left = [name for name in one.changed if name not in spoken]
    cosmetic = [
        name
        for name in left
        if name in WORDS or _bare(_value(one, old, name)) == _bare(_value(one, new, name))
    ]
    for kind, names in (
        (Kind.BEHAVIOUR, [name for name in left if name not in cosmetic]),
        (Kind.COSMETIC, cosmetic),
    ):
        if names:
            before = {name: _value(one, old, name) for name in names}
            after = {name: _value(one, new, name) for name in names}
            yield _change(one, kind, _told(names, before, after), *_excerpt(before, after))
    if not one.changed and _metadata(old) != _metadata(new):
        yield _change(one, Kind.COSMETIC, "has other metadata")


def _value(one: Pair, side: Resource, name: str) -> Any:
    properties = one.properties if side is one.old else side.properties
    return properties.get(name) if name in {*one.properties, *_now(one)} else side.raw.get(name)


def _now(one: Pair) -> Mapping[str, Any]:
    return one.new.properties if one.new else {}


def _bare(value: Any) -> Any:
    """Without words, tags and hashes of assets, and with JSON in text read."""
    bare = without_assets(_unworded(value))
    return None if bare in ({}, [], "") else bare


def _unworded(value: Any) -> Any:
    match value:
        case dict():
            return {key: _unworded(each) for key, each in value.items() if key not in WORDS}
        case list():
            return [_unworded(each) for each in value]
        case str() if value.startswith("{"):
            try:
                return _unworded(json.loads(value))
            except ValueError:
                return value
    return value


def _told(names: Collection[str], before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    if all(name in WORDS for name in names):
        return f"other words in {few(names, 5)}"
    is_code = all(without_assets(before[name]) == without_assets(after[name]) for name in names)
    return f"new code or files behind {few(names, 5)}" if is_code else f"changes {few(names, 5)}"


def _excerpt(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[str, str]:
    """Of one property its values alone; of longer texts what is around the first difference."""
    texts = [_text(side) for side in (before, after)]
    start = next((at for at, (a, b) in enumerate(zip(*texts, strict=False)) if a != b), min(map(len, texts)))
    cut = start - 80 if max(map(len, texts)) > 240 and start > 100 else 0
    was, now = (f"…{text[cut:]}" if cut else text for text in texts)
    return shown(was), shown(now)


def _text(side: Mapping[str, Any]) -> str:
    if len(side) == 1:
        (value,) = side.values()
        return "" if value is None else value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    return json.dumps(side, sort_keys=True, default=str)


def _metadata(resource: Resource) -> Any:
    return [resource.raw.get("Metadata"), resource.raw.get("DependsOn")]


def _change(one: Pair, kind: Kind, what: str, before: str = "", after: str = "") -> Change:
    side = one.old or one.one
    return Change(
        kind=kind, stack=side.stack, path=side.path, type=side.type, what=what, before=before, after=after
    )


# ---- what is beside the resources ----


def sections(base: Templates, new: Templates) -> Iterator[Change]:
    """Parameters, mappings, conditions and outputs; an output alone is read by nobody but people."""
    for stack in dict.fromkeys([*new.stacks, *base.stacks]):
        was, now = (_document(side, stack) for side in (base, new))
        for section in _SECTIONS:
            before, after = was.get(section) or {}, now.get(section) or {}
            if isinstance(before, Mapping) and isinstance(after, Mapping):
                for name in sorted({*before, *after}):
                    if before.get(name) != after.get(name):
                        yield _entry(stack, section, name, before.get(name), after.get(name))
            elif before != after:
                yield _entry(stack, section, "", before, after)


def _document(templates: Templates, stack: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = templates.documents[stack][1] if stack in templates.documents else {}
    return found


def _entry(stack: str, section: str, name: str, before: Any, after: Any) -> Change:
    # A new export is read by nobody yet.
    is_read = section != "Outputs" or (isinstance(before, Mapping) and "Export" in before)
    same = _unworded(before) == _unworded(after)
    word = "is new" if before is None else "is gone" if after is None else "changes"
    return Change(
        kind=Kind.BEHAVIOUR if is_read and not same else Kind.COSMETIC,
        stack=stack,
        path=f"{stack}: {section} {name}".strip(),
        type="",
        what=f"{'export' if section == 'Outputs' and is_read else section.lower().removesuffix('s')} {word}",
        before=shown(before),
        after=shown(after),
    )

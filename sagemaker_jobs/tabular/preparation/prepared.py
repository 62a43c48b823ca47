"""A fitted preparation: raw features to model columns, whole columns or one record, kept as plain JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from tabular.frame import Frame
from tabular.preparation import numeric
from tabular.preparation.combined import Components
from tabular.preparation.encodings import Categorical
from tabular.preparation.errors import PreparationError
from tabular.preparation.imputation import Iterative, Neighbours
from tabular.preparation.numeric import Block, Numeric
from tabular.preparation.text import Text

Step = Numeric | Categorical | Text
READERS: dict[str, Any] = {"numeric": Numeric, "categorical": Categorical, "text": Text}
FORMAT = 2
# Lines that are prepared at once: few enough to stay in the processor's cache.
CHUNK = 4_096


@dataclass(frozen=True, kw_only=True)
class Preparation:
    """steps: one per feature, in the contract's order, whose columns come first."""

    steps: Sequence[Step] = field(default_factory=tuple)
    neighbours: Neighbours | None = None
    iterative: Iterative | None = None
    interactions: Sequence[tuple[str, str]] = ()
    components: Components | None = None

    @cached_property
    def columns(self) -> list[str]:
        found = [column for step in self.steps for column in step.columns]
        found += [f"{first}*{second}" for first, second in self.interactions]
        return found + (self.components.columns if self.components is not None else [])

    @cached_property
    def shares(self) -> list[dict[str, float]]:
        """Of each model column, which raw features are in it and how much: the shares sum to one."""
        found = [{step.name: 1.0} for step in self.steps for _ in step.columns]
        for first, second in self.interactions:
            found.append({first: 1.0} if first == second else {first: 0.5, second: 0.5})
        return found + (self.components.shares() if self.components is not None else [])

    @cached_property
    def features(self) -> list[str]:
        """The raw feature behind each model column; of several, the one with the largest share."""
        return [max(shares, key=lambda name: shares[name]) for shares in self.shares]

    def by_feature(self, per_column: np.ndarray) -> dict[str, np.ndarray]:
        """(n, columns) of what adds up, as attributions do, to (n,) per raw feature."""
        found: dict[str, np.ndarray] = {}
        for column, shares in zip(np.asarray(per_column).T, self.shares, strict=True):
            for name, share in shares.items():
                found[name] = found.get(name, 0.0) + share * column
        return {step.name: found[step.name] for step in self.steps if step.name in found}

    def matrix(self, frame: Frame) -> np.ndarray:
        return self.matrix_of(frame, None)

    def matrix_of(self, frame: Frame, filled: np.ndarray | None) -> np.ndarray:
        """`filled`: the numbers after imputation, where fitting has them already."""
        found = np.empty((len(frame), len(self.columns)), dtype=np.float32)
        for step, place in self._others:
            found[:, place] = step.matrix(frame.columns[step.name])
        for start in range(0, len(frame), CHUNK):
            part = slice(start, start + CHUNK)
            values = self.block.filled(self.raw(frame, part)) if filled is None else filled[part]
            self._numbers(self.block.scaled(values), found[part])
        return found

    def raw(self, frame: Frame, part: slice = slice(None)) -> np.ndarray:  # noqa: B008  a slice does not change
        """The numeric features as a block, (rows of `part`, features)."""
        found = np.empty((len(frame.key[part]), len(self.block.names)))
        for place, name in enumerate(self.block.names):
            found[:, place] = frame.columns[name][part]
        return found

    def row(self, record: Mapping[str, Any]) -> np.ndarray:
        """One record as a matrix of one line; an absent feature counts as missing."""
        found = np.empty((1, len(self.columns)), dtype=np.float32)
        line = found[0]
        for step, place in self._others:
            line[place] = step.values(record.get(step.name))
        # None becomes NaN by the conversion to float.
        raw = np.array([[record.get(name) for name in self.block.names]], dtype=np.float64)
        self._numbers(self.block.values(raw), found)
        return found

    @cached_property
    def block(self) -> Block:
        steps = tuple(step for step in self.steps if isinstance(step, Numeric))
        return Block(steps=steps, neighbours=self.neighbours, iterative=self.iterative)

    @cached_property
    def _starts(self) -> dict[str, int]:
        """Where the columns of each feature begin."""
        starts, place = {}, 0
        for step in self.steps:
            starts[step.name] = place
            place += len(step.columns)
        return starts

    @cached_property
    def _others(self) -> list[tuple[Categorical | Text, slice]]:
        return [
            (step, slice(self._starts[step.name], self._starts[step.name] + len(step.columns)))
            for step in self.steps
            if not isinstance(step, Numeric)
        ]

    @cached_property
    def _straight(self) -> tuple[list[int], list[int]]:
        """Columns of the matrix that are columns of the block."""
        taken = [step for step in self.block.steps if step.kept and step.encoding == "passthrough"]
        return [self._starts[step.name] for step in taken], [self.block.place[step.name] for step in taken]

    @cached_property
    def _curved(self) -> list[tuple[Numeric, int, int, np.ndarray]]:
        return [
            (step, self._starts[step.name], self.block.place[step.name], np.array(step.edges))
            for step in self.block.steps
            if step.encoding != "passthrough"
        ]

    @cached_property
    def _pairs(self) -> tuple[slice, list[int], list[int]]:
        start = sum(len(step.columns) for step in self.steps)
        place = self.block.place
        return (
            slice(start, start + len(self.interactions)),
            [place[first] for first, _ in self.interactions],
            [place[second] for _, second in self.interactions],
        )

    @cached_property
    def _component_places(self) -> list[int]:
        return (
            [] if self.components is None else [self.block.place[name] for name in self.components.features]
        )

    def _numbers(self, values: np.ndarray, found: np.ndarray) -> None:
        """Writes every column that prepared numbers make."""
        there, here = self._straight
        if there:
            found[:, there] = values[:, here]
        for step, column, place, edges in self._curved:
            if step.encoding == "cyclic":
                assert step.period is not None  # noqa: S101  checked when it was fitted
                found[:, column], found[:, column + 1] = numeric.cycle(values[:, place], step.period)
            else:
                found[:, column] = numeric.bins(values[:, place], edges)
        if self.interactions:
            columns, first, second = self._pairs
            found[:, columns] = values[:, first] * values[:, second]
        if self.components is not None:
            found[:, -len(self.components.columns) :] = self.components.values(
                values[:, self._component_places]
            )

    def to_json(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "columns": self.columns,
            "steps": [step.to_json() for step in self.steps],
            "neighbours": None if self.neighbours is None else self.neighbours.to_json(),
            "iterative": None if self.iterative is None else self.iterative.to_json(),
            "interactions": [list(pair) for pair in self.interactions],
            "components": None if self.components is None else self.components.to_json(),
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "Preparation":
        if content.get("format") == 1:
            return cls(steps=tuple(_step_of_format_1(step) for step in content["steps"]))
        if content.get("format") != FORMAT:
            raise PreparationError(f"preparation has format {content.get('format')!r}, allowed are 1 and 2")
        parts = {
            name: None if content[name] is None else reader.from_json(content[name])
            for name, reader in (
                ("neighbours", Neighbours),
                ("iterative", Iterative),
                ("components", Components),
            )
        }
        return cls(
            steps=tuple(READERS[step["kind"]].from_json(step) for step in content["steps"]),
            interactions=tuple((first, second) for first, second in content["interactions"]),
            **parts,
        )


def _step_of_format_1(content: Mapping[str, Any]) -> Step:
    """What models hold that were trained before there were other steps."""
    if content["kind"] == "numeric":
        return Numeric(name=content["name"], fill=content["fill"])
    is_target = content["encoding"] == "target"
    return Categorical(
        name=content["name"],
        encoding=content["encoding"],
        fill=content["fill"],
        categories=tuple(content["categories"]),
        means=tuple((mean,) for mean in content["means"]) if is_target else (),
        prior=(content["prior"],) if is_target else (),
    )

"""Candidates train while the run's data are looked at; only the former can end the run.

Neither branch knows of the other. `$.learned` is what the first one leaves: `trained` and `search`.
"""

from __future__ import annotations

from stacks.operations.definitions.candidates import candidates
from stacks.operations.definitions.exploring import exploring
from stacks.operations.definitions.parts import Functions, Requests
from stacks.operations.definitions.search import no_search, search
from stacks.operations.definitions.states import (
    FAILED,
    States,
    choose,
    compute,
    hand_over,
    name_failed,
    present,
    together,
)


def learning(functions: Functions, requests: Requests, table: str, *, start: str, then: str) -> States:
    train = (
        candidates(functions, requests, start="TrainCandidates", then="Search", failing="NotTrained"),
        _search(functions, requests, table, start="Search", then="Learned"),
        hand_over("Learned", "trained", "search"),
        hand_over("NotTrained", "failure"),
    )
    look = (
        exploring(
            functions,
            requests.explore,
            table,
            seconds=requests.explore_seconds,
            start="Explore",
            then="Looked",
        ),
        hand_over("Looked"),
    )
    return {
        **together(
            start, ("TrainCandidates", train), ("Explore", look), into="$.learned", then="WhatWasLearned"
        ),
        **compute("WhatWasLearned", "$states.input.learned[0]", into="learned", then="AnyModel"),
        **choose("AnyModel", (present("$.learned.failure"), "NoModel"), otherwise=then),
        **compute("NoModel", "$states.input.learned.failure", into="failure", then="NameTrain"),
        **name_failed("NameTrain", "Train", then=FAILED),
    }


def _search(functions: Functions, requests: Requests, table: str, *, start: str, then: str) -> States:
    if requests.tuning is None:
        return no_search(start, then=then)
    return search(functions, requests.tuning, table, start=start, then=then)

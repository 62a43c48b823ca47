"""Our application of what was fitted gives what the library's own transform gives."""

from collections.abc import Callable

import numpy as np
import pytest
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.experimental import enable_iterative_imputer  # noqa: F401  unlocks IterativeImputer
from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS, HashingVectorizer, TfidfVectorizer
from sklearn.impute import IterativeImputer, KNNImputer, SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    KBinsDiscretizer,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    StandardScaler,
    TargetEncoder,
)
from sklearn.utils import murmurhash3_32
from tabular import preparation
from tabular.preparation import text

from tests.any_preparation import NOTE, ROWS, SITE, any_rows, learn, number

CATEGORY = {**SITE, "imputation": "none"}


def columns(*names: str) -> np.ndarray:
    return np.column_stack([any_rows().columns[name] for name in names])


def documents() -> list[str]:
    return ["" if value is None else value for value in any_rows().columns["note"]]


def across(imputer: object) -> np.ndarray:
    """The first of three features, filled in standardised units and put back into its own."""
    scaler = StandardScaler()
    found = imputer.fit_transform(scaler.fit_transform(columns("a", "c", "d")))
    return scaler.inverse_transform(found)[:, :1]


def binned(strategy: str) -> np.ndarray:
    values = columns("b")
    known = ~np.isnan(values[:, 0])
    found = np.full((ROWS, 1), np.nan)
    method = {"quantile_method": "averaged_inverted_cdf"} if strategy == "quantile" else {}
    library = KBinsDiscretizer(5, encode="ordinal", strategy=strategy, subsample=None, **method)
    found[known] = library.fit_transform(values[known])
    return found


ACROSS = {"c": number(), "d": number()}
CASES: dict[str, tuple[dict, dict, Callable[[], np.ndarray]]] = {
    **{
        f"imputation {ours}": (
            {"a": number(imputation=ours)},
            {},
            lambda theirs=theirs: SimpleImputer(strategy=theirs).fit_transform(columns("a")),
        )
        for ours, theirs in (("mean", "mean"), ("median", "median"), ("mode", "most_frequent"))
    },
    "imputation knn": (
        {"a": number(imputation="knn"), **ACROSS},
        {},
        lambda: across(KNNImputer(n_neighbors=5)),
    ),
    "imputation iterative": (
        {"a": number(imputation="iterative"), **ACROSS},
        {"iterative": {"rounds": 4}},
        lambda: across(IterativeImputer(max_iter=4, random_state=0)),
    ),
    "min_max": ({"a": number(scaling="min_max")}, {}, lambda: MinMaxScaler().fit_transform(columns("a"))),
    "z_score": ({"a": number(scaling="z_score")}, {}, lambda: StandardScaler().fit_transform(columns("a"))),
    "bins quantile": (
        {"b": number(encoding="bins", bins={"count": 5, "strategy": "quantile"})},
        {},
        lambda: binned("quantile"),
    ),
    "bins uniform": (
        {"b": number(encoding="bins", bins={"count": 5, "strategy": "uniform"})},
        {},
        lambda: binned("uniform"),
    ),
    "one_hot": (
        {"gate": CATEGORY},
        {},
        lambda: OneHotEncoder(sparse_output=False).fit_transform(columns("gate")),
    ),
    "ordinal": (
        {"gate": {**CATEGORY, "encoding": "ordinal"}},
        {},
        lambda: OrdinalEncoder().fit_transform(columns("gate")),
    ),
    "target": (
        {"gate": {**CATEGORY, "encoding": "target"}},
        {},
        lambda: (
            TargetEncoder(smooth=preparation.SMOOTHING, target_type="continuous")
            .fit(columns("gate"), any_rows().label)
            .transform(columns("gate"))
        ),
    ),
    "tf_idf": (
        {"note": {**NOTE, "stop_words": "english"}},
        {},
        lambda: TfidfVectorizer(max_features=8, stop_words="english").fit_transform(documents()).toarray(),
    ),
    "hashing": (
        {"note": {**NOTE, "encoding": "hashing", "dimensions": 16, "stop_words": "english"}},
        {},
        lambda: HashingVectorizer(n_features=16, stop_words="english").fit_transform(documents()).toarray(),
    ),
    "lsa": (
        {"note": {**NOTE, "encoding": "lsa", "terms": 9, "dimensions": 3}},
        {},
        lambda: make_pipeline(TfidfVectorizer(max_features=9), TruncatedSVD(3, random_state=0)).fit_transform(
            documents()
        ),
    ),
    "pca": (
        {name: number(imputation="mean") for name in "abd"},
        {"pca": {"features": ["a", "b", "d"], "components": 2}},
        lambda: make_pipeline(SimpleImputer(), StandardScaler(), PCA(2, random_state=0)).fit_transform(
            columns("a", "b", "d")
        ),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_gives_what_the_library_gives(name: str) -> None:
    features, together, library = CASES[name]
    prepared, _ = learn(features, together)
    expected = library()
    ours = prepared.matrix(any_rows())[:, : expected.shape[1]]
    np.testing.assert_allclose(ours, expected, rtol=2e-6, atol=2e-6)


def test_target_encoding_out_of_fold_is_the_librarys_of_each_fold() -> None:
    given = any_rows()
    values = given.columns["gate"].reshape(-1, 1)
    _, fitted = learn({"gate": {**CATEGORY, "encoding": "target"}})
    folds = np.arange(ROWS) % preparation.FOLDS
    for fold in range(preparation.FOLDS):
        library = TargetEncoder(smooth=preparation.SMOOTHING, target_type="continuous")
        library.fit(values[folds != fold], given.label[folds != fold])
        np.testing.assert_allclose(
            fitted.matrix[folds == fold], library.transform(values[folds == fold]), rtol=1e-6
        )


def test_target_encoding_of_several_classes_has_a_column_of_each() -> None:
    label = np.random.default_rng(1).integers(0, 3, ROWS).astype(float)
    given = any_rows(label)
    spec = {"gate": {**CATEGORY, "encoding": "target"}}
    prepared, fitted = learn(spec, of=given, classes=["early", "punctual", "late"])
    library = TargetEncoder(smooth=preparation.SMOOTHING, target_type="multiclass")
    library.fit(given.columns["gate"].reshape(-1, 1), label)
    expected = library.transform(given.columns["gate"].reshape(-1, 1))
    assert prepared.columns == ["gate:0", "gate:1", "gate:2"]
    np.testing.assert_allclose(prepared.matrix(given), expected, rtol=1e-6)
    np.testing.assert_allclose(fitted.matrix.sum(axis=1), 1, rtol=1e-6)


def test_hash_of_a_token_is_the_librarys() -> None:
    tokens = [
        "",
        "a",
        "ab",
        "abc",
        "abcd",
        "abcde",
        "Überfall",
        "東京",
        "x" * 97,
        *sorted(ENGLISH_STOP_WORDS),
    ]
    assert {token: text.murmur(token) for token in tokens} == {
        token: murmurhash3_32(token, seed=0) for token in tokens
    }

"""Stand-in for the `awsglue` package of a Glue worker: what a plain Spark job needs; the rest says so."""

from __future__ import annotations


def __getattr__(name: str) -> object:
    if name.startswith("__"):
        raise AttributeError(name)
    raise NotImplementedError(f"awsglue.{name} is not in the sandbox; it has utils, context and job")

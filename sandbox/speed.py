"""What moto does without need at every start of a service or for every key, left out."""

from __future__ import annotations

from functools import cache
from typing import Any

from sandbox import selftest


def install() -> None:
    _read_models_once()
    _make_no_unused_key_pairs()


def self_test() -> None:
    selftest.check("moto.core.loaders:create_loader")
    selftest.check("moto.core.utils:_load_service_model", "service_name", "model_name")
    selftest.check("moto.kms.models:generate_private_key", "key_spec")


def _read_models_once() -> None:
    """moto searches all folders of botocore anew for each service.

    The loader is moto's own: it adds corrections, such as the root tags of S3's answers. It cannot be that of
    our clients: botocore changes the models of S3 in place.
    """
    from moto.core import utils
    from moto.core.loaders import create_loader

    loader = create_loader()
    utils._load_service_model = cache(lambda name, model: loader.load_service_model(name, model))


def _make_no_unused_key_pairs() -> None:
    """moto makes an RSA key pair (100 ms) for symmetric keys too, which can neither sign nor verify."""
    from moto.kms import models
    from moto.kms.utils import generate_private_key

    def generate(key_spec: str) -> Any:
        return None if key_spec == "SYMMETRIC_DEFAULT" else generate_private_key(key_spec)

    models.generate_private_key = generate

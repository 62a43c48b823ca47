"""Data contracts: the single source of truth for tables, features, model and monitoring."""

from contracts.compiler import load
from contracts.errors import ContractError

__all__ = ["ContractError", "load"]

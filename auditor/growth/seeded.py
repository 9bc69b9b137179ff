"""Tables of a scenario that asks for seeding: created once, filled anew for each point."""

from __future__ import annotations

from collections.abc import Mapping

from auditor.backends.database import ScratchDatabase
from auditor.growth.scenario import Scenario
from auditor.growth.seeding.connection import plain_engine
from auditor.growth.seeding.seed import metadata_of, seed
from auditor.model.errors import ScenarioError, SeedError


def create_seeded_tables(scenario: Scenario, database: ScratchDatabase) -> None:
    """Create the tables that the scenario wants seeded, those that are not there. Raises
    ScenarioError."""
    if scenario.seed is None:
        return
    try:
        metadata_of(scenario.seed).create_all(plain_engine(database.url))
    except SeedError as error:
        raise _not_seeded(scenario, error) from error


def seed_tables(scenario: Scenario, database: ScratchDatabase, sizes: Mapping[str, int]) -> None:
    """Fill the tables that the sizes name, if the scenario asks for it. Raises ScenarioError."""
    if scenario.seed is None:
        return
    try:
        seed(database.url, scenario.seed, sizes, hooks=dict(scenario.hooks))
    except SeedError as error:
        raise _not_seeded(scenario, error) from error


def _not_seeded(scenario: Scenario, error: SeedError) -> ScenarioError:
    return ScenarioError(f"scenario `{scenario.name}` cannot be seeded: {error}")

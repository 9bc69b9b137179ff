"""Growth of Optuna's relational storage, a project outside of OpenStack (`pip install optuna`).

    auditor profile benchmarks/optuna_scenarios.py --db sqlite:// --db postgresql

docs/optuna.md has the laws that were found, and what they mean.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from optuna import logging
from optuna.distributions import FloatDistribution, distribution_to_json
from optuna.storages import RDBStorage
from optuna.storages._rdb import models
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

import auditor

STORAGE = "optuna.storages._rdb.storage:RDBStorage"
UNIT = FloatDistribution(0.0, 1.0)
MOMENT = datetime(2024, 1, 1)  # noqa: DTZ001  Optuna keeps local times without a zone

Call = Callable[[], Any]


def opened(database: Any) -> RDBStorage:
    """A storage on the scratch database; runs once for each database."""
    logging.set_verbosity(logging.WARNING)
    return RDBStorage(database.url)


def fill(storage: RDBStorage, trials: int, params: int, studies: int = 1) -> None:
    """Finished trials with one value and `params` parameters each, spread over the studies."""
    auditor.seed(
        storage.engine,
        models.BaseModel,
        {
            "studies": studies,
            "study_directions": studies,
            "study_user_attributes": studies,
            "trials": trials,
            "trial_values": trials,
            "trial_params": trials * params,
        },
        hooks={
            "study_directions.direction": "MINIMIZE",
            "study_directions.objective": 0,
            "trial_values.objective": 0,
            "study_user_attributes.value_json": "1",
            "trials.number": lambda row: row // studies,
            "trials.state": "COMPLETE",
            "trial_values.value": lambda row: float(trials - row),
            "trial_values.value_type": "FINITE",
            "trial_params.param_name": lambda row: f"p{row // max(trials, 1)}",
            "trial_params.param_value": 0.5,
            "trial_params.distribution_json": distribution_to_json(UNIT),
        },
    )


def called(storage: RDBStorage, work: Call) -> Call:
    """The call to measure; the storage's session of this thread is given back after it."""

    def call() -> None:
        work()
        storage.remove_session()

    return call


def template(params: int, attributes: int) -> FrozenTrial:
    """A finished trial as another study would hand it over (`study.add_trial`)."""
    return FrozenTrial(
        number=-1,
        trial_id=-1,
        state=TrialState.COMPLETE,
        value=1.0,
        datetime_start=MOMENT,
        datetime_complete=MOMENT,
        params={f"p{number}": 0.5 for number in range(params)},
        distributions={f"p{number}": UNIT for number in range(params)},
        user_attrs={f"a{number}": number for number in range(attributes)},
        system_attrs={},
        intermediate_values={},
    )


@auditor.scenario(
    sizes={"trials": (1, 500, 501, 1001), "params": (1,)},
    prepare=opened,
    target=f"{STORAGE}.get_all_trials",
)
def all_trials(storage: RDBStorage, trials: int, params: int) -> Call:
    """All trials of a study, as `study.trials` and every sampler read them."""
    fill(storage, trials, params)
    return called(storage, lambda: storage.get_all_trials(1, deepcopy=False))


@auditor.scenario(
    sizes={"studies": (1, 2, 4), "trials": (4, 8)},
    prepare=opened,
    target=f"{STORAGE}.get_all_studies",
)
def all_studies(storage: RDBStorage, studies: int, trials: int) -> Call:
    """The list of studies, as `optuna studies` shows it."""
    fill(storage, trials, params=1, studies=studies)
    return called(storage, storage.get_all_studies)


@auditor.scenario(
    sizes={"trials": (1, 2, 4), "params": (1, 2, 4), "attributes": (0, 1, 2)},
    prepare=opened,
    target=f"{STORAGE}.create_new_trial",
)
def add_trial(storage: RDBStorage, trials: int, params: int, attributes: int) -> Call:
    """One finished trial added to a study that has some."""
    fill(storage, trials, params)
    new = template(params, attributes)
    return called(storage, lambda: storage.create_new_trial(1, new))


@auditor.scenario(
    sizes={"trials": (1, 2, 4), "params": (1, 2, 4)},
    prepare=opened,
    target=f"{STORAGE}.get_best_trial",
)
def best_trial(storage: RDBStorage, trials: int, params: int) -> Call:
    """The best trial of a study."""
    fill(storage, trials, params)
    return called(storage, lambda: storage.get_best_trial(1))


@auditor.scenario(
    sizes={"trials": (1, 2, 4), "params": (1, 2, 4)},
    prepare=opened,
    target=f"{STORAGE}.delete_study",
)
def delete_study(storage: RDBStorage, trials: int, params: int) -> Call:
    """A study deleted with all that belongs to it."""
    fill(storage, trials, params)
    return called(storage, lambda: storage.delete_study(1))


@auditor.scenario(
    sizes={"studies": (1, 2, 4)}, prepare=opened, target=f"{STORAGE}.create_new_study"
)
def new_study(storage: RDBStorage, studies: int) -> Call:
    """A new study beside others."""
    fill(storage, trials=1, params=1, studies=studies)
    return called(storage, lambda: storage.create_new_study([StudyDirection.MINIMIZE], "one more"))

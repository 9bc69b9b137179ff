"""C091: Optuna's trials loaded their parameters, values and attributes trial by trial.

git clone https://github.com/optuna/optuna
auditor profile benchmarks/replays/c091.py --project optuna --against 8228367d52^..8228367d52
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from optuna import logging
from optuna.distributions import UniformDistribution, distribution_to_json
from optuna.storages import RDBStorage
from optuna.storages._rdb import models

import auditor


def opened(database: Any) -> RDBStorage:
    """A storage on the scratch database."""
    logging.set_verbosity(logging.WARNING)
    return RDBStorage(database.url)


@auditor.scenario(
    sizes={"trials": (1, 2, 4), "params": (1, 2, 4)},
    prepare=opened,
    target="optuna.storages._rdb.storage:RDBStorage._get_trials",
)
def all_trials(storage: RDBStorage, trials: int, params: int) -> Callable[[], Any]:
    """All trials of a study, `params` parameters each."""
    auditor.seed(
        storage.engine,
        models.BaseModel,
        {"studies": 1, "trials": trials, "trial_params": trials * params},
        hooks={
            "studies.direction": "MINIMIZE",
            "trials.number": lambda row: row,
            "trials.state": "COMPLETE",
            "trial_params.param_name": lambda row: f"p{row // trials}",
            "trial_params.distribution_json": distribution_to_json(UniformDistribution(0.0, 1.0)),
        },
    )

    def call() -> None:
        storage.get_all_trials(1, deepcopy=False)
        storage.remove_session()

    return call

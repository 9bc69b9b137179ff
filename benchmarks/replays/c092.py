"""C092: the ancestor of Optuna, `pfnopt`, read all trials again for the summary of each study.

git clone https://github.com/optuna/optuna
auditor profile benchmarks/replays/c092.py --project optuna --against 0689469b02^..0689469b02
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from pfnopt.distributions import UniformDistribution, distribution_to_json
from pfnopt.storages.rdb import models
from pfnopt.storages.rdb.storage import RDBStorage

import auditor


def opened(database: Any) -> RDBStorage:
    """A storage on the scratch database."""
    return RDBStorage(database.url)


@auditor.scenario(
    sizes={"studies": (1, 2, 4), "trials": (1, 2, 3), "params": (1, 2)},
    prepare=opened,
    target="pfnopt.storages.rdb.storage:RDBStorage.get_all_study_summaries",
)
def study_summaries(
    storage: RDBStorage, studies: int, trials: int, params: int
) -> Callable[[], Any]:
    """Studies with `trials` finished trials each, and `params` parameters for each trial."""
    rows = studies * trials
    auditor.seed(
        storage.engine,
        models.BaseModel,
        {
            "studies": studies,
            "study_user_attributes": studies,
            "trials": rows,
            "param_distributions": rows * params,
            "trial_params": rows * params,
            "trial_values": rows,
        },
        hooks={
            "studies.task": "MINIMIZE",
            "study_user_attributes.value_json": "1",
            "trials.state": "COMPLETE",
            "trials.value": float,
            "trials.datetime_start": datetime(2018, 5, 1),  # noqa: DTZ001  as it keeps times
            "trials.user_attributes_json": "{}",
            "param_distributions.param_name": lambda row: f"p{row // rows}",
            "param_distributions.distribution_json": distribution_to_json(
                UniformDistribution(low=0.0, high=1.0)
            ),
        },
    )

    def call() -> None:
        storage.get_all_study_summaries()
        storage.remove_session()

    return call

"""C090: Optuna's list of studies asked for directions and attributes study by study.

git clone https://github.com/optuna/optuna
auditor profile benchmarks/replays/c090.py --project optuna --against 43b3283d1d^..43b3283d1d
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from optuna import logging
from optuna.storages import RDBStorage
from optuna.storages._rdb import models

import auditor


def opened(database: Any) -> RDBStorage:
    """A storage on the scratch database."""
    logging.set_verbosity(logging.WARNING)
    return RDBStorage(database.url)


@auditor.scenario(
    sizes={"studies": (1, 2, 4), "trials": (1, 2, 3)},
    prepare=opened,
    target="optuna.storages._rdb.storage:RDBStorage.get_all_study_summaries",
)
def study_summaries(storage: RDBStorage, studies: int, trials: int) -> Callable[[], Any]:
    """Studies of one direction with an attribute and `trials` finished trials each."""
    auditor.seed(
        storage.engine,
        models.BaseModel,
        {
            "studies": studies,
            "study_directions": studies,
            "study_user_attributes": studies,
            "study_system_attributes": studies,
            "trials": studies * trials,
            "trial_values": studies * trials,
        },
        hooks={
            "study_directions.direction": "MINIMIZE",
            "study_directions.objective": 0,
            "study_user_attributes.value_json": "1",
            "study_system_attributes.value_json": "1",
            "trials.state": "COMPLETE",
            "trial_values.objective": 0,
        },
    )

    def call() -> None:
        storage.get_all_study_summaries()
        storage.remove_session()

    return call

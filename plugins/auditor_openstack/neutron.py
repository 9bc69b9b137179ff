"""Boots the installed Neutron in this process, on scratch databases, without a server or a bus.

    prepare(database) -> Neutron
                          ├ core      ML2 plug-in            ┐
                          ├ l3        L3 router plug-in      ├ booted once for each process
                          ├ metering  metering plug-in       ┘
                          ├ metering_rpc  what answers the metering agents
                          └ engine    the engine that oslo.db made for this database

The plug-ins are Neutron's own; messages go to the `fake` driver of oslo.messaging, which keeps
them in memory. Neutron reaches its database through one process-wide context manager. Each
database gets a copy of that manager's factory, and `Neutron.use` puts it in place, so that a
process can work on several databases in turn.

Nothing of Neutron is imported before `prepare` is called.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from auditor.backends.database import ScratchDatabase
from auditor.model.errors import ScenarioError

_MISSING = (
    "the `neutron.*` scenarios run on the Neutron that is installed for {python}, and there is"
    " none: pip install neutron"
)
_UNBOOTABLE = (
    "the installed Neutron {neutron} with neutron-lib {neutron_lib} could not be booted:"
    " {error_class}: {error}; these scenarios are known to work on Neutron 27.0 with neutron-lib"
    " 3.22, and 29.0 with 5.0"
)
_OPTIONS = (
    ("notify_nova_on_port_status_changes", False, None),
    ("notify_nova_on_port_data_changes", False, None),
    ("transport_url", "fake://", None),
    ("mechanism_drivers", ["openvswitch"], "ml2"),
    ("type_drivers", ["local"], "ml2"),
)
"""Neutron's settings: option, value, group. The `local` type keeps no rows of its own, and networks
of projects are of that type by default."""
_KEEP_HEAP_ORDER = "ALTER TABLE {table} SET (autovacuum_enabled = false)"


@dataclass(frozen=True, slots=True)
class Neutron:
    """Neutron on one scratch database. Call `use` before working with the plug-ins."""

    database: ScratchDatabase
    engine: Any
    metadata: Any
    manager: Any
    core: Any
    l3: Any
    metering: Any
    metering_rpc: Any

    def use(self) -> None:
        """Make this database the one that Neutron's process-wide context manager works on."""
        _module("neutron_lib.db.api").get_context_manager().patch_factory(self.manager)

    def context(self) -> Any:
        """A new request context of an administrator."""
        return _module("neutron_lib.context").get_admin_context()

    def retried(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function under the retry that Neutron's API controllers put around plug-ins."""
        retry: Callable[..., Callable[..., Any]] = _module("neutron_lib.db.api").retry_db_errors
        return retry(function)


@dataclass(frozen=True, slots=True)
class _Plugins:
    core: Any
    l3: Any
    metering: Any
    metering_rpc: Any


def prepare(database: ScratchDatabase) -> Neutron:
    """Neutron with its whole schema on an empty scratch database.

    Raises ScenarioError when Neutron is not installed or cannot be booted.
    """
    if importlib.util.find_spec("neutron") is None:
        raise ScenarioError(_MISSING.format(python=f"Python {sys.version.split()[0]}"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Neutron's imports warn about Eventlet and the like
        try:
            return _booted_on(database)
        except (ImportError, AttributeError, TypeError, _config_error()) as error:
            raise ScenarioError(
                _UNBOOTABLE.format(
                    neutron=_version("neutron"),
                    neutron_lib=_version("neutron-lib"),
                    error_class=type(error).__name__,
                    error=error,
                )
            ) from error


def _booted_on(database: ScratchDatabase) -> Neutron:
    metadata = _metadata()
    root = _module("neutron_lib.db.api").get_context_manager()
    root.dispose_pool()  # connections to a database that this process worked on before
    manager = root.make_new_manager()
    manager.configure(connection=database.url)
    engine = manager.writer.get_engine()
    metadata.create_all(engine)
    if database.dialect == "postgresql":
        _keep_heap_order(engine, metadata)
    root.patch_factory(manager)
    plugins = _plugins()
    return Neutron(
        database=database,
        engine=engine,
        metadata=metadata,
        manager=manager,
        core=plugins.core,
        l3=plugins.l3,
        metering=plugins.metering,
        metering_rpc=plugins.metering_rpc,
    )


def _keep_heap_order(engine: Any, metadata: Any) -> None:
    """Keep a scan without ORDER BY in the order of insertion: without vacuum no space is reused."""
    quote = engine.dialect.identifier_preparer.format_table
    with engine.begin() as connection:
        for table in metadata.sorted_tables:
            connection.exec_driver_sql(_KEEP_HEAP_ORDER.format(table=quote(table)))


@cache
def _metadata() -> Any:
    """The metadata with every table of Neutron; reads Neutron's options first, once."""
    config = _module("oslo_config.cfg").CONF
    _module("oslo_db.options").set_defaults(config)
    _module("neutron.common.config").register_common_config_options()
    _module("neutron.conf.plugins.ml2.config").register_ml2_plugin_opts()
    for group, options in _module("oslo_messaging.opts").list_opts():
        if group is None:
            config.register_opts(options)
    config([], project="neutron", default_config_files=[], default_config_dirs=[])
    for option, value, group in _OPTIONS:
        config.set_override(option, value, group)
    head = _module("neutron.db.migration.models.head")
    _module("neutron.objects").register_objects()
    return head.get_metadata()


@cache
def _plugins() -> _Plugins:
    """Neutron's own plug-ins, put into its directory; their start-up may read the database."""
    _module("neutron_lib.rpc").init(_module("oslo_config.cfg").CONF)
    constants = _module("neutron_lib.plugins.constants")
    add = _module("neutron_lib.plugins.directory").add_plugin
    core = _module("neutron.plugins.ml2.plugin").Ml2Plugin()
    add(constants.CORE, core)
    l3 = _module("neutron.services.l3_router.l3_router_plugin").L3RouterPlugin()
    add(constants.L3, l3)
    metering = _module("neutron.services.metering.metering_plugin").MeteringPlugin()
    add(constants.METERING, metering)
    answers = _module("neutron.db.metering.metering_rpc").MeteringRpcCallbacks(metering)
    return _Plugins(core=core, l3=l3, metering=metering, metering_rpc=answers)


def _config_error() -> type[Exception]:
    try:
        return _module("oslo_config.cfg").Error  # type: ignore[no-any-return]
    except ImportError:
        return ImportError


def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return "of unknown version"


def _module(name: str) -> Any:
    return importlib.import_module(name)

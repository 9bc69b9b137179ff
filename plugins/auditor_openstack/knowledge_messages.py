"""What leaves an OpenStack process or waits: RPC, notifications, callbacks, commands, locks.

Sources: oslo.messaging, oslo.concurrency, neutron-lib 5.0.1 and Neutron 29.0.0. Of the callback
events of neutron-lib, `PRECOMMIT_*` are meant to be published inside the transaction; `AFTER_*`
tell subscribers, agents among them, that the change is stored.
"""

from __future__ import annotations

from auditor.model.knowledge import CallableRow, Effect, How, ReceiverRow, Spelled, Table

_MESSAGING = "https://docs.openstack.org/oslo.messaging/latest/reference/"
_CLIENT_DOC = f"{_MESSAGING}rpcclient.html"
_NOTIFIER_DOC = f"{_MESSAGING}notifier.html"
_CONCURRENCY = "https://docs.openstack.org/oslo.concurrency/latest/reference/"
_LOCKS = f"{_CONCURRENCY}lockutils.html"
_NEUTRON_LIB = "https://docs.openstack.org/neutron-lib/latest/"
_CALLBACKS = f"{_NEUTRON_LIB}contributor/callbacks.html"
_RPC = f"{_NEUTRON_LIB}reference/modules/neutron_lib.rpc.html"
_ML2 = "https://docs.openstack.org/neutron/latest/contributor/internals/ml2_ext_manager.html"
RPC_CLIENT = "rpc client"
NOTIFIER = "notifier"
_MANAGER = "neutron.plugins.ml2.managers.MechanismManager"
_MAKERS = {RPC_CLIENT: "oslo_messaging.get_rpc_client", NOTIFIER: "oslo_messaging.Notifier"}


def _split(name: str) -> tuple[str, str]:
    module, _, last = name.rpartition(".")
    return module, last


def _made_by(name: str, kind: str, source: str) -> CallableRow:
    module, last = _split(name)
    return CallableRow(
        name, source, returns=kind,
        samples=(f"from {module} import {last}\n{last}(it)\n",),
        near_misses=(f"from other import {last}\n{last}(it)\n",),
    )  # fmt: skip


def _class(name: str, kind: str, source: str) -> ReceiverRow:
    module, last = _split(name)
    return ReceiverRow(
        name, kind, How.CLASS, source,
        samples=(
            f"from {module} import {last}\nit = {last}(transport)\n",
            f"from {module} import {last}\ndef f(it: {last}): return it\n",
        ),
        near_misses=(f"from other import {last}\nit = {last}(transport)\n",),
    )  # fmt: skip


def _on(kind: str, name: str, source: str, returns: str = "") -> CallableRow:
    module, last = _split(_MAKERS[kind])
    return CallableRow(
        name, source, kind, () if returns else (Effect.MESSAGE,), returns,
        samples=(f"import {module}\nthing = {module}.{last}(it)\nthing.{name}(it)\n",),
        near_misses=(f"thing = open(it)\nthing.{name}(it)\n",),
    )  # fmt: skip


def _called(name: str, effect: Effect, source: str) -> CallableRow:
    module, last = _split(name)
    return CallableRow(
        name, source, effects=(effect,),
        samples=(f"from {module} import {last}\n{last}(it)\n",),
        near_misses=(f"from other import {last}\n{last}(it)\n",),
    )  # fmt: skip


_OSLO = Table(
    "oslo.messaging and oslo.concurrency",
    (
        _made_by("oslo_messaging.get_rpc_client", RPC_CLIENT, _CLIENT_DOC),
        _made_by("neutron_lib.rpc.get_client", RPC_CLIENT, _RPC),
        _made_by("neutron_lib.rpc.get_notifier", NOTIFIER, _RPC),
        _class("oslo_messaging.RPCClient", RPC_CLIENT, _CLIENT_DOC),
        _class("oslo_messaging.Notifier", NOTIFIER, _NOTIFIER_DOC),
        _class("neutron_lib.rpc.BackingOffClient", RPC_CLIENT, _RPC),
        _on(RPC_CLIENT, "prepare", _CLIENT_DOC, RPC_CLIENT),
        _on(RPC_CLIENT, "cast", _CLIENT_DOC),
        _on(RPC_CLIENT, "call", _CLIENT_DOC),
        _on(NOTIFIER, "prepare", _NOTIFIER_DOC, NOTIFIER),
        *(
            _on(NOTIFIER, name, _NOTIFIER_DOC)
            for name in ("audit", "debug", "info", "warn", "error", "critical", "sample")
        ),
        _called(
            "oslo_concurrency.processutils.execute", Effect.MESSAGE,
            f"{_CONCURRENCY}processutils.html",
        ),
        *(
            _called(f"oslo_concurrency.lockutils.{name}", Effect.LOCK, _LOCKS)
            for name in ("lock", "external_lock")
        ),
    ),
)  # fmt: skip

_EVENTS = "from neutron_lib.callbacks import events, registry, resources\n"
_NEUTRON = Table(
    "neutron callbacks and drivers",
    (
        CallableRow(
            "neutron_lib.callbacks.registry.publish", _CALLBACKS, effects=(Effect.MESSAGE,),
            only=Spelled(1, "event", ("AFTER_",)),
            samples=(_EVENTS + "registry.publish(resources.PORT, events.AFTER_CREATE, it)\n",),
            near_misses=("from app import registry\nregistry.publish(it, events.AFTER_CREATE)\n",),
        ),
        *(
            _called(f"{_MANAGER}.{what}_{thing}_postcommit", Effect.MESSAGE, _ML2)
            for what in ("create", "update", "delete")
            for thing in ("network", "subnet", "port")
        ),
    ),
)  # fmt: skip

TABLES: tuple[Table, ...] = (_OSLO, _NEUTRON)

"""The errors the metering functions may raise as part of their contract."""

from __future__ import annotations


class MeteringError(Exception):
    """A metering request could not be served."""


class LabelNotFound(MeteringError):
    """No label has the given id."""


class LabelExists(MeteringError):
    """The project already has a label of that name."""


class PortNotAttached(MeteringError):
    """The port cannot be attached: the router or the port does not exist, or the port is taken."""


class MeteringUnavailable(MeteringError):
    """The database could not do the work now; nothing was changed."""

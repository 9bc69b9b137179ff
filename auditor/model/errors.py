"""The errors this project raises on purpose. The command line turns each into exit status 2."""

from __future__ import annotations


class AuditorError(Exception):
    """The tool could not do its work.

    The message says what was asked, what was found, where, and what to do.
    """


class SettingsError(AuditorError):
    """A configuration file, option or suppression holds a value that cannot be used."""


class ScenarioError(AuditorError):
    """A scenario is missing, is not usable, or failed while it was populated or called."""


class DatabaseError(AuditorError):
    """A database cannot be reached, is not empty, or has no scratch support."""


class TapeError(AuditorError):
    """A tape file is missing, is not a tape, or was written by an unknown version."""


class SeedError(AuditorError):
    """Rows cannot be made as asked: an unknown table, too few possible values, or a constraint
    that the metadata does not explain."""

"""Every error that firstlight raises on purpose.

The message names the thing, the number and the remedy in one sentence: the command line prints it as it is.
"""


class FirstlightError(Exception):
    """The root of all errors raised on purpose; catch it to catch them all."""


class DataError(FirstlightError):
    """Events, items or users that cannot be read or used."""


class SettingsError(FirstlightError):
    """A setting, an option or a name that does not exist or has an impossible value."""


class ModelError(FirstlightError):
    """A model folder that is damaged, incomplete, newer than this version, or does not fit the request."""


class StoreError(FirstlightError):
    """A database that is away, is no store of firstlight, or was written by a newer version."""

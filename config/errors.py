"""What can be wrong with a device's configuration, each with what to do about it.

Nothing is imported here, so that the root command can catch these without the price of the models.
"""


class ConfigError(Exception):
    """The configuration cannot be used; the message says why and what to do."""


class ConfigMissing(ConfigError):
    """There is no such file."""


class ConfigUnreadable(ConfigError):
    """The file is there and its text cannot be had: permission, not a file, too long, not UTF-8."""


class ConfigMalformed(ConfigError):
    """The text is no TOML."""


class KeyUnknown(ConfigError):
    """A section or key that this version does not know."""


class KeyMissing(ConfigError):
    """A section or key that has no default was left out."""


class ValueRefused(ConfigError):
    """A value has the wrong type, is out of bounds, or contradicts another."""


class DriverUnknown(ConfigError):
    """A driver's name that this version does not have."""


class RecipientsMissing(ConfigError):
    """Nobody to encrypt to (R10): recording would be lost or readable, so the start is refused."""


class TrackWithoutSensor(ConfigError):
    """A track is required (R8) and no sensor is configured that could give it."""

"""What a driver says when a person must mend something: a kind for the journal, a text for the person."""


class DriverError(Exception):
    """Base; becomes a ``Fault`` message, so ``kind`` is short and stable and the text says what to do."""

    kind = "driver.failed"


class UnknownDriver(DriverError):
    """The configuration names a driver or a kind of sensor that does not exist."""

    kind = "driver.unknown"


class BadOptions(DriverError):
    """An option is unknown or has a value that cannot be."""

    kind = "driver.options"


class ClipUnusable(DriverError):
    """The media file that the camera shall replay cannot be replayed as it is."""

    kind = "camera.file"


class ScenarioRefused(DriverError):
    """The scenario file has a word, an argument or a value that nobody understands."""

    kind = "scenario"


class SpeechUnusable(DriverError):
    """A WAV that the microphone shall speak cannot be read."""

    kind = "microphone.speak"


class CameraGone(DriverError):
    """The camera is not there: its cable was pulled, or it never was plugged in."""

    kind = "camera.gone"


class MicrophoneGone(DriverError):
    """The microphone is not there: it was pulled out, or has not come back yet."""

    kind = "microphone.gone"


class StorageGone(DriverError):
    """The volume that the spool lies on is not there: the card was pulled, or never mounted."""

    kind = "storage.gone"


class PowerUnmeasured(DriverError):
    """Nothing on this machine measures power or heat."""

    kind = "power.unmeasured"


class ClipEnded(DriverError):
    """The media file has been replayed once, as configured."""

    kind = "camera.ended"

"""What can go wrong while tuning, each with the stable code a failed run keeps."""


class TuningError(Exception):
    """A tuning failure with a `code` for records and a sentence for people."""

    code = "bug"


class BadDataError(TuningError):
    """The data cannot be tuned on; trying again changes nothing."""

    code = "bad_data"


class DivergedError(TuningError):
    """The loss is no longer a finite number."""

    code = "diverged"


class OutOfMemoryError(TuningError):
    """A training step does not fit, not even in halves."""

    code = "out_of_memory"


class WeightsError(TuningError):
    """Pre-trained weights are missing or do not fit the backbone."""

    code = "weights_unavailable"


class FreezeError(TuningError):
    """A frozen tensor moved, or a trainable one did not: the run's claim about depth is false."""

    code = "bug"

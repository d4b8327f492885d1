"""What can go wrong with recorded runs and registered models."""


class TrackingError(RuntimeError):
    """Something about runs or registered models; the message is all that a user needs."""


class TamperedModelError(TrackingError):
    """A model's files are not the ones that were registered; it was not loaded."""


class UnknownModelError(TrackingError, LookupError):
    """No registered model, version or alias of that name."""

"""What can go wrong in the store, each as an error of its own."""


class StoreError(RuntimeError):
    """The store refused or could not do what was asked; the message says what and why."""


class StoreLockedError(StoreError):
    """Another process holds the embedded store."""


class StoreUrlError(StoreError, ValueError):
    """The url of a server is none; the message says what it must be and does not repeat it."""


class StoreFullError(StoreError):
    """The disk or the quota of the store is full; what is published is untouched."""


class SchemaError(StoreError):
    """The store's schema is not the one that this version of the program knows."""


class NotPublishedError(StoreError):
    """A table's symbol-day was asked for that no publication holds."""


class SnapshotExpiredError(StoreError):
    """An earlier state of the manifest was asked for, whose rows retention has removed."""


class PublicationConflictError(StoreError):
    """Another writer published the same table, symbol and day in the meantime."""


class StoreCorruptError(StoreError):
    """The rows in the store are not those that the manifest states."""

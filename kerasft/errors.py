"""Every error that kerasft raises on purpose.

KerasftError
 ├── ArgumentError          an argument breaks a rule                       (also a ValueError)
 │    ├── SelectorError     a pattern or selector that matches nothing
 │    ├── DataError         texts, labels or files that cannot be used
 │    └── PlanError         a freeze plan that does not fit, or trains nothing
 ├── SourceError            a file or model that could not be fetched or read   (also an OSError)
 ├── MissingDependencyError a package that is needed and not installed      (also an ImportError)
 ├── UnsupportedError       this model or Keras backend cannot do it        (also a RuntimeError)
 └── ContractError          a subclass that breaks what its base promises   (also an AssertionError)

Each derives from the built-in exception that Keras would have raised in its place, so code that
catches `ValueError` today goes on working. Every message gives the rule, the value received and
its type, the nearest right spelling where there is one, and what to do.
"""

__all__ = [
    "ArgumentError",
    "ContractError",
    "DataError",
    "KerasftError",
    "MissingDependencyError",
    "PlanError",
    "SelectorError",
    "SourceError",
    "UnsupportedError",
]


class KerasftError(Exception):
    """Base class of every error that kerasft raises on purpose."""


class ArgumentError(KerasftError, ValueError):
    """An argument breaks a rule."""


class SelectorError(ArgumentError):
    """A pattern or selector is malformed, or matches nothing."""


class DataError(ArgumentError):
    """Texts, labels or data files cannot be used as they are."""


class PlanError(ArgumentError):
    """A freeze plan does not fit the model, or would leave nothing to train."""


class SourceError(KerasftError, OSError):
    """A file or a pretrained model could not be fetched or read."""


class MissingDependencyError(KerasftError, ImportError):
    """A package is needed that is not installed."""


class UnsupportedError(KerasftError, RuntimeError):
    """This model or this Keras backend cannot do what was asked."""


class ContractError(KerasftError, AssertionError):
    """A head, a policy or a callback breaks what its base class promises."""

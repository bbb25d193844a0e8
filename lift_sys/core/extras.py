"""Packages that only some users install: imported where they are used, missed by name.

`lift_sys` has extras (`dspy`, `ai`, `local`, `postgres`, `all`); a function that needs one calls `require` in
its body. Before editing: nothing here may import a third-party package by itself.
"""

from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

from lift_sys.errors import MissingExtraError

__all__ = ["require", "validate_installed"]


def require(module: str, *, extra: str, purpose: str) -> ModuleType:
    """Import `module`, or say which extra installs it.

    Args:
        module: Full name of the module, such as `pydantic_ai.models.openai`.
        extra: Name of our extra that installs it.
        purpose: What needs it, as the subject of a sentence: "A SignatureNode".

    Raises:
        MissingExtraError: The package is not installed.
        ImportError: It is installed but broken; its own error is the useful one.
    """
    package = module.partition(".")[0]
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name != package:
            raise  # the package is there, but lacks something: hiding its own error would mislead
        raise MissingExtraError(module=package, extra=extra, purpose=purpose) from error


def validate_installed(module: str, *, extra: str, purpose: str) -> None:
    """Raise `MissingExtraError` if the top-level `module` is absent, without importing it.

    For packages that another process will import, and that cost much to load here.
    """
    if find_spec(module) is None:
        raise MissingExtraError(module=module, extra=extra, purpose=purpose)

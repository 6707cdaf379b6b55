"""What every record can do: to JSON and back."""

import json
import types
import typing
from dataclasses import asdict, fields
from typing import Any, Self


class Record:
    """A frozen dataclass that goes to JSON and comes back equal."""

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionaries, lists, numbers and strings."""
        return asdict(self)  # pyright: ignore[reportArgumentType]

    def to_json(self) -> str:
        """The record as JSON text."""
        return json.dumps(self.to_dict())

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """The record that `to_dict` gave these values."""
        hints = typing.get_type_hints(cls)
        known = {item.name for item in fields(cls)}  # pyright: ignore[reportArgumentType]
        return cls(**{name: _restore(hints[name], value) for name, value in values.items() if name in known})

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The record that `to_json` wrote."""
        return cls.from_dict(json.loads(text))


def _restore(hint: Any, value: Any) -> Any:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if value is None or hint is Any:
        return value
    if origin in (typing.Union, types.UnionType):
        return _restore(next(option for option in arguments if option is not type(None)), value)
    if origin is tuple:
        inner = arguments[:1] * len(value) if arguments[-1] is Ellipsis else arguments
        return tuple(_restore(option, item) for option, item in zip(inner, value, strict=True))
    if origin is dict:
        return {key: _restore(arguments[1], item) for key, item in value.items()}
    if isinstance(hint, type) and issubclass(hint, Record):
        return hint.from_dict(value)
    return value

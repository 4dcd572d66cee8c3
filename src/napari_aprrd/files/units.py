"""Units of length and time: their symbols, and the names that OME-Zarr has for them."""

from __future__ import annotations

# Symbol of OME-XML: name of OME-Zarr, and how files write it else.
_UNITS: dict[str, tuple[str, ...]] = {
    "pm": ("picometer",),
    "Å": ("angstrom", "Angstrom"),
    "nm": ("nanometer", "nanometre", "nanometers"),
    "µm": ("micrometer", "um", "μm", "\\u00B5m", "micron", "microns", "micrometre", "micrometers"),
    "mm": ("millimeter", "millimetre", "millimeters"),
    "cm": ("centimeter", "centimetre"),
    "m": ("meter", "metre"),
    "in": ("inch", "inches"),
    "ns": ("nanosecond",),
    "µs": ("microsecond", "us", "μs"),
    "ms": ("millisecond", "msec", "milliseconds"),
    "s": ("second", "sec", "seconds"),
    "min": ("minute", "minutes"),
    "h": ("hour", "hours", "hr"),
    "d": ("day", "days"),
}
METRES = {
    "pm": 1e-12, "Å": 1e-10, "nm": 1e-9, "µm": 1e-6, "mm": 1e-3, "cm": 0.01, "m": 1.0, "in": 0.0254,
}  # fmt: skip
_SYMBOLS = {name: sign for sign, names in _UNITS.items() for name in (sign, *names)}


def symbol(unit: str) -> str:
    """The symbol of a unit, "µm" for "micrometer"; what is unknown comes back as it is."""
    return _SYMBOLS.get(unit.strip(), unit.strip())


def long_name(unit: str) -> str:
    """The name of a unit in OME-Zarr, "micrometer" for "um"; unknown ones come back as they are."""
    sign = symbol(unit)
    return _UNITS[sign][0] if sign in _UNITS else sign

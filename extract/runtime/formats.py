"""Values as people read them: shares, seconds, counts and bytes in their units, options as they are written."""

from collections.abc import Mapping, Sequence


def percent(share: float | None, digits: int = 2) -> str:
    """A fraction as per cent; "" for None."""
    return "" if share is None else f"{100 * share:.{digits}f} %"


def span(low: float | None, high: float | None, digits: int = 2) -> str:
    """Two fractions as per cent, from the one to the other; "" for None."""
    return "" if low is None else f"{percent(low, digits)} to {percent(high, digits)}"


def p_text(value: float) -> str:
    """A p-value as papers write it; one that counts, below 0.05, is never rounded up to that."""
    return "below 0.001" if value < 0.001 else f"{min(value, 0.049) if value < 0.05 else value:.3f}"


def duration(seconds: float | None) -> str:
    """Seconds: 415 ms, 3.2 s, 5 min 12 s, 2 h 05 min; "" for None."""
    if seconds is None:
        return ""
    if seconds < 59.95:
        return f"{1000 * seconds:.0f} ms" if seconds < 0.9995 else f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def clock(seconds: float) -> str:
    """Seconds on the shortest line: 0:12, 12:34, 1:02:03."""
    minutes, rest = divmod(max(round(seconds), 0), 60)
    return f"{minutes}:{rest:02d}" if minutes < 60 else f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"


def size(count: float | None) -> str:
    """Bytes in powers of 1024: 12.3 MiB; "" for None."""
    if count is None:
        return ""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if round(count, 1) < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"


def amount(number: float) -> str:
    """A count in powers of 1000: 950, 11.2 k, 3.4 M, 1.2 G."""
    for unit, size in (("", 1.0), (" k", 1e3), (" M", 1e6)):
        if number / size < 999.5:
            return f"{number / size:.3g}{unit}"
    return f"{number / 1e9:.3g} G" if number < 999.5e9 else f"{number / 1e9:.0f} G"


def bytes_amount(count: float) -> str:
    """Bytes in powers of 1000: 296 B, 1.6 kB."""
    return f"{amount(count)}B" if count >= 999.5 else f"{count:.0f} B"


def written(value: object, digits: int = 6, comma: str = ", ") -> str:
    """A value as a command line or a file takes it: none, true, 0.1; several with commas, those of names with these."""
    if isinstance(value, Mapping):
        parts = (f"{str(name).replace('_', ' ')} {written(one, digits, ',')}" for name, one in value.items())
        return ", ".join(parts) or "none"
    if isinstance(value, list | tuple):
        return comma.join(written(one, digits) for one in value) or "none"
    if value is None or isinstance(value, bool):
        return str(value).lower()
    return f"{value:.{digits}g}" if isinstance(value, float) else str(value)


def plural(count: int, noun: str) -> str:
    """A count with its noun: 1 run, 2 runs, 3 classes."""
    return f"{count} {noun}{'' if count == 1 else 'es' if noun.endswith('s') else 's'}"


def listed(names: Sequence[str]) -> str:
    """Names as a sentence part: a, b and c."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"

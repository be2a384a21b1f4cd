"""What to ask for, as the protocol has it (docs/replay.md)."""

import datetime
import json
import operator


def circle(ra, dec, radius):
    """A circle on the sky; degrees, ICRS, radius from 0 to 180."""
    return {"circle": {"ra": float(ra), "dec": float(dec), "radius": float(radius)}}


def box(ra, dec):
    """A box: `ra` is (west, east), across 0 if west is the greater, and `dec` (south, north); degrees, ICRS."""
    return {"box": {"ra": [float(edge) for edge in ra], "dec": [float(edge) for edge in dec]}}


def polygon(points):
    """A polygon of (ra, dec) corners; degrees, ICRS."""
    return {"polygon": [[float(ra), float(dec)] for ra, dec in points]}


def moc(text):
    """A multi-order coverage map, as the ASCII or JSON of MOC 2.0."""
    return {"moc": str(text)}


def command(name, request):
    """The bytes of a command. What is None is left to the server, which knows the defaults and refuses what is wrong."""
    given = {key: _plain(value) for key, value in request.items() if value is not None}
    return json.dumps({name: given}, default=operator.index).encode()


def _plain(value):
    """As JSON has it: times with their zone, nights as dates, lists of whatever can be gone through."""
    if isinstance(value, datetime.datetime):
        if value.tzinfo is None:
            raise ValueError(f"{value} says nothing of its time zone; give it tzinfo=datetime.timezone.utc")
        return value.astimezone(datetime.timezone.utc).isoformat().replace("+00:00", "Z")
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, (str, bytes, int, float)) or not hasattr(value, "__iter__"):
        return value
    return [_plain(inner) for inner in value]

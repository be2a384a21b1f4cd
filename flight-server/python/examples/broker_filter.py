"""A filter as brokers have them: it is given an alert as a dict, and says whether it is wanted.

It knows nothing of the archive. What it sees is what fastavro made of the packet, live or in a replay.
"""

FLAGS = [
    "isDipole",
    "pixelFlags",
    "pixelFlags_bad",
    "pixelFlags_saturated",
    "pixelFlags_streakCenter",
    "pixelFlags_interpolated",
    "pixelFlags_cr",
    "pixelFlags_nodata",
    "pixelFlags_streak",
    "pixelFlags_edge",
    "psfFlux_flag",
    "apFlux_flag",
    "forced_PsfFlux_flag",
    "forced_PsfFlux_flag_edge",
    "shape_flag",
    "centroid_flag",
]


def is_good(source):
    """Clean pixels, positive, and six times brighter than its error."""
    if any(source[flag] for flag in FLAGS):
        return False
    return source["psfFlux"] >= 0 and source["psfFlux"] / source["psfFluxErr"] >= 6


def likely_transient(alert):
    """Not of the Solar System, seen at least twice, bright and clean."""
    source, target = alert["diaSource"], alert["diaObject"]
    if alert["ssSource"] is not None or target is None or target["nDiaSources"] < 2:
        return False
    return source["snr"] > 10 and not source["isNegative"] and is_good(source)


class Rising:
    """Objects whose light grew by some magnitudes within days; with a state, as such filters are at times.

    What it knows of the past of an object is what the packet says: the history of that day.
    """

    def __init__(self, magnitudes=0.5, days=10.0):
        self.factor, self.days = 10 ** (magnitudes / 2.5), days
        self.told = set()

    def process(self, alert):
        source = alert["diaSource"]
        if source["diaObjectId"] in self.told or not is_good(source):
            return None
        past = [
            earlier["psfFlux"]
            for earlier in alert["prvDiaSources"] or []
            if earlier["band"] == source["band"]
            and 0 < source["midpointMjdTai"] - earlier["midpointMjdTai"] <= self.days
            and earlier["psfFlux"] > 0
        ]
        if not past or source["psfFlux"] < self.factor * min(past):
            return None
        self.told.add(source["diaObjectId"])
        return {"object": source["diaObjectId"], "times": source["psfFlux"] / min(past)}

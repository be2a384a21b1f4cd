"""Replays and SQL of a Noctuary archive of astronomical alerts.

    import noctuary

    for alert in noctuary.replay(nights="2026-11-09", where="diaSource.snr > 10"):
        if my_filter(alert):
            print(alert["diaSourceId"])

    table = noctuary.sql("SELECT band, count(*) AS n FROM lsst.sources GROUP BY band")

Whoever is asked is a server, `noctuary serve`: the one that `server=` names, else that of the variable NOCTUARY_SERVER,
else `grpc://127.0.0.1:50051`.
"""

from noctuary._flight import DEFAULT_SERVER
from noctuary._replay import Alerts, Info, LostPacket, Packet, Packets, Replay, Tables, live, packets, replay, resume, tables
from noctuary._request import box, circle, moc, polygon
from noctuary._sql import sql

__all__ = [
    "DEFAULT_SERVER",
    "Alerts",
    "Info",
    "LostPacket",
    "Packet",
    "Packets",
    "Replay",
    "Tables",
    "box",
    "circle",
    "live",
    "moc",
    "packets",
    "polygon",
    "replay",
    "resume",
    "sql",
    "tables",
]

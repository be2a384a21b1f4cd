"""Connections, and streams that go on after they were broken."""

import json
import os
import time

import pyarrow.flight as flight

DEFAULT_SERVER = "grpc://127.0.0.1:50051"

# A connection that died without a word is noticed after 40 s, also while a paced replay waits for the next visit.
_OPTIONS = [
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.max_pings_without_data", 0),
]

# What ends a stream that can be resumed: nobody there, or a connection that was cut in some way.
_BROKEN = (
    flight.FlightUnavailableError,
    flight.FlightInternalError,
    flight.FlightCancelledError,
    flight.FlightTimedOutError,
)

# Seconds between two attempts: the first and the longest.
_PAUSE = (0.1, 5.0)


def address(server=None):
    """The server to ask."""
    return server or os.environ.get("NOCTUARY_SERVER") or DEFAULT_SERVER


def connect(server):
    return flight.connect(server, generic_options=_OPTIONS)


def patiently(attempt, patience):
    """Calls until it answers or `patience` seconds of failed connections are over."""
    retry = Retry(patience)
    while True:
        try:
            return attempt()
        except _BROKEN as error:
            retry.after(error)


class Retry:
    """How long to go on trying: `patience` seconds without anything new."""

    def __init__(self, patience):
        self._patience = patience
        self.progress()

    def progress(self):
        self._pause, self._until = _PAUSE[0], None

    def after(self, error):
        """Waits a while, or raises the error when patience is at an end, or when the archive is damaged."""
        if "data loss" in str(error):
            # It looks like a connection that was cut, and would be told again.
            raise error
        now = time.monotonic()
        if self._until is None:
            self._until = now + self._patience
        if now + self._pause > self._until:
            raise error
        time.sleep(self._pause)
        self._pause = min(2 * self._pause, _PAUSE[1])


class Broken(flight.FlightUnavailableError):
    """A stream that ended too early, though nobody said so."""


def batches(server, ticket, position, packets, patience):
    """The batches of a chunk behind a position, with what stands beside them: pairs of a record batch and a dict.

    Whatever breaks, each batch comes once: they arrive whole or not at all, and where one ended is where the next begins.
    """
    retry, done = Retry(patience), None
    while True:
        try:
            with connect(server) as client:
                words = ticket if position is None else f"{ticket}.{position}"
                for chunk in client.do_get(flight.Ticket(words.encode())):
                    said = json.loads(chunk.app_metadata.to_pybytes()) if chunk.app_metadata else {}
                    if chunk.data is None:
                        continue
                    retry.progress()
                    position, done = said["position"], said["done"]
                    yield chunk.data, said
                # Of one that was resumed behind its last packet nothing comes.
                if (done or 0) < packets and (position is None or done is not None):
                    raise Broken(f"the server ended a chunk of {packets} packets after {done or 0}")
                return
        except _BROKEN as error:
            retry.after(error)

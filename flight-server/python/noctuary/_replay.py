"""Replays: what was sent in past nights, as if it were sent again."""

import collections
import dataclasses
import datetime
import json
import warnings

import pyarrow.flight as flight

from noctuary import _flight
from noctuary._avro import Decoder
from noctuary._request import command

# Seconds without anything new after which a broken connection is given up.
PATIENCE = 300.0

_FORM = 1


class LostPacket(UserWarning):
    """A packet that the archive cannot give back any more: its images were purged by order."""


@dataclasses.dataclass(frozen=True)
class Info:
    """What a replay is.

    `version` of the archive, numbers of `packets`, `bytes` as transmitted, and `visits`; `surveys`; `first` and `last`
    visit (dicts with survey, night, visit, mjd_tai, or None); `pace` and `begin` (unix seconds) if it is paced;
    `expires` (unix seconds); and a `note` if there is nothing to replay.
    """

    version: int
    packets: int
    bytes: int
    visits: int
    surveys: list
    first: dict | None = None
    last: dict | None = None
    pace: float | None = None
    begin: float | None = None
    expires: float | None = None
    note: str | None = None


@dataclasses.dataclass(frozen=True)
class Packet:
    """A packet as it was transmitted.

    `data` is its bytes, frame included. `frame` is `confluent`, `container` or `bare`; `fingerprint` that of its writer
    schema, `schema` its name and version; `sha256` 32 bytes; `rights` the label of who may see it. `night`, `visit`,
    `detector`, `commit` and `seq` are its place in the order of a replay. If the packet is lost, `lost` says why, and what
    is known of its bytes is None.
    """

    data: bytes | None
    survey: str
    alert: int | str
    revision: int
    night: datetime.date
    visit: int | None
    detector: int | None
    commit: int
    seq: int
    mjd_tai: float
    rights: str | None
    schema: str | None
    fingerprint: str | None
    frame: str | None
    sha256: bytes | None
    lost: str | None

    @classmethod
    def _of(cls, row):
        columns = {"data": "packet", "lost": "lost"}
        return cls(**{f.name: row[columns.get(f.name, "_" + f.name)] for f in dataclasses.fields(cls)})


class Replay:
    """A replay, or a part of one: go through it once, in order.

    A broken connection, a server that is restarted or another one of the same archive in its place do not matter: it
    goes on with the very next packet. When nobody has answered for `patience` seconds,
    `pyarrow.flight.FlightUnavailableError` is raised; going on with the same object, or `resume` with its `state()`,
    tries again.

    `info` says what the replay is as a whole. With a pace, `late` says by how many seconds the visit came later than it
    was due: it grows when whoever takes the packets is too slow.
    """

    _kind: str

    def __init__(self, info, chunks, server, patience, at=(None, 0)):
        """Made by `replay`, `packets`, `tables` and `resume`."""
        self.info = info
        self.server = server
        self.patience = patience
        self.late = None
        # Pairs of a ticket and its number of packets.
        self._chunks = collections.deque(tuple(chunk) for chunk in chunks)
        # Where the chunk in front stands: a position of the server's, and rows behind it that have been given.
        self._position, self._given = at
        self._stream = None
        self._batch = None
        # The position behind the batch.
        self._behind = None

    def state(self):
        """Where it stands, as text: behind what was given last. `resume` goes on from there, in another process too."""
        state = {
            "form": _FORM,
            "kind": self._kind,
            "info": dataclasses.asdict(self.info),
            "chunks": list(self._chunks),
            "at": [self._position, self._given],
            "server": self.server,
            "patience": self.patience,
        }
        return json.dumps(state)

    def split(self, workers):
        """Shares what is left among so many workers, threads or processes here or elsewhere: each packet is in one part.

        Chunks go to them in turns, so that all are near the same time of the night. A part can be pickled, or sent as its
        `state()`. Take the parts instead of this object, not beside it.
        """
        if workers < 1:
            raise ValueError(f"{workers} workers cannot share a replay")
        chunks, at = list(self._chunks), (self._position, self._given)
        return [
            type(self)(self.info, chunks[worker::workers], self.server, self.patience, (None, 0) if worker else at)
            for worker in range(workers)
        ]

    def close(self):
        """Ends the stream. Going on begins a new one where it stands."""
        if self._stream is not None:
            self._stream.close()
        self._stream, self._batch = None, None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def __reduce__(self):
        return resume, (self.state(),)

    def __iter__(self):
        return self

    def _rows(self):
        """Rows that have not been given, at least one."""
        while self._batch is None:
            batch, behind = self._receive()
            if batch.num_rows <= self._given:
                # Batches need not be cut as they were before it was resumed.
                self._position, self._given = behind, self._given - batch.num_rows
            else:
                self._batch, self._behind = batch, behind
        return self._batch.slice(self._given)

    def _give(self, rows):
        self._given += rows
        if self._given == self._batch.num_rows:
            self._position, self._given, self._batch = self._behind, 0, None

    def _receive(self):
        while self._chunks:
            ticket, packets = self._chunks[0]
            if self._stream is None:
                self._stream = _flight.batches(self.server, ticket, self._position, packets, self.patience)
            try:
                received = next(self._stream, None)
            except BaseException:
                # It would look as if it were at its end.
                self._stream = None
                raise
            if received is not None:
                batch, said = received
                self.late = said.get("late")
                if said.get("missing"):
                    # From the caller's place: behind `__next__` and `_rows`.
                    why = "they were purged since it was planned, or may not be seen here"
                    warnings.warn(f"{said['missing']} packets of the replay are missing: {why}", LostPacket, stacklevel=4)
                return batch, said["position"]
            self._stream = None
            self._chunks.popleft()
            self._position, self._given = None, 0
        raise StopIteration


class Packets(Replay):
    """Packets as they were transmitted, each a `Packet`."""

    _kind = "packets"

    def __next__(self):
        rows = self._rows()
        row = rows.slice(0, 1).to_pylist()[0]
        self._give(1)
        return Packet._of(row)


class Alerts(Packets):
    """Alerts as dicts, exactly what fastavro makes of the packets.

    `packet` is what the last of them came from: its place, bytes and hash. A packet that is lost has no alert: it is left
    out, with a warning (`LostPacket`).
    """

    _kind = "alerts"
    packet = None
    _decoder = None

    def __next__(self):
        while True:
            schema = self._rows().schema
            packet = self.packet = super().__next__()
            if packet.data is None:
                warnings.warn(f"alert {packet.alert}: {packet.lost}", LostPacket, stacklevel=2)
                continue
            if self._decoder is None:
                self._decoder = Decoder(schema)
            return self._decoder.decode(packet.data, packet.frame, packet.fingerprint)


class Tables(Replay):
    """Record batches of Arrow."""

    _kind = "tables"

    def __next__(self):
        rows = self._rows()
        self._give(rows.num_rows)
        return rows


def replay(*, server=None, patience=PATIENCE, **what):
    """The alerts of past nights as dicts, in the order in which they were made.

    What is not said is not restricted:

    - `survey`: one or a list of them; need not be said where the archive has alerts of one only.
    - `nights`: `"2026-11-09"`, a range `"2026-11-09..2026-11-20"`, a `datetime.date`, or a list of these.
    - `from_`, `to`: times of triggers, the second not included: an aware `datetime`, `"2026-11-10T03:00:00Z"`, or MJD TAI.
    - `from_visit`, `to_visit`: both included.
    - `where`: a condition in SQL on the survey's table `alerts`, `"diaSource.snr > 10"`; for several surveys a dict.
    - `region`: one of `circle`, `box`, `polygon` and `moc`.
    - `objects`: ids of objects.
    - `as_of`: a version of the archive, its number or tag, or a time.
    - `fields`: paths of the fields to keep, which makes packets small: `["diaSource", "prvDiaSources.psfFlux"]`.
    - `pace`: 1 for the original spacing of visits, 100 for a hundredth of it; as fast as it goes without.
    - `begin`: when the first visit is due, with a pace.
    - `chunk`: packets of a chunk, about; `split` shares chunks.
    - `expires_in`: seconds within which it can be resumed, 7 days if not said.

    `patience` is for how many seconds a server that does not answer is waited for.

    Raises pyarrow's errors: `ArrowInvalid` where the request is at fault, `ArrowKeyError` for a night that is not there.
    """
    return _begin(Alerts, "slim" if "fields" in what else "packets", server, patience, what)


def packets(*, server=None, patience=PATIENCE, **what):
    """The same as `Packet`s: the bytes that were transmitted, and where they stand. With `fields` they are bare datums."""
    return _begin(Packets, "slim" if "fields" in what else "packets", server, patience, what)


def tables(*, shape="alerts", server=None, patience=PATIENCE, **what):
    """The same as record batches of Arrow.

    `shape` is `alerts` (the packet's own shape; `history`, `forced` and `cutouts` say whether these are in it: True, True
    and False if not said), `sources` (the trigger, flat), `packets` or `slim`.
    """
    return _begin(Tables, shape, server, patience, what)


def live(*, server=None, patience=PATIENCE):
    """The alerts of the night that `noctuary replay --live` sends there, each when it is due: one stream for all who ask.

    Whoever comes late gets at once what was due by then.
    """
    return _ask(Alerts, _flight.address(server), patience, command("live", {}))


def resume(state, *, server=None, patience=None):
    """A replay that goes on where its `state()` says, with another server if there is one."""
    state = json.loads(state)
    if state.get("form") != _FORM:
        raise ValueError("the state is of another version of this package")
    kind = {kind._kind: kind for kind in (Packets, Alerts, Tables)}[state["kind"]]
    patience = state["patience"] if patience is None else patience
    info = Info(**state["info"])
    return kind(info, state["chunks"], server or state["server"], patience, state["at"])


def _begin(kind, shape, server, patience, what):
    request = {"shape": shape, **{"from" if key == "from_" else key: value for key, value in what.items()}}
    return _ask(kind, _flight.address(server), patience, command("replay", request))


def _ask(kind, server, patience, command):
    descriptor = flight.FlightDescriptor.for_command(command)

    def ask():
        with _flight.connect(server) as client:
            return client.get_flight_info(descriptor)

    answer = _flight.patiently(ask, patience)
    said = json.loads(answer.app_metadata)
    info = Info(**{field.name: said[field.name] for field in dataclasses.fields(Info)})
    if info.note:
        warnings.warn(info.note, stacklevel=4)
    chunks = [(end.ticket.ticket.decode(), json.loads(end.app_metadata)["packets"]) for end in answer.endpoints]
    return kind(info, chunks, server, patience)

"""Packets as the dicts that fastavro makes of them."""

import io
import json

import fastavro

_FRAME = {"confluent": 5, "bare": 0}


class Decoder:
    """Reads packets by the writer schemas of a stream."""

    def __init__(self, schema):
        """`schema` is that of the record batches."""
        metadata = schema.metadata or {}
        written = {key.decode(): value for key, value in metadata.items()}
        self._texts = {key.removeprefix("writer:"): text for key, text in written.items() if key.startswith("writer:")}
        self._schemas = {}

    def decode(self, packet, frame, fingerprint):
        """The dict of a packet in a frame."""
        if frame == "container":
            # Its own header says how it was written.
            return next(fastavro.reader(io.BytesIO(packet)))
        datum = io.BytesIO(packet)
        datum.seek(_FRAME[frame])
        return fastavro.schemaless_reader(datum, self._schema(fingerprint))

    def _schema(self, fingerprint):
        schema = self._schemas.get(fingerprint)
        if schema is None:
            schema = fastavro.parse_schema(json.loads(self._texts[fingerprint]))
            self._schemas[fingerprint] = schema
        return schema

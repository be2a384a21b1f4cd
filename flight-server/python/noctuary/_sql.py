"""Questions in SQL, over Flight SQL."""

import pyarrow
import pyarrow.flight as flight

from noctuary._flight import address, connect

_COMMAND = "type.googleapis.com/arrow.flight.protocol.sql.CommandStatementQuery"


def sql(query, *, server=None):
    """The answer to a question as a pyarrow Table; `.to_pandas()` makes a data frame of it.

    Errors are pyarrow's: `ArrowInvalid` for a question that has a mistake, whose text says which.
    For parameters, cursors and whatever else databases have in Python, `adbc-driver-flightsql` speaks to the same server.
    """
    with connect(address(server)) as client:
        info = client.get_flight_info(flight.FlightDescriptor.for_command(_statement(query)))
        parts = [client.do_get(endpoint.ticket).read_all() for endpoint in info.endpoints]
        return pyarrow.concat_tables(parts) if parts else info.schema.empty_table()


def _statement(query):
    """`Any` of a `CommandStatementQuery`, whose field 1 is the text: all there is of protobuf here."""
    return _field(1, _COMMAND.encode()) + _field(2, _field(1, query.encode()))


def _field(number, value):
    length, size = bytearray(), len(value)
    while size > 0x7F:
        length.append(size & 0x7F | 0x80)
        size >>= 7
    length.append(size)
    return bytes([number << 3 | 2]) + bytes(length) + value

"""A first question over Arrow Flight SQL: how many alerts there are of each band, as a pandas data frame.

    python3 first_query.py grpc://127.0.0.1:50051
"""

import sys
import time

import adbc_driver_flightsql.dbapi as flight_sql

SQL = """
SELECT diaSource.band AS band, count(*) AS alerts, avg(diaSource.snr) AS snr
FROM lsst.alerts
GROUP BY band
ORDER BY band
"""


def connect(uri: str, seconds: float = 60.0) -> flight_sql.Connection:
    """Connects, and waits a while for a server that is only starting."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            connection = flight_sql.connect(uri)
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")
                cursor.fetchall()
            return connection
        except flight_sql.Error:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def main() -> None:
    uri = sys.argv[1] if len(sys.argv) > 1 else "grpc://127.0.0.1:50051"
    with connect(uri) as connection, connection.cursor() as cursor:
        cursor.execute(SQL)
        print(cursor.fetch_df().to_string(index=False))


if __name__ == "__main__":
    main()

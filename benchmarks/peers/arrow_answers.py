"""What the peers that answer look-ups share: how they are asked, and what is told of their answers."""

import json
import pathlib
import time

import pyarrow
import pyarrow.compute

# The file of a list that is matched with the sources.
POSITIONS = "positions.parquet"


def answer(table):
    """Rows, the sum of all whole numbers, and that of all others: what tells one answer from another."""
    whole, other = 0, 0.0
    for column in table.columns:
        total = pyarrow.compute.sum(column).as_py() if not pyarrow.types.is_string(column.type) else None
        if pyarrow.types.is_integer(column.type):
            whole += total or 0
        elif pyarrow.types.is_floating(column.type):
            other += total or 0.0
    return {"rows": table.num_rows, "whole": whole, "other": other}


def peak_memory():
    """Bytes; what getrusage tells is at least what the parent held when it began this process. Linux only."""
    status = pathlib.Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), None)


def ask_all(opened, asked, questions, how, memory=peak_memory):
    """Asks the questions of a file and writes a sample as JSON.

    `opened()` is a connection, `asked(connection, sql)` an Arrow table. With `answers` each is asked once; with `warm`
    all are asked once, and then again with a clock; with `cold` the clock begins before the database is opened, and the
    first is asked.
    """
    questions = json.loads(pathlib.Path(questions).read_text())
    latencies, began = [], time.perf_counter()
    connection = opened()
    answers = []
    for sql in questions[:1] if how == "cold" else questions:
        table = asked(connection, sql)
        if how == "cold":
            latencies.append((time.perf_counter() - began) * 1e3)
        answers.append(answer(table))
    if how == "warm":
        began = time.perf_counter()
        for sql in questions:
            before = time.perf_counter()
            asked(connection, sql)
            latencies.append((time.perf_counter() - before) * 1e3)
    sample = {
        "seconds": time.perf_counter() - began,
        "peak_memory": memory(),
        "latencies": latencies,
        "answers": answers,
    }
    print(json.dumps(sample))

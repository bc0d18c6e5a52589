"""Runs scripts as a program would that knows the documentation alone, on this Python's SQLite.

Reads a JSON object from standard input: `schema` is a list of scripts that make the database, `runs` is
a list of objects with the keys `pragmas`, `setup`, `act` and `ask`. Writes a JSON list with an object
for each run: `error` is the message of what failed in `act`, or null; `answers` is what each query of
`ask` returned, as one text.
"""

import json
import sqlite3
import sys


def run(schema, run):
    connection = sqlite3.connect(":memory:", isolation_level=None)
    schema.backup(connection)
    for script in [*run["pragmas"], run["setup"]]:
        connection.executescript(script)
    mark = connection.execute("SELECT coalesce(max(seq), 0) FROM sqlite_sequence").fetchone()[0]
    error = None
    try:
        connection.executescript(run["act"])
    except sqlite3.Error as failure:
        error = str(failure)
        if connection.in_transaction:
            connection.rollback()
    answers = [connection.execute(query, {"mark": mark} if ":mark" in query else {}).fetchone()[0] for query in run["ask"]]
    return {"error": error, "answers": answers}


work = json.load(sys.stdin)
# To run the migrations takes most of a run's time.
schema = sqlite3.connect(":memory:", isolation_level=None)
for script in work["schema"]:
    schema.executescript(script)
json.dump([run(schema, each) for each in work["runs"]], sys.stdout)

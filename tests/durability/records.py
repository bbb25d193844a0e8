"""Runs and facts for tests of stores."""

from datetime import UTC, datetime, timedelta

from lift_sys.durability import Fact, RunRecord

START = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)


def run(name="r1", *, minute=0, **fields):
    """A run that was created some minutes after the others."""
    moment = START + timedelta(minutes=minute)
    values = {"graph": "plan", "created_at": moment, "updated_at": moment}
    return RunRecord(execution_id=name, **values | fields)


def fact(address="0", kind="step", *, node="Search", **fields):
    """A fact of one step."""
    values = {"body": {"writes": {"plan": [1, "ü"]}}, "started_at": START, "elapsed": 0.25}
    return Fact(kind=kind, address=address, node=node, **values | fields)

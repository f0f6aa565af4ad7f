"""Sealing: only what can't grow any more, one at a time, in nobody's way; and what a seal is worth afterwards."""

import re
import threading
import time
from hashlib import sha256
from typing import Any

import psycopg2
import pytest
from django.db import DatabaseError, connection, transaction

from access.database import acting_as
from access.policy import MATRIX_ROLES, Role
from audit.tests.conftest import Trail
from audit.trail import seals
from clients.models import Client
from conftest import PATIENCE, World, make_client

# What hurts a trail, done by its owner; {id} is in the second seal of three. With how `verify_audit` tells of it.
GONE = "DELETE FROM audit.entry WHERE id = {id}"
PUT_IN = """INSERT INTO audit.entry (id, table_name, row_key, operation, actor_name, role, channel, request_id, reason)
            OVERRIDING SYSTEM VALUE VALUES ({gap}, 'clients_client', '1', 'delete', '', '', 'sql', '', '')"""
SWAPPED = """CREATE TABLE audit.swapped AS SELECT * FROM audit.entry WHERE id IN ({id}, {id} + 1);
             DELETE FROM audit.entry WHERE id IN ({id}, {id} + 1);
             UPDATE audit.swapped SET id = {id} + {id} + 1 - id;
             INSERT INTO audit.entry OVERRIDING SYSTEM VALUE SELECT * FROM audit.swapped; DROP TABLE audit.swapped"""
CHANGED = (
    r"^Seal 2 \(entries \d+ to \d+, written .+ to .+, sealed .+\) doesn't hold: one of its entries was changed, or"
)
UNCHAINED = r"^Seal 3 \(.+\) doesn't follow from the seal before it: one of the two was changed or replaced\.$"
TAMPERING = {
    "a new value": ("UPDATE audit.entry SET new = new || '{{\"version\": 0}}' WHERE id = {id}", [CHANGED]),
    "an old value that wasn't": ("UPDATE audit.entry SET old = 'null' WHERE id = {id}", [CHANGED]),
    "another time": ("UPDATE audit.entry SET at = at + interval '1 microsecond' WHERE id = {id}", [CHANGED]),
    "another actor": ("UPDATE audit.entry SET actor_id = 7 WHERE id = {id}", [CHANGED]),
    "another actor's name": ("UPDATE audit.entry SET actor_name = 'x' WHERE id = {id}", [CHANGED]),
    "another role": ("UPDATE audit.entry SET role = 'x' WHERE id = {id}", [CHANGED]),
    "another channel": ("UPDATE audit.entry SET channel = 'x' WHERE id = {id}", [CHANGED]),
    "another request": ("UPDATE audit.entry SET request_id = 'x' WHERE id = {id}", [CHANGED]),
    "another request of its caller's": ("UPDATE audit.entry SET caller_request_id = 'x' WHERE id = {id}", [CHANGED]),
    "another reason": ("UPDATE audit.entry SET reason = 'x' WHERE id = {id}", [CHANGED]),
    "another row": ("UPDATE audit.entry SET row_key = '0' WHERE id = {id}", [CHANGED]),
    "another table": ("UPDATE audit.entry SET table_name = 'x' WHERE id = {id}", [CHANGED]),
    "another operation": ("UPDATE audit.entry SET operation = 'x' WHERE id = {id}", [CHANGED]),
    "another transaction": ("UPDATE audit.entry SET transaction_id = '3' WHERE id = {id}", [CHANGED]),
    "another mark for offline copies": ("UPDATE audit.entry SET is_synced = NOT is_synced WHERE id = {id}", [CHANGED]),
    "one entry removed": (GONE, [r"^Seal 2 \(.+\) doesn't hold: 1 entry removed\.$"]),
    "one put into a gap": (PUT_IN, [r"^Seal 2 \(.+\) doesn't hold: 1 entry put in\.$"]),
    "one removed, one put in": (GONE + ";" + PUT_IN, [CHANGED]),
    "two swapped": (SWAPPED, [CHANGED]),
    "one in front of all": (PUT_IN.replace("{gap}", "-5"), ["^1 entry in front of the first seal: put in.$"]),
    "all of a seal removed": (
        "DELETE FROM audit.entry WHERE id > {before} AND id <= {last}",
        [r"^Seal 2 \(entries \d+ to \d+, written \? to \?, sealed .+\) doesn't hold: 12 entries removed\.$"],
    ),
    "the seal removed": ("DELETE FROM audit.seal WHERE id = 2", [r"^Seal 2 is missing, of the entries \d+ to \d+\.$"]),
    "two seals removed": ("DELETE FROM audit.seal WHERE id < 3", [r"^Seals 1 to 2 are missing, of the entries 1 to \d+\.$"]),
    "another hash": ("UPDATE audit.seal SET hash = sha256(hash) WHERE id = 2", [CHANGED, UNCHAINED]),
    "another time of sealing": ("UPDATE audit.seal SET sealed_at = 'yesterday' WHERE id = 2", [CHANGED]),
    "another number of entries": (
        "UPDATE audit.seal SET entries = entries - 1 WHERE id = 2", [r"^Seal 2 \(.+\) doesn't hold: 1 entry put in\.$"],
    ),
    "another predecessor": (
        "UPDATE audit.seal SET previous_hash = '' WHERE id = 3",
        [UNCHAINED, CHANGED.replace("2", "3", 1)],
    ),
    "a range with a hole": (
        "UPDATE audit.seal SET first_id = first_id + 5 WHERE id = 3",
        [UNCHAINED, r"^Seal 3 \(.+\) doesn't hold: 5 entries removed\.$"],
    ),
}  # fmt: skip


@pytest.fixture
def sealed(trail: Trail) -> dict[str, int]:
    """Three seals; the second one of 12 entries with a gap among them, as a rollback leaves it."""
    _, before = trail.grow(12)
    trail.seal_up_to(before)
    gap = trail.one("SELECT nextval('audit.entry_id_seq')")
    first, last = trail.grow(12)
    trail.seal_up_to(last)
    trail.seal_up_to(trail.grow(12)[1])
    assert gap == before + 1 == first - 1
    return {"id": first + 4, "gap": gap, "before": before, "last": last}


@pytest.mark.parametrize("what", TAMPERING)
def test_tampering_is_found_and_nothing_else_is_flagged(
    what: str, sealed: dict[str, int], trail: Trail, verify: Any
) -> None:
    untouched = verify("--verbosity=0")
    assert (untouched.problems, untouched.failure) == ([], "")
    assert untouched.lines == ["Not sealed yet: 0 entries.", "The trail holds: 3 seals of 36 entries."]
    statement, expected = TAMPERING[what]
    trail.run(statement.format(**sealed))
    verdict = verify("--verbosity=0")
    assert len(verdict.problems) == len(expected), verdict.problems
    for problem, pattern in zip(verdict.problems, expected, strict=True):
        assert re.search(pattern, problem), problem
    assert verdict.failure.startswith("The trail is not what it was: ")


def test_every_column_of_an_entry_is_tampered_with_above(trail: Trail) -> None:
    names = trail.run("SELECT attname FROM pg_attribute WHERE attrelid = 'audit.entry'::regclass AND attnum > 0")
    text = " ".join(statement for statement, _ in TAMPERING.values())
    assert [name for (name,) in names if f"SET {name} =" not in text] == []


def test_no_two_entries_hide_behind_one_id(sealed: dict[str, int], trail: Trail, verify: Any, monkeypatch: Any) -> None:
    """Where their owner dropped the key, an entry could stand twice at the very end of a page."""
    monkeypatch.setattr("audit.trail.verification.MAX_ENTRIES_PER_QUERY", 5)
    trail.run("ALTER TABLE audit.entry DROP CONSTRAINT entry_pkey")
    try:
        double = trail.one("SELECT id FROM audit.entry ORDER BY id OFFSET 14 LIMIT 1")
        trail.run(PUT_IN.format(gap=double))
        (problem,) = verify("--verbosity=0").problems
        assert problem.endswith("doesn't hold: 1 entry put in.")
    finally:
        trail.run("TRUNCATE audit.entry; ALTER TABLE audit.entry ADD CONSTRAINT entry_pkey PRIMARY KEY (id)")


def test_what_is_not_sealed_yet_is_told(sealed: dict[str, int], trail: Trail, verify: Any) -> None:
    with acting_as(Role.SUPERUSER):
        Client.objects.all().update(company_name="Renamed")
    assert verify("--verbosity=0").lines[0] == "Not sealed yet: 2 entries."


def test_a_seal_is_the_hash_that_its_documentation_says(trail: Trail) -> None:
    trail.seal_up_to(trail.grow(3)[1])
    trail.run("SET timezone = 'UTC'")
    contents = trail.run("SELECT to_jsonb(entry)::text || num_nulls(old, new) FROM audit.entry ORDER BY id")
    digests = b"".join(sha256(text.encode()).digest() for (text,) in contents)
    ((header, digest),) = trail.run("SELECT (to_jsonb(seal) - 'hash')::text, encode(hash, 'hex') FROM audit.seal")
    assert sha256(header.encode() + digests).hexdigest() == digest
    assert '"notes": "é \\"\\\\"' in contents[0][0]


def test_a_seal_holds_a_thousand_entries_at_most(trail: Trail, verify: Any) -> None:
    first, last = trail.grow(2100)
    trail.seal_up_to(last)
    assert trail.run("SELECT first_id, last_id, entries FROM audit.seal ORDER BY id") == [
        (1, first + 999, 1000), (first + 1000, first + 1999, 1000), (first + 2000, last, 100)
    ]  # fmt: skip
    assert verify("--verbosity=0").failure == ""


def test_as_many_seals_as_the_worker_asks_for(trail: Trail, monkeypatch: Any) -> None:
    _, last = trail.grow(3000)
    monkeypatch.setattr(seals, "MAX_SEALS_PER_TURN", 2)
    deadline = time.monotonic() + PATIENCE
    while not seals.seal_entries():  # the boundary first
        assert time.monotonic() < deadline
    assert trail.one("SELECT count(*) FROM audit.seal") == 2
    assert seals.seal_entries() is False
    assert trail.one("SELECT max(last_id) FROM audit.seal") == last


def test_an_open_transaction_with_a_lower_id_delays_what_came_after_it(
    committed_world: World, trail: Trail, other_connection: Any, verify: Any
) -> None:
    slow = other_connection.cursor()
    slow.execute("SELECT set_config('role', 'eecrm_superuser', true)")
    slow.execute("UPDATE clients_client SET company_name = 'Slow' WHERE id = %s", [committed_world.own_client.pk])
    with acting_as(Role.SUPERUSER):
        make_client("Quick", committed_world.users["sales"])
    quick = trail.one("SELECT max(id) FROM audit.entry")
    for _ in range(5):
        assert seals.seal_entries() is False
    assert trail.one("SELECT last_id FROM audit.boundary") == quick, "nobody looked"
    assert trail.one("SELECT count(*) FROM audit.seal") == 0
    other_connection.commit()
    trail.seal_up_to(quick)
    assert trail.run("SELECT first_id, last_id, entries FROM audit.seal") == [(1, quick, 2)]
    assert trail.one("SELECT min(id) FROM audit.entry") < quick
    assert verify("--verbosity=0").failure == ""


def test_an_open_transaction_delays_what_an_older_one_wrote_after_it(
    committed_world: World, trail: Trail, other_connection: Any, verify: Any
) -> None:
    """No transaction as young as the open one has ended: `pg_snapshot_xmax` would count it among what comes later."""
    slow, own, other = other_connection.cursor(), committed_world.own_client.pk, committed_world.other_client.pk
    # Again and again, for a transaction of another database may end in between, and then all looks well.
    for turn in range(8):
        with acting_as(Role.SUPERUSER), connection.cursor() as older:
            older.execute("SELECT pg_current_xact_id()")
            slow.execute("SELECT set_config('role', 'eecrm_superuser', true)")
            slow.execute("UPDATE clients_client SET company_name = 'Slow' WHERE id = %s", [own])
            # Not by `save`: its savepoint would have an id of its own, younger than all.
            Client.objects.filter(pk=other).update(company_name="Quick")
        for _ in range(3):
            seals.seal_entries()
        assert trail.one("SELECT coalesce(sum(entries), 0)::int FROM audit.seal") == 2 * turn
        other_connection.commit()
        trail.seal_up_to(trail.one("SELECT max(id) FROM audit.entry"))
    assert verify("--verbosity=0").lines[-1] == "The trail holds: 8 seals of 16 entries."


def test_a_gap_that_a_rollback_left_is_no_matter(committed_world: World, trail: Trail, verify: Any) -> None:
    trail.grow(1)
    with pytest.raises(RuntimeError), acting_as(Role.SUPERUSER):
        make_client("Undone", committed_world.users["sales"])
        raise RuntimeError
    _, last = trail.grow(1)
    trail.seal_up_to(last)
    assert trail.one("SELECT count(*) FROM audit.entry") == 2 < last - trail.one("SELECT min(id) FROM audit.entry") + 1
    assert verify("--verbosity=0").lines[-1] == "The trail holds: 1 seal of 2 entries."


def test_two_sealers_do_not_wait_for_one_another_and_no_write_waits_for_them(
    committed_world: World, trail: Trail, other_connection: Any
) -> None:
    trail.seal_up_to(trail.grow(1)[1])
    _, last = trail.grow(1)
    seals.seal_entries()  # the boundary
    first = other_connection.cursor()
    deadline = time.monotonic() + PATIENCE
    while not first.execute("SELECT id FROM audit.seal_closed(5)") and not (made := first.fetchall()):
        other_connection.rollback()
        assert time.monotonic() < deadline
    assert made == [(2,)]
    assert seals.seal_entries() is False
    with acting_as(Role.SUPERUSER), connection.cursor() as cursor:
        cursor.execute("SET LOCAL lock_timeout = '1ms'")
        make_client("Meanwhile", committed_world.users["sales"])
    assert trail.one("SELECT count(*) FROM audit.seal") == 1
    other_connection.commit()
    trail.seal_up_to(last)
    assert trail.run("SELECT id FROM audit.seal ORDER BY id") == [(1,), (2,)]


def test_sealers_and_writers_all_at_once(committed_world: World, trail: Trail, verify: Any) -> None:
    stop, failures = threading.Event(), []

    def again_and_again(action: Any) -> None:
        try:
            while not stop.is_set():
                action()
        except Exception as error:  # noqa: BLE001  # told below
            failures.append(error)
        finally:
            connection.close()

    def write() -> None:
        with acting_as(Role.SUPERUSER):
            Client.objects.filter(pk=committed_world.own_client.pk).update(first_name=f"Ann {time.monotonic_ns()}")

    threads = [
        threading.Thread(target=again_and_again, args=[action])
        for action in (seals.seal_entries, seals.seal_entries, write, write)
    ]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + PATIENCE
    while trail.one("SELECT count(*) FROM audit.seal") < 20 and not failures and time.monotonic() < deadline:
        time.sleep(0.01)
    stop.set()
    for thread in threads:
        thread.join()
    assert failures == []
    assert verify("--verbosity=0").failure == ""


def test_a_boundary_of_another_cluster_does_not_stop_the_sealing(trail: Trail, verify: Any) -> None:
    """As after a restore into a cluster that is younger than the one of the dump."""
    trail.run("UPDATE audit.boundary SET last_id = 4, xid = '9000000000000000000'")
    trail.seal_up_to(trail.grow(5)[1])
    assert trail.run("SELECT entries FROM audit.seal") == [(5,)]
    assert verify("--verbosity=0").failure == ""


def test_where_nothing_is_new_nothing_is_written(trail: Trail) -> None:
    assert seals.seal_entries() is False
    trail.seal_up_to(trail.grow(1)[1])
    before = trail.run("SELECT xmin, * FROM audit.boundary")
    assert seals.seal_entries() is False
    assert trail.run("SELECT xmin, * FROM audit.boundary") == before


def test_sealing_is_the_first_to_write_in_its_transaction(committed_world: World) -> None:
    """Or the id of its transaction would be older than what it stands for."""
    with pytest.raises(DatabaseError, match="must be the first to write in its transaction"), transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_current_xact_id()")
            cursor.execute("SELECT * FROM audit.seal_closed(1)")


@pytest.mark.parametrize("setting", ["timezone = 'Asia/Kolkata'", "bytea_output = 'escape'", "datestyle = 'german'"])
def test_the_session_of_a_sealer_makes_no_difference(
    setting: str, trail: Trail, other_connection: Any, verify: Any
) -> None:
    _, last = trail.grow(2)
    other_connection.autocommit = True
    sealer = other_connection.cursor()
    sealer.execute(f"SET {setting}; SET search_path = audit, pg_catalog")
    deadline = time.monotonic() + PATIENCE
    while trail.one("SELECT coalesce(max(last_id), 0) FROM audit.seal") < last:
        assert time.monotonic() < deadline
        sealer.execute("SELECT * FROM audit.seal_closed(1)")
    assert verify("--verbosity=0").failure == ""


@pytest.mark.parametrize("role", MATRIX_ROLES)
def test_no_entered_role_seals_and_readers_of_the_trail_read_seals(role: Role, db: None) -> None:
    def is_refused(statement: str) -> bool:
        try:
            with acting_as(role), connection.cursor() as cursor:
                cursor.execute(statement)
        except DatabaseError as error:
            assert isinstance(error.__cause__, psycopg2.errors.InsufficientPrivilege)
            return True
        return False

    assert is_refused("SELECT * FROM audit.seal_closed(1)")
    assert is_refused("SELECT * FROM audit.boundary")
    is_reader = role in (Role.MANAGEMENT, Role.AUDITOR, Role.SUPERUSER)
    assert is_refused("SELECT * FROM audit.seal") is not is_reader

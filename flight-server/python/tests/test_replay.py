"""Replays from Python: each packet once and in order, whatever breaks; alerts as fastavro has them."""

import collections
import concurrent.futures
import hashlib
import itertools
import multiprocessing
import random
import signal
import subprocess
import threading
import time

import noctuary
import pyarrow
import pyarrow.flight as flight
import pytest
import real
from noctuary import _flight
from proxy import Proxy
from server import Server

NIGHT = "SELECT _night, count(*) AS n FROM lsst.alerts GROUP BY 1 ORDER BY 1"


@pytest.fixture(scope="module")
def places(address):
    """Alert and hash of every packet of the demo, in the order of a replay."""
    return [(packet.alert, packet.sha256) for packet in noctuary.packets(server=address)]


def seen(packets):
    return [(packet.alert, packet.sha256) for packet in packets]


def ids(alerts):
    return [alert["diaSourceId"] for alert in alerts]


def test_bytes_are_those_that_were_transmitted(address, ask, places):
    total = 0
    for packet in noctuary.packets(server=address):
        assert hashlib.sha256(packet.data).digest() == packet.sha256
        assert packet.frame == "confluent" and packet.data[0] == 0
        total += 1
    replay = noctuary.packets(server=address)
    assert total == replay.info.packets == len(places) == 3_000
    packet = next(replay)
    assert packet.data == ask("get", str(packet.alert), "--format", "frame")


def test_the_order_is_that_of_the_night(address):
    order = [(p.night, p.visit, p.detector, p.commit, p.seq) for p in noctuary.packets(server=address)]
    assert order == sorted(order) and len(set(order)) == len(order)


def test_a_selection_is_what_sql_selects(address, places):
    nights = noctuary.sql(NIGHT, server=address)
    first, count = nights["_night"][0].as_py(), nights["n"][0].as_py()
    assert len(list(noctuary.packets(server=address, nights=first))) == count
    assert len(list(noctuary.packets(server=address, nights=[first.isoformat()]))) == count

    bright = noctuary.sql("SELECT diaSourceId FROM lsst.alerts WHERE diaSource.snr > 10", server=address)
    alerts = list(noctuary.replay(server=address, where="diaSource.snr > 10"))
    assert sorted(ids(alerts)) == sorted(bright["diaSourceId"].to_pylist()) and 0 < len(alerts) < len(places)
    assert all(alert["diaSource"]["snr"] > 10 for alert in alerts)

    centre = alerts[0]["diaSource"]
    near = noctuary.replay(server=address, region=noctuary.circle(centre["ra"], centre["dec"], 0.2))
    inside = f"SELECT diaSourceId FROM lsst.alerts WHERE cone(_ra, _dec, {centre['ra']}, {centre['dec']}, 0.2)"
    inside = noctuary.sql(inside, server=address)["diaSourceId"].to_pylist()
    assert sorted(ids(near)) == sorted(inside) and 0 < len(inside) < len(places)

    wanted = [alert["diaObject"]["diaObjectId"] for alert in alerts if alert["diaObject"]][:3]
    some = list(noctuary.replay(server=address, objects=pyarrow.array(wanted).to_numpy()))
    assert {alert["diaObject"]["diaObjectId"] for alert in some} == set(wanted)


def test_a_state_goes_on_anywhere(address, places):
    dice = random.Random(5)
    replay, got = noctuary.packets(server=address, chunk=700), []
    while True:
        for packet in replay:
            got.append((packet.alert, packet.sha256))
            if dice.random() < 0.01:
                break
        else:
            break
        replay.close()
        replay = noctuary.resume(replay.state())
    assert got == places


def test_a_closed_replay_goes_on_where_it_was(address, places):
    replay, got = noctuary.packets(server=address), []
    for _ in range(40):
        got += seen(itertools.islice(replay, 30))
        replay.close()
    assert got == places[: 40 * 30]


def work(part):
    return [(packet.commit, packet.night, packet.visit, packet.alert, packet.sha256) for packet in part]


def test_workers_share_a_replay(address, places):
    replay = noctuary.packets(server=address, chunk=200)
    begun = seen(next(replay) for _ in range(50))
    parts = replay.split(2)
    with concurrent.futures.ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        shares = list(pool.map(work, parts))
    assert all(len(share) > 500 for share in shares), "both have had something to do"
    for share in shares:
        visits = [(night, visit) for _, night, visit, _, _ in share]
        assert visits == sorted(visits)
    rest = [(alert, sha256) for share in shares for _, _, _, alert, sha256 in share]
    assert collections.Counter(begun + rest) == collections.Counter(places)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_server_that_is_restarted_is_waited_for(program, archive, places, how, monkeypatch):
    server, restarts = Server(program, archive), []

    connect, connections = _flight.connect, []
    monkeypatch.setattr(_flight, "connect", lambda server: connections.append(server) or connect(server))

    def restart():
        server.stop(how)
        time.sleep(0.5)
        server.start()

    try:
        replay, got = noctuary.packets(server=server.address), []
        for packet in replay:
            got.append((packet.alert, packet.sha256))
            if len(got) in (700, 1_900):
                restarts.append(threading.Thread(target=restart))
                restarts[-1].start()
                if how == signal.SIGKILL:
                    # What has been sent by then is not all there is.
                    restarts[-1].join()
        assert got == places and len(restarts) == 2
        assert len(connections) >= 4, "one for the plan, and one more each time after the first"
    finally:
        for thread in restarts:
            thread.join()
        server.stop(signal.SIGKILL)


def test_cut_connections_lose_and_repeat_nothing(address, places):
    host, port = address.removeprefix("grpc://").rsplit(":", 1)
    dice = random.Random(3)
    proxy = Proxy((host, int(port)), lambda: dice.randrange(2_000_000, 30_000_000))
    try:
        assert seen(noctuary.packets(server=proxy.address, chunk=1_000)) == places
        assert proxy.cut > 5
    finally:
        proxy.close()


def test_patience_ends(program, archive):
    server = Server(program, archive)
    replay = noctuary.packets(server=server.address, patience=1)
    first = next(replay)
    server.stop(signal.SIGKILL)
    replay.close()
    began = time.monotonic()
    with pytest.raises(flight.FlightUnavailableError):
        next(replay)
    assert time.monotonic() - began < 30
    server.start()
    rest = list(replay)
    assert len(rest) == replay.info.packets - 1 and rest[0].seq != first.seq
    server.stop(signal.SIGKILL)


def test_mistakes_are_told_at_once(address):
    with pytest.raises(pyarrow.ArrowInvalid, match="speed"):
        noctuary.replay(server=address, speed=3)
    with pytest.raises(pyarrow.ArrowInvalid, match="psfFlux"):
        noctuary.replay(server=address, where="diaSource.psfFlx > 0")
    with pytest.raises(pyarrow.ArrowInvalid):
        noctuary.replay(server=address, pace=0)
    with pytest.raises(KeyError, match="20"):
        noctuary.replay(server=address, nights="1999-01-01")
    with pytest.raises(pyarrow.ArrowInvalid):
        noctuary.sql("SELECT diaSource.psfFlx FROM lsst.alerts", server=address)


def test_nothing_to_replay_is_said(address):
    with pytest.warns(UserWarning, match="."):
        replay = noctuary.replay(server=address, region=noctuary.circle(10, 80, 0.001))
    assert list(replay) == [] and replay.info.packets == 0


def test_damage_is_told_at_once(program, tmp_path):
    subprocess.run([program, "demo", "--dir", str(tmp_path)], check=True, capture_output=True)
    server = Server(program, str(tmp_path))
    try:
        replay = noctuary.packets(server=server.address)
        for file in tmp_path.glob("cutouts/**/*.parquet"):
            file.unlink()
        began = time.monotonic()
        with pytest.raises(flight.FlightInternalError, match="data loss"):
            list(replay)
        assert time.monotonic() - began < 60
    finally:
        server.stop(signal.SIGTERM)


def test_what_was_purged_is_told(program, tmp_path):
    folder = str(tmp_path)

    def run(*arguments):
        subprocess.run([program, *arguments, "--archive", folder], check=True, capture_output=True)

    subprocess.run([program, "demo", "--dir", folder], check=True, capture_output=True)
    server = Server(program, folder)
    try:
        nights = noctuary.sql(NIGHT, server=server.address)
        first, second, count = nights["_night"][0].as_py(), nights["_night"][1].as_py(), nights["n"][0].as_py()
        every = [packet.alert for packet in noctuary.packets(server=server.address)]
        begun = noctuary.packets(server=server.address)
        gone = every[-3:]
        # Packets that are given up as a whole after their replay was planned.
        run("purge", "alerts", *map(str, gone), "--reason", "a test", "--yes")
        with pytest.warns(noctuary.LostPacket, match="3 packets of the replay are missing"):
            assert [packet.alert for packet in begun] == every[:-3]
        # Packets of which the images are given up.
        run("purge", "cutouts", "--survey", "lsst", "--before", second.isoformat(), "--reason", "a test", "--yes")
        packets = list(noctuary.packets(server=server.address))
        lost = [packet.alert for packet in packets if packet.data is None]
        # A group that holds later nights too keeps its images.
        assert 0 < len(lost) <= count and set(lost) <= set(every[:count])
        assert all((packet.data is None) == bool(packet.lost) for packet in packets)
        replay = noctuary.replay(server=server.address)
        with pytest.warns(noctuary.LostPacket, match="alert [0-9]+: ") as told:
            assert ids(replay) == [packet.alert for packet in packets if packet.data is not None]
        assert len(told) == len(lost)
    finally:
        server.stop(signal.SIGTERM)


def test_slim_alerts_have_the_fields_that_were_asked_for(address, places):
    fields = ["diaSourceId", "diaSource.psfFlux", "prvDiaSources.midpointMjdTai"]
    whole = {alert["diaSourceId"]: alert for alert in noctuary.replay(server=address, where="diaSource.snr > 10")}
    for alert in noctuary.replay(server=address, where="diaSource.snr > 10", fields=fields):
        expected = whole.pop(alert["diaSourceId"])
        history = expected["prvDiaSources"]
        assert real.same(alert, {
            "diaSourceId": expected["diaSourceId"],
            "diaSource": {"psfFlux": expected["diaSource"]["psfFlux"]},
            "prvDiaSources": history and [{"midpointMjdTai": s["midpointMjdTai"]} for s in history],
        })
    assert not whole


def test_tables(address, places):
    alerts = pyarrow.Table.from_batches(noctuary.tables(server=address, history=False, chunk=500))
    assert alerts["diaSourceId"].to_pylist() == [alert for alert, _ in places]
    assert "prvDiaSources" not in alerts.schema.names
    sources = noctuary.tables(server=address, shape="sources", chunk=500)
    begun = next(sources)
    rest = pyarrow.Table.from_batches([begun, *noctuary.resume(sources.state())])
    assert begun.num_rows < rest.num_rows
    assert rest["_alert"].to_pylist() == [alert for alert, _ in places]


def test_a_pace_is_kept(address):
    nights = noctuary.sql(NIGHT, server=address)["_night"]
    replay = noctuary.packets(server=address, nights=nights[0].as_py(), pace=500)
    begun, due = {}, {}
    for packet in replay:
        begun.setdefault(packet.visit, (time.time(), replay.late))
        # A visit begins with the earliest of its packets.
        due[packet.visit] = min(packet.mjd_tai, due.get(packet.visit, packet.mjd_tai))
    first, last = list(begun)[0], list(begun)[-1]
    expected = (due[last] - due[first]) * 86_400 / 500
    clock = begun[last][0] - begun[first][0]
    assert expected > 1 and clock == pytest.approx(expected, abs=1)
    assert all(-0.001 <= late < 1 for _, late in begun.values())


def test_a_live_night_is_for_all_who_ask(program, archive, address):
    night = noctuary.sql(NIGHT, server=address)["_night"][0].as_py().isoformat()
    expected = seen(noctuary.packets(server=address, nights=night))
    options = ["--live", "--night", night, "--pace", "3000", "--listen", "127.0.0.1:0", "--archive", archive]
    server = subprocess.Popen([program, "replay", *options], stdout=subprocess.PIPE, text=True)
    try:
        line = server.stdout.readline()
        assert line.startswith("listening on "), line
        there = line.removeprefix("listening on ").strip()

        def consume(_):
            replay = noctuary.live(server=there)
            return [(alert["diaSourceId"], replay.packet.sha256) for alert in replay]

        with concurrent.futures.ThreadPoolExecutor(5) as consumers:
            assert list(consumers.map(consume, range(5))) == [expected] * 5
        # Whoever comes when the night is over gets all of it.
        assert consume(None) == expected
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(timeout=60)


@real.needed
@pytest.mark.parametrize(("survey", "key"), [("lsst", "diaSourceId"), ("ztf", "candid")])
def test_alerts_are_what_fastavro_makes_of_the_packets(real_address, survey, key):
    def name(alert):
        # v7.4 called it otherwise.
        return alert[key] if key in alert else alert["alertId"]

    sent, got = collections.defaultdict(list), collections.defaultdict(list)
    for alert in real.alerts(survey):
        # Packets that came twice, byte for byte, are stored once.
        if not any(real.same(alert, other) for other in sent[name(alert)]):
            sent[name(alert)].append(alert)
    for alert in noctuary.replay(server=real_address, survey=survey):
        got[name(alert)].append(alert)
    assert set(got) == set(sent) and len(got) > 300
    for each in sent:
        assert len(got[each]) == len(sent[each]), each
        assert all(any(real.same(alert, other) for other in sent[each]) for alert in got[each]), each


@real.needed
def test_surveys_are_replayed_together(real_address):
    both = noctuary.replay(server=real_address, survey=["lsst", "ztf"])
    surveys = collections.Counter(both.packet.survey for _ in both)
    assert surveys["lsst"] > 300 and surveys["ztf"] > 600 and both.info.packets == sum(surveys.values())


@real.needed
def test_frames_come_back_whole(real_address):
    sent = {hashlib.sha256(packet).digest(): packet for packet in real.frames()}
    for packet in noctuary.packets(server=real_address, survey="lsst"):
        expected = sent.pop(packet.sha256, None)
        assert expected is None or expected == packet.data
    assert not sent

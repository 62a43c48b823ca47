"""Files that land: the same rules, all or nothing, the same bytes when the event comes again."""

import gzip
import io
import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import boto3
import pytest
from ingest_file import handler as module
from ingest_file import source, spool
from ingest_file.source import FileRefusedError, rows
from moto import mock_aws

import contracts
from tests.any_door import any_door, any_tokens

DOOR = any_door(contracts.load("flights"))
HEADER = "origin,time_hour,temp,wind_speed\n"
GOOD = "EWR,2013-01-01T06:00:00Z,39.02,10.3\nJFK,2013-01-02T06:00:00Z,NA,\n"


@pytest.fixture
def s3(monkeypatch) -> Iterator[Any]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("RAW_BUCKET", "raw")
    monkeypatch.setattr(module, "door", lambda: DOOR)
    with mock_aws():
        client = boto3.client("s3")
        for bucket in ("raw", "landing"):
            client.create_bucket(Bucket=bucket)
            client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        monkeypatch.setattr(module, "s3", lambda: client)
        yield client


def land(s3: Any, content: str | bytes, key: str = "landing/weather/january.csv") -> dict[str, Any]:
    body = content.encode() if isinstance(content, str) else content
    etag = s3.put_object(Bucket="landing", Key=key, Body=body)["ETag"].strip('"')
    return {
        "detail": {"bucket": {"name": "landing"}, "object": {"key": key, "etag": etag, "size": len(body)}}
    }


def stored(s3: Any, prefix: str = "") -> dict[str, list[Any]]:
    found = {}
    for entry in s3.list_objects_v2(Bucket="raw", Prefix=prefix).get("Contents", []):
        body = s3.get_object(Bucket="raw", Key=entry["Key"])["Body"].read()
        if entry["Key"].endswith(".gz"):
            found[entry["Key"]] = [json.loads(line) for line in gzip.decompress(body).splitlines()]
        else:
            found[entry["Key"]] = [json.loads(body)]
    return found


def test_rows_go_to_the_raw_partitions_of_their_dates(s3) -> None:
    result = module.handler(land(s3, HEADER + GOOD), None)
    assert (result["status"], result["rows"], result["accepted"], result["refused"]) == ("ingested", 2, 2, 0)
    found = stored(s3)
    assert sorted(key.split("/")[:3] for key in found) == [
        ["raw", "weather", "dt=2013-01-01"],
        ["raw", "weather", "dt=2013-01-02"],
    ]
    (first,) = found[min(found)]
    assert {key: first[key] for key in ("origin", "temp")} == {"origin": "EWR", "temp": 39.02}
    assert first["_source"] == "s3://landing/landing/weather/january.csv"
    assert "temp" not in found[max(found)][0]


@pytest.mark.parametrize(
    ("name", "pack"),
    [("a.ndjson", bytes), ("a.ndjson.gz", gzip.compress), ("a.csv.gz", gzip.compress), ("a.csv", bytes)],
)
def test_formats_give_the_same_rows(s3, name: str, pack: Any) -> None:
    record = {"origin": "EWR", "time_hour": "2013-01-01T06:00:00Z", "temp": 39.02}
    text = json.dumps(record) if "ndjson" in name else "origin,time_hour,temp\nEWR,2013-01-01T06:00:00Z,39.02"
    module.handler(land(s3, pack(text.encode()), f"landing/weather/{name}"), None)
    ((row,),) = stored(s3).values()
    assert {key: value for key, value in row.items() if not key.startswith("_")} == record


def test_dimension_lands_in_one_partition_with_tokens(s3) -> None:
    module.handler(land(s3, "tailnum,year,manufacturer\nN1,2004,JOHN DOE\n", "landing/planes/p.csv"), None)
    ((key, (row,)),) = stored(s3).items()
    assert key.startswith("raw/planes/dt=all/")
    now = f"{datetime.now(ZoneInfo('America/New_York')):%Y}"  # when it landed
    assert row["tailnum"] == any_tokens().token(now, "aircraft", "N1")
    assert row["year"] == 2000
    assert "DOE" not in str(row)


def test_dimension_joins_the_events_of_the_epoch_that_its_folder_names(s3) -> None:
    module.handler(land(s3, "tailnum,year\nN1,2004\n", "landing/planes/epoch=2013/p.csv"), None)
    ((row,),) = stored(s3).values()
    assert row["tailnum"] == any_tokens().token("2013", "aircraft", "N1")


def test_dimension_for_an_epoch_without_key_is_set_aside_without_its_identifiers(s3) -> None:
    result = module.handler(land(s3, "tailnum,year\nN1234,2004\n", "landing/planes/epoch=1913/p.csv"), None)
    assert (result["status"], result["reason"]) == ("quarantined", "too many bad rows")
    ((key, (note,)),) = stored(s3).items()
    assert key.startswith("quarantine/planes/files/")
    assert note["examples"][0]["reason"] == "there is no key for its epoch"
    assert "N1234" not in str(note)


def test_same_event_again_writes_nothing(s3) -> None:
    event = land(s3, HEADER + GOOD + "XXX,2013-01-03T06:00:00Z,1,1\n")
    DOOR["weather"].max_rejected_share = 0.5
    try:
        assert module.handler(event, None)["written"] == 3
        assert module.handler(event, None)["written"] == 0
    finally:
        DOOR["weather"].max_rejected_share = 0.2
    versions = s3.list_object_versions(Bucket="raw")["Versions"]
    assert len(versions) == len({version["Key"] for version in versions}) == 3


def test_stored_bytes_carry_no_clock(s3, tmp_path) -> None:
    contents = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        kept = spool.Spool(tmp_path / name)
        kept.add("raw/x", b"line\n")
        contents += [path.read_bytes() for _, path in kept.files()]
    assert contents[0] == contents[1]


def test_spool_stays_small_and_keeps_every_line(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(spool, "FLUSH_BYTES", 100)
    kept = spool.Spool(tmp_path)
    for number in range(100):
        kept.add(f"raw/{number % 3}", f"{number}\n".encode())
    lines = [line for _, path in kept.files() for line in gzip.decompress(path.read_bytes()).split()]
    assert sorted(map(int, lines)) == list(range(100))


def test_replaced_file_is_left_to_its_own_event(s3) -> None:
    event = land(s3, HEADER + GOOD)
    land(s3, HEADER)
    assert module.handler(event, None)["status"] == "superseded"
    assert not stored(s3)


def test_removed_file_is_no_error(s3) -> None:
    event = land(s3, HEADER + GOOD)
    s3.delete_object(Bucket="landing", Key="landing/weather/january.csv")
    assert module.handler(event, None)["status"] == "superseded"


@pytest.mark.parametrize("content", ["", HEADER, "\n\n"])
def test_empty_batch_is_recorded_without_error(s3, content: str, capsys) -> None:
    name = "landing/weather/a.csv" if content == HEADER else "landing/weather/a.ndjson"
    result = module.handler(land(s3, content, name), None)
    assert (result["status"], result["rows"], result["written"]) == ("empty", 0, 0)
    assert json.loads(capsys.readouterr().out) == result


def test_bad_rows_are_quarantined_and_the_others_kept(s3) -> None:
    rows_ = GOOD * 3 + "EWR,2013-01-01T06:00:00Z,39.02,1048\n"
    result = module.handler(land(s3, HEADER + rows_), None)
    assert (result["accepted"], result["refused"]) == (6, 1)
    ((entry,),) = stored(s3, "quarantine/weather/dt=").values()
    assert (entry["column"], entry["got"], entry["line"]) == ("wind_speed", "1048.0", 8)
    assert entry["seal"]


def test_torn_lines_are_named_by_their_place(s3) -> None:
    good = json.dumps({"origin": "EWR", "time_hour": "2013-01-01T06:00:00Z"})
    content = "\n".join([good] * 10 + ['{"origin": "EW', "[1]"])
    result = module.handler(land(s3, content, "landing/weather/a.ndjson"), None)
    assert (result["accepted"], result["refused"]) == (10, 2)
    (entries,) = stored(s3, "quarantine/weather/dt=").values()
    assert [(entry["got"], entry["record"], entry["seal"]) for entry in entries] == [
        ("line 11", None, None),
        ("line 12", None, None),
    ]


@pytest.mark.parametrize(
    ("key", "content", "table", "reason"),
    [
        pytest.param("landing/wether/a.csv", HEADER, "unknown", "unknown table", id="unknown table"),
        pytest.param("landing/weather/2013/a.csv", HEADER, "unknown", "unknown place", id="too deep"),
        pytest.param(
            "landing/weather/epoch=2013/a.csv",
            HEADER,
            "unknown",
            "an epoch for a table with an event time",
            id="epoch of a table that has a time",
        ),
        pytest.param("landing/weather/a.xlsx", HEADER, "weather", "unknown format", id="format"),
        pytest.param(
            "landing/weather/a.csv", "origin,time_hour,rain\n", "weather", "unknown column", id="column"
        ),
        pytest.param(
            "landing/weather/a.csv", "origin,temp\n", "weather", "missing column", id="missing column"
        ),
        pytest.param(
            "landing/weather/a.csv", "origin,origin,time_hour\n", "weather", "repeated column", id="twice"
        ),
        pytest.param(
            "landing/weather/a.csv", HEADER + "EWR,1\n" * 9, "weather", "too many bad rows", id="bad rows"
        ),
        pytest.param("landing/weather/a.csv", b"\xff\xfe\x00", "weather", "unreadable", id="not UTF-8"),
        pytest.param("landing/weather/a.csv", HEADER + '"EWR', "weather", "unreadable", id="open quote"),
        pytest.param("landing/weather/a.csv.gz", HEADER, "weather", "unreadable", id="not gzip"),
        pytest.param(
            "landing/weather/a.csv.gz",
            gzip.compress(HEADER.encode())[:-9],
            "weather",
            "unreadable",
            id="torn gzip",
        ),
        pytest.param(
            "landing/weather/a.ndjson", '{"rain": 1}', "weather", "unknown column", id="column in ndjson"
        ),
        pytest.param(
            "landing/weather/a.ndjson", "x" * 1_000_002, "weather", "line too long", id="one long line"
        ),
    ],
)
def test_whole_file_is_refused_with_its_reason(s3, key: str, content: Any, table: str, reason: str) -> None:
    event = land(s3, content, key)
    result = module.handler(event, None)
    assert (result["status"], result["reason"]) == ("quarantined", reason)
    ((place, (note,)),) = stored(s3).items()
    assert place.startswith(f"quarantine/{table}/files/")
    assert note["source"] == f"s3://landing/{key}"
    assert note["etag"] == event["detail"]["object"]["etag"]
    assert note["allowed"]
    assert note["got"]
    assert module.handler(event, None)["status"] == "quarantined"


def test_refused_file_stores_none_of_its_good_rows(s3) -> None:
    module.handler(land(s3, HEADER + GOOD + "XXX,y,1,1\n" * 5), None)
    assert not stored(s3, "raw/")


def test_gzip_bomb_is_refused_before_it_is_unpacked(monkeypatch) -> None:
    monkeypatch.setattr(source, "LARGEST_FILE", 1_000_000)
    bomb = io.BytesIO(gzip.compress(b"\n" * 50_000_000))
    with pytest.raises(FileRefusedError, match="too large"):
        list(rows("a.ndjson.gz", bomb, DOOR["weather"]))


def test_byte_order_mark_and_quoted_newlines_are_read(s3) -> None:
    text = '\ufefffaa,name,lat\nEWR,"Newark\nLiberty",40.7\n'
    module.handler(land(s3, text, "landing/airports/a.csv"), None)
    ((row,),) = stored(s3, "raw/airports/dt=all/").values()
    assert row["name"] == "Newark\nLiberty"

"""Hot spots without what makes them slow: routing, Kinesis, state machines, clients of the engines."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from datetime import datetime
from functools import cache, lru_cache
from typing import Any

_lock = threading.Lock()


def install(notify: Callable[[str], None]) -> None:
    """notify(stream name) is called after records were put into a Kinesis stream."""
    _route_quickly()
    _keep_shards_indexed()
    _answer_kinesis_directly()
    _put_many_at_once(notify)
    _parse_definitions_once()
    _make_client_classes_once()
    _name_endpoint_services()
    _read_managed_policies_once()


def _route_quickly() -> None:
    """moto lists its whole source folder for every request, under a lock: 5 ms a call."""
    from moto import backends
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication

    if hasattr(DomainDispatcherApplication.get_backend_for_host, "of_the_sandbox"):
        return
    names = tuple(backends.list_of_moto_modules())
    original = DomainDispatcherApplication.get_backend_for_host
    known: dict[str | None, Any] = {}

    def get_backend_for_host(self: Any, host: str | None) -> Any:
        if host not in known:
            known[host] = original(self, host)
        return known[host]

    get_backend_for_host.of_the_sandbox = True  # type: ignore[attr-defined]
    backends.list_of_moto_modules = cache(lambda: names)
    DomainDispatcherApplication.get_backend_for_host = get_backend_for_host


def _keep_shards_indexed() -> None:
    """moto searches a shard from its start for every put and every page: quadratic."""
    from moto.kinesis.models import Record, Shard

    def put_record(self: Any, partition_key: str, data: str, explicit_hash_key: str) -> str:
        with _lock:  # moto's numbering is not safe for threads
            number = len(self.records) + 1
            self.records[number] = Record(partition_key, data, number, explicit_hash_key)
        return str(number)

    def get_records(self: Any, last_sequence_id: str, limit: int | None) -> tuple[list[Any], int, int]:
        with _lock:
            newest = len(self.records)
            first = int(last_sequence_id)
            last = newest if limit is None else min(newest, first + int(limit))
            found = [self.records[number] for number in range(first + 1, last + 1)]
            behind = self.records[newest].created_at - found[-1].created_at if found else 0.0
        return found, max(first, last), int(behind * 1000)

    Shard.put_record = put_record
    Shard.get_records = get_records
    Shard.get_max_sequence_number = lambda self: len(self.records)
    Shard.get_min_sequence_number = lambda self: next(iter(self.records), 0)


def _answer_kinesis_directly() -> None:
    """moto's serialiser asks every field of every record for a dozen names; here plain JSON is written."""
    from moto.kinesis.responses import KinesisResponse

    original_put = KinesisResponse.put_records
    original_get = KinesisResponse.get_records

    def put_records(self: Any) -> Any:
        if "json" not in (self.headers.get("Content-Type") or ""):
            return original_put(self)
        given = json.loads(self.body)  # once: moto parses the whole body for every parameter it asks for
        arguments = (given.get(name) for name in ("StreamARN", "StreamName", "Records"))
        return _json(self.kinesis_backend.put_records(*arguments))

    def get_records(self: Any) -> Any:
        if "json" not in (self.headers.get("Content-Type") or ""):
            return original_get(self)
        given = json.loads(self.body)
        arguments = (given.get(name) for name in ("StreamARN", "ShardIterator", "Limit"))
        iterator, records, behind = self.kinesis_backend.get_records(*arguments)
        shaped = [
            {
                "Data": record.data,
                "PartitionKey": record.partition_key,
                "SequenceNumber": str(record.sequence_number),
                "ApproximateArrivalTimestamp": record.created_at,
            }
            for record in records
        ]
        return _json({"NextShardIterator": iterator, "Records": shaped, "MillisBehindLatest": behind})

    KinesisResponse.put_records = put_records
    KinesisResponse.get_records = get_records


def _json(answer: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
    # Bytes, because moto searches text answers for a request id.
    return 200, {"Content-Type": "application/x-amz-json-1.1"}, json.dumps(answer).encode()


def _put_many_at_once(notify: Callable[[str], None]) -> None:
    """moto decodes every record to measure it and reads the clock twice for each."""
    from moto.core.utils import unix_time, utcnow
    from moto.kinesis.exceptions import RecordSizeExceedsLimit, TooManyRecords, TotalRecordsSizeExceedsLimit
    from moto.kinesis.models import KinesisBackend, Record

    original_put = KinesisBackend.put_record

    def put_record(self: Any, stream_arn: Any, stream_name: Any, *args: Any, **kwargs: Any) -> Any:
        answer = original_put(self, stream_arn, stream_name, *args, **kwargs)
        notify(stream_name or stream_arn.split("/")[-1])
        return answer

    def put_records(self: Any, stream_arn: Any, stream_name: Any, records: Any) -> dict[str, Any]:
        stream = self.describe_stream(stream_arn=stream_arn, stream_name=stream_name)
        sizes = [_decoded_size(r.get("Data", "")) + len(r.get("PartitionKey", "")) for r in records]
        if len(records) > 500:
            raise TooManyRecords
        if sum(sizes) > 5_242_880:
            raise TotalRecordsSizeExceedsLimit
        for position, size in enumerate(sizes, start=1):
            if size > 1_048_576:
                raise RecordSizeExceedsLimit(position=position)
        moment = utcnow()
        seconds = unix_time(moment)
        answers = []
        with _lock:
            for given in records:
                key, hash_key = given.get("PartitionKey"), given.get("ExplicitHashKey")
                shard = stream.get_shard_for_key(key, hash_key)
                number = len(shard.records) + 1
                record = Record.__new__(Record)
                record.__dict__ = {
                    "partition_key": key,
                    "data": given.get("Data"),
                    "sequence_number": number,
                    "explicit_hash_key": hash_key,
                    "created_at_datetime": moment,
                    "created_at": seconds,
                }
                shard.records[number] = record
                answers.append({"SequenceNumber": str(number), "ShardId": shard.shard_id})
        self._send_stream_metrics(
            stream.stream_name, incoming_bytes=sum(sizes), incoming_records=len(records)
        )
        notify(stream.stream_name)
        return {"FailedRecordCount": 0, "Records": answers}

    KinesisBackend.put_record = put_record
    KinesisBackend.put_records = put_records


def _parse_definitions_once() -> None:
    """moto reads a definition with ANTLR at each start of an execution: half a second for a long one.

    Only the syntax tree is kept; the program, which an execution may change, is made from it each time.
    """
    from moto.stepfunctions.parser.asl.parse import asl_parser

    parser = asl_parser.AmazonStateLanguageParser
    if hasattr(parser.parse, "of_the_sandbox"):
        return
    original = parser.parse

    @lru_cache(maxsize=64)
    def tree(definition: str) -> Any:
        return original(definition)[1]

    def parse(definition: str) -> tuple[Any, Any]:
        parsed = tree(definition)
        return asl_parser.Preprocessor().visit(parsed), parsed

    parse.of_the_sandbox = True  # type: ignore[attr-defined]
    parser.parse = staticmethod(parse)


def _make_client_classes_once() -> None:
    """botocore makes a class with all methods for every client: for EC2 it takes 0.1 s, at each job."""
    from botocore.client import ClientCreator

    if hasattr(ClientCreator._create_client_class, "of_the_sandbox"):
        return
    original = ClientCreator._create_client_class
    known: dict[tuple[Any, str], type] = {}

    def create(self: Any, service_name: str, service_model: Any) -> type:
        kind = (service_name, service_model.api_version)
        if kind not in known:
            known[kind] = original(self, service_name, service_model)
        return known[kind]

    create.of_the_sandbox = True  # type: ignore[attr-defined]
    ClientCreator._create_client_class = create


def _read_managed_policies_once() -> None:
    """moto parses AWS's own policies, megabytes of them, for each account that begins: half a second."""
    from moto.iam import models

    @cache
    def known() -> list[tuple[str, dict[str, Any]]]:
        found = json.loads(models.aws_managed_policies_data)
        return [
            (
                name,
                {
                    "default_version_id": each.get("DefaultVersionId"),
                    "path": each.get("Path"),
                    "document": json.dumps(each.get("Document")),
                    "create_date": datetime.fromisoformat(each["CreateDate"]),
                    "update_date": datetime.fromisoformat(each["UpdateDate"]),
                },
            )
            for name, each in found.items()
        ]

    def policies(self: Any) -> list[Any]:
        if not models.load_iam_aws_managed_policies():
            return []
        make = models.AWSManagedPolicy
        return [
            make(name, account_id=self.account_id, region=self.region_name, **each) for name, each in known()
        ]

    models.IAMBackend._init_aws_policies = policies


def _name_endpoint_services() -> None:
    """moto makes the state of every service, to ask each for the names of its VPC endpoints."""
    from moto import backends
    from moto.core.base_backend import BaseBackend
    from moto.ec2.models import vpcs
    from moto.ec2.models.availability_zones_and_regions import RegionsAndZonesBackend

    @cache
    def named(region: str) -> tuple[Any, ...]:
        every = [zone.name for zones in RegionsAndZonesBackend.zones.values() for zone in zones]
        zones = [name for name in every if name.startswith(region)]
        kinds = [backends.get_backend(name).backend for name in vpcs.IMPLEMENTED_ENDPOINT_SERVICES]
        own = [each for kind in kinds for each in kind.default_vpc_endpoint_service(region, zones) or []]
        rest = (name for name in vpcs.AWS_ENDPOINT_SERVICES if name not in vpcs.COVERED_ENDPOINT_SERVICES)
        make = BaseBackend.default_vpc_endpoint_service_factory
        return (*own, *(each for name in rest for each in make(region, zones, name)))

    def collect(_account: str, region: str) -> list[dict[str, Any]]:
        return list(named(region))

    vpcs.VPCBackend._collect_default_endpoint_services = staticmethod(collect)


def _decoded_size(text: str) -> int:
    return len(text) * 3 // 4 - text[-2:].count("=")


def self_test() -> None:
    from sandbox.selftest import check

    check("moto.backends:list_of_moto_modules")
    check("moto.moto_server.werkzeug_app:DomainDispatcherApplication.get_backend_for_host", "self", "host")
    models = "moto.kinesis.models"
    check(f"{models}:Record", "partition_key", "data", "sequence_number", "explicit_hash_key")
    check(f"{models}:Stream.get_shard_for_key", "self", "partition_key", "explicit_hash_key")
    check(
        f"{models}:KinesisBackend._send_stream_metrics",
        "self", "stream_name", "incoming_bytes", "incoming_records",
    )  # fmt: skip
    check(f"{models}:Shard.put_record", "self", "partition_key", "data", "explicit_hash_key")
    check(f"{models}:Shard.get_records", "self", "last_sequence_id", "limit")
    check(f"{models}:Shard.get_max_sequence_number", "self")
    check(f"{models}:Shard.get_min_sequence_number", "self")
    check(f"{models}:KinesisBackend.get_records", "self", "stream_arn", "shard_iterator", "limit")
    check(f"{models}:KinesisBackend.put_records", "self", "stream_arn", "stream_name", "records")
    check(
        f"{models}:KinesisBackend.put_record",
        "self", "stream_arn", "stream_name", "partition_key", "explicit_hash_key", "data",
    )  # fmt: skip
    check("moto.iam.models:IAMBackend._init_aws_policies", "self")
    check("moto.iam.models:AWSManagedPolicy.from_data", "name", "account_id", "region_name", "data")
    check("moto.iam.models:aws_managed_policies_data")
    vpcs = "moto.ec2.models.vpcs"
    check(f"{vpcs}:VPCBackend._collect_default_endpoint_services", "account_id", "region")
    for name in ("IMPLEMENTED_ENDPOINT_SERVICES", "AWS_ENDPOINT_SERVICES", "COVERED_ENDPOINT_SERVICES"):
        check(f"{vpcs}:{name}")
    check("moto.kinesis.responses:KinesisResponse.put_records", "self")
    check("moto.kinesis.responses:KinesisResponse.get_records", "self")
    parser = "moto.stepfunctions.parser.asl.parse.asl_parser"
    check(f"{parser}:AmazonStateLanguageParser.parse", "definition")
    check(f"{parser}:Preprocessor")
    check("botocore.client:ClientCreator._create_client_class", "self", "service_name", "service_model")

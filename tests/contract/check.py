#!/usr/bin/env python3
"""Holds the golden messages of this folder against Python's msgpack, as a client in another language would.

Each `.msgpack` is read and compared with the `.json` beside it; the `.json`'s value is packed again and must give the
same bytes. One request is built here, in encodings that Rust never writes; `cargo test -p almoner-domain --test
contract` reads it. Spring Kafka's headers of the dead letter are read in Spring's encoding.

    pip install -r tests/contract/requirements.txt
    python tests/contract/check.py            compare; exit code 1 and a line for each difference
    python tests/contract/check.py --write    rewrite the request that is built here
"""

import json
import struct
import sys
import uuid
from pathlib import Path

import msgpack

HERE = Path(__file__).parent
BY_PYTHON = "request-donate-by-python"
# Packed in other widths than the shortest: on purpose, and because masking keeps every length.
NOT_SHORTEST = {BY_PYTHON, "dead-letter"}


def plain(value):
    """The value as JSON holds it: binary as {"hex": …}."""
    if isinstance(value, bytes):
        return {"hex": value.hex()}
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    return value


def unpack(data):
    """One message and nothing after it; a name that comes twice is an error."""

    def unique(pairs):
        names = [name for name, _ in pairs]
        assert len(names) == len(set(names)), f"a field stands there twice: {names}"
        return dict(pairs)

    return msgpack.unpackb(data, object_pairs_hook=unique)


def check_golden(path):
    """The differences between one `.msgpack` and its `.json`."""
    data = path.read_bytes()
    expected = json.loads(path.with_suffix(".json").read_text())["value"]
    found = plain(unpack(data))
    if found != expected:
        yield f"{path.name} says {found}, its .json {expected}"
    elif list(found) != list(expected):
        yield f"{path.name} and its .json have the fields in another order"
    if path.stem not in NOT_SHORTEST and msgpack.packb(expected) != data:
        yield f"{path.name} is not what Python packs from its .json"


def request_by_python():
    """The content of request-donate-full, written as another client might."""
    full = json.loads((HERE / "request-donate-full.json").read_text())["value"]
    request = dict(reversed(full.items()))
    del request["type"]
    request["id"] = uuid.UUID(full["id"]).bytes
    request["from_the_future"] = {"deep": [1, None, {"x": 1.5}]}
    amount = request.pop("amount_minor")
    packer = msgpack.Packer(autoreset=False)
    packer.pack_map_header(len(request) + 1)
    for name, value in request.items():
        packer.pack(name)
        packer.pack(value)
    packer.pack("amount_minor")
    # As wide as it gets, and signed: what a client in a language with one integer type sends.
    return packer.bytes() + struct.pack(">Bq", 0xD3, amount)


def check_by_python(write):
    data = request_by_python()
    path = HERE / f"{BY_PYTHON}.msgpack"
    if write:
        path.write_bytes(data)
        content = {"key": "user-42", "headers": [], "value": plain(unpack(data))}
        text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
        path.with_suffix(".json").write_text(text)
    if path.read_bytes() != data:
        yield f"{path.name} is not what is built here; run with --write if the change is meant"


def check_dead_letter():
    """Spring Kafka's headers, read as Spring reads them."""
    headers = dict(json.loads((HERE / "dead-letter.json").read_text())["headers"])

    def number(name, shape):
        return struct.unpack(shape, bytes.fromhex(headers[f"kafka_dlt-original-{name}"]["hex"]))[0]

    found = {
        "topic": headers["kafka_dlt-original-topic"],
        "partition": number("partition", ">i"),
        "offset": number("offset", ">q"),
        "timestamp": number("timestamp", ">q"),
        "timestamp-type": headers["kafka_dlt-original-timestamp-type"],
        "consumer-group": headers["kafka_dlt-original-consumer-group"],
        "reason": headers["kafka_dlt-exception-fqcn"],
        "masked": headers["almoner-masked"],
    }
    expected = {
        "topic": "donations.requests",
        "partition": 17,
        "offset": 4294967301,
        "timestamp": 1790000000500,
        "timestamp-type": "LogAppendTime",
        "consumer-group": "almoner",
        "reason": "almoner.no_identity",
        "masked": "true",
    }
    if found != expected:
        yield f"the dead letter's headers say {found}, not {expected}"


def main():
    write = "--write" in sys.argv[1:]
    differences = list(check_by_python(write))
    golden = sorted(HERE.glob("*.msgpack"))
    for path in golden:
        differences += check_golden(path)
    differences += check_dead_letter()
    for difference in differences:
        print(difference, file=sys.stderr)
    print(f"{len(golden)} golden messages, {len(differences)} differences")
    sys.exit(1 if differences or not golden else 0)


if __name__ == "__main__":
    main()

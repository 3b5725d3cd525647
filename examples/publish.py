#!/usr/bin/env python3
"""Asks for a donation and waits for its outcome, as a front end does.

    python3 -m venv .cache/examples
    .cache/examples/bin/pip install -r examples/requirements.txt
    .cache/examples/bin/python examples/publish.py --help

A front end mints the id once, keeps it, and sends the same request again until it has an answer: the card is charged
once however often it asks.
"""

import argparse
import os
import sys
import time
import uuid

import msgpack
from confluent_kafka import Consumer, Producer, TopicPartition

REQUESTS = "donations.requests"
OUTCOMES = "donations.outcomes"
BROKER_WITHIN_S = 10


def new_id():
    """A UUIDv7 sorts by time, which the store likes; any UUID does."""
    return getattr(uuid, "uuid7", uuid.uuid4)()


def arguments():
    parser = argparse.ArgumentParser(description="Publish one request and wait for its outcome.")
    default = os.environ.get("ALMONER__KAFKA__BOOTSTRAP_SERVERS", "127.0.0.1:9092")
    parser.add_argument("--bootstrap-servers", default=default, help="the brokers to begin with")
    parser.add_argument("--type", choices=["donate", "confirm", "cancel"], default="donate",
                        help="confirm and cancel answer a donation.needs_confirmation")
    parser.add_argument("--id", type=uuid.UUID, default=None,
                        help="the donation; say it again to repeat a request, or to answer a question")
    parser.add_argument("--user", default="user-42", help="who gives")
    parser.add_argument("--campaign", default="campaign-7", help="who receives")
    parser.add_argument("--amount-minor", type=int, default=1250,
                        help="in the currency's smallest unit: 1250 is 12.50 EUR")
    parser.add_argument("--currency", default="EUR", help="ISO 4217")
    parser.add_argument("--payment-method", default="pm_card_visa",
                        help="the gateway's token of the card, never a card number")
    parser.add_argument("--wait-s", type=float, default=60, help="how long to wait for an outcome")
    return parser.parse_args()


def request_of(args, donation_id):
    """The value of a request: a MessagePack map with these names."""
    request = {"type": args.type, "id": str(donation_id), "user_id": args.user}
    if args.type == "donate":
        request |= {
            "campaign_id": args.campaign,
            "amount_minor": args.amount_minor,
            "currency": args.currency,
            "payment_method": args.payment_method,
        }
    return request


def listen(bootstrap_servers):
    """A reader of all outcomes from now on."""
    consumer = Consumer({
        "bootstrap.servers": bootstrap_servers,
        "group.id": "almoner-example",
        "enable.auto.commit": False,
    })
    partitions = consumer.list_topics(OUTCOMES, BROKER_WITHIN_S).topics[OUTCOMES].partitions
    ends = []
    for number in partitions:
        _, end = consumer.get_watermark_offsets(TopicPartition(OUTCOMES, number), BROKER_WITHIN_S)
        ends.append(TopicPartition(OUTCOMES, number, end))
    consumer.assign(ends)
    return consumer


def publish(bootstrap_servers, request):
    producer = Producer({
        "bootstrap.servers": bootstrap_servers,
        # As `[kafka] partitioner` says; librdkafka's own default differs from Java's.
        "partitioner": "murmur2_random",
        "enable.idempotence": True,
    })
    failures = []
    producer.produce(
        REQUESTS,
        key=request["user_id"],
        value=msgpack.packb(request),
        on_delivery=lambda error, _: failures.append(error) if error else None,
    )
    if producer.flush(BROKER_WITHIN_S) or failures:
        sys.exit(f"not published: {failures or 'the broker did not answer'}")


def wait(consumer, donation_id, patience_s):
    """Prints what is told of the donation, until nothing more comes unless somebody does something."""
    until = time.monotonic() + patience_s
    while time.monotonic() < until:
        record = consumer.poll(0.2)
        if record is None:
            continue
        if record.error():
            sys.exit(f"the outcomes cannot be read: {record.error()}")
        # The headers say whose outcome it is, so others need not be decoded.
        if ("donation-id", str(donation_id).encode()) not in (record.headers() or []):
            continue
        outcome = msgpack.unpackb(record.value())
        for name, value in outcome.items():
            print(f"  {name}: {value}")
        # Unknown types are to be ignored: more may come.
        if outcome["type"] != "donation.pending":
            return
    sys.exit(f"no final outcome yet; ask again with --id {donation_id}")


def main():
    args = arguments()
    donation_id = args.id or new_id()
    # First listen, then ask: nothing that is told meanwhile is missed.
    consumer = listen(args.bootstrap_servers)
    publish(args.bootstrap_servers, request_of(args, donation_id))
    print(f"asked: donation {donation_id}")
    wait(consumer, donation_id, args.wait_s)
    consumer.close()


if __name__ == "__main__":
    main()

"""Stripe's own Python client drives the simulator: what it creates, finds and is refused is what Stripe would do."""

import time
import unittest
import uuid

import stripe
from stripe import StripeClient

import simulator


def client_of(running, retries=0, key=simulator.API_KEY):
    return StripeClient(key, base_addresses={"api": running.url}, max_network_retries=retries)


def charge(donation, payment_method="pm_card_visa", **more):
    return {
        "amount": 1500,
        "currency": "eur",
        "payment_method": payment_method,
        "payment_method_types": ["card"],
        "confirm": True,
        "off_session": True,
        "transfer_group": "campaign-1",
        "metadata": {"donation_id": donation, "note": "é & [x] = %"},
        **more,
    }


def new_id():
    return str(uuid.uuid4())


class Client(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.running = simulator.start()
        cls.addClassCleanup(cls.running.stop)
        cls.client = client_of(cls.running)
        cls.intents = cls.client.v1.payment_intents

    def create(self, donation, *arguments, **more):
        options = {"idempotency_key": f"{donation}:charge:1"}
        return self.intents.create(charge(donation, *arguments, **more), options)

    def test_creates_and_fetches(self):
        donation = new_id()
        created = self.create(donation, customer="cus_1", expand=["latest_charge"])
        self.assertEqual((created.status, created.amount_received), ("succeeded", 1500))
        self.assertEqual(created.metadata["note"], "é & [x] = %")
        self.assertEqual(created.latest_charge.payment_intent, created.id)
        self.assertTrue(created.last_response.headers["request-id"].startswith("req_"))
        fetched = self.intents.retrieve(created.id, {"expand": ["latest_charge"]})
        self.assertEqual(fetched.to_dict(), created.to_dict())
        charged = self.client.v1.charges.retrieve(created.latest_charge.id)
        self.assertEqual((charged.paid, charged.amount_captured), (True, 1500))

    def test_the_same_key_is_the_same_charge(self):
        donation = new_id()
        first, again = self.create(donation), self.create(donation)
        self.assertEqual(first.id, again.id)
        self.assertEqual(again.last_response.headers["idempotent-replayed"], "true")
        with self.assertRaises(stripe.IdempotencyError):
            self.create(donation, amount=1600)

    def test_lists_in_pages(self):
        customer = f"cus_{uuid.uuid4().hex}"
        since = int(time.time()) - 1
        created = [self.create(new_id(), customer=customer).id for _ in range(25)]
        pages = self.intents.list({"limit": 10, "customer": customer, "created": {"gte": since}})
        found = [intent.id for intent in pages.auto_paging_iter()]
        self.assertEqual(found, created[::-1])
        back = self.intents.list({"limit": 10, "customer": customer, "ending_before": created[0]})
        self.assertEqual([intent.id for intent in back.auto_paging_iter()], created[1:])

    def test_searches(self):
        donation = new_id()
        created = self.create(donation)
        query = {"query": f"metadata['donation_id']:'{donation}' AND status:'succeeded'"}
        deadline = time.monotonic() + 30
        while not (found := self.intents.search(query).data):
            self.assertLess(time.monotonic(), deadline, "the search never found it")
            time.sleep(0.02)
        self.assertEqual([intent.id for intent in found], [created.id])

    def test_declines_are_card_errors(self):
        for method, code, decline_code in [
            ("pm_card_chargeDeclined", "card_declined", "generic_decline"),
            ("pm_card_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds"),
            ("pm_card_chargeDeclinedProcessingError", "processing_error", None),
            ("pm_card_authenticationRequired", "authentication_required", "authentication_required"),
        ]:
            with self.subTest(method), self.assertRaises(stripe.CardError) as caught:
                self.create(new_id(), method)
            error = caught.exception
            self.assertEqual((error.http_status, error.code), (402, code))
            self.assertEqual(getattr(error.error, "decline_code", None), decline_code)
            self.assertEqual(error.error.payment_intent.status, "requires_payment_method")
            self.assertEqual(error.error.payment_intent.last_payment_error.code, code)

    def test_confirms_again_after_a_decline(self):
        with self.assertRaises(stripe.CardError) as caught:
            self.create(new_id(), "pm_soft_1_x")
        intent = caught.exception.error.payment_intent.id
        confirm = {"payment_method": "pm_soft_1_x", "off_session": True}
        self.assertEqual(self.intents.confirm(intent, confirm).status, "succeeded")
        with self.assertRaises(stripe.InvalidRequestError) as caught:
            self.intents.confirm(intent, confirm)
        self.assertEqual(caught.exception.code, "payment_intent_unexpected_state")
        self.assertEqual(caught.exception.error.payment_intent.status, "succeeded")

    def test_cancels(self):
        intent = self.intents.create({"amount": 500, "currency": "usd"})
        self.assertEqual(intent.status, "requires_payment_method")
        canceled = self.intents.cancel(intent.id, {"cancellation_reason": "abandoned"})
        self.assertEqual((canceled.status, canceled.cancellation_reason), ("canceled", "abandoned"))
        with self.assertRaises(stripe.InvalidRequestError) as caught:
            self.intents.cancel(self.create(new_id()).id)
        self.assertEqual(caught.exception.error.payment_intent.status, "succeeded")

    def test_refunds(self):
        intent = self.create(new_id())
        refunds = self.client.v1.refunds
        part = refunds.create({"payment_intent": intent.id, "amount": 400})
        rest = refunds.create({"charge": intent.latest_charge, "reason": "duplicate"})
        self.assertEqual((part.amount, rest.amount, rest.status), (400, 1100, "succeeded"))
        self.assertEqual(refunds.retrieve(part.id).to_dict(), part.to_dict())
        listed = refunds.list({"payment_intent": intent.id})
        self.assertEqual([refund.id for refund in listed.data], [rest.id, part.id])
        with self.assertRaises(stripe.InvalidRequestError) as caught:
            refunds.create({"payment_intent": intent.id})
        self.assertEqual(caught.exception.code, "charge_already_refunded")

    def test_makes_payment_methods(self):
        methods = self.client.v1.payment_methods
        declining = methods.create({"type": "card", "card": {"token": "tok_chargeDeclined"}})
        self.assertEqual(methods.retrieve(declining.id).id, declining.id)
        with self.assertRaises(stripe.CardError):
            self.create(new_id(), declining.id)

    def test_refusals_have_their_types(self):
        for expected, parameter, code, call in [
            (400, "payment_method", "resource_missing", lambda: self.create(new_id(), "pm_missing")),
            (400, "amount", "amount_too_small", lambda: self.create(new_id(), amount=1)),
            (400, "amount", "amount_too_large", lambda: self.create(new_id(), amount=100_000_000)),
            (400, "currency", None, lambda: self.create(new_id(), currency="xxx")),
            (400, "amonut", "parameter_unknown", lambda: self.create(new_id(), amonut=1)),
            (400, "amount", "parameter_missing", lambda: self.intents.create({"currency": "eur"})),
            (404, "intent", "resource_missing", lambda: self.intents.retrieve("pi_x")),
        ]:
            with self.subTest(code=code, parameter=parameter):
                with self.assertRaises(stripe.InvalidRequestError) as caught:
                    call()
                error = caught.exception
                self.assertEqual((error.http_status, error.param, error.code), (expected, parameter, code))
        with self.assertRaises(stripe.AuthenticationError):
            client_of(self.running, key="sk_test_wrong").v1.payment_intents.list()


class BadDays(unittest.TestCase):
    def start(self, *options, **more):
        running = simulator.start_with(*options, **more)
        self.addCleanup(running.stop)
        return running

    def test_too_many_requests_are_a_rate_limit_error(self):
        client = client_of(self.start("--requests-per-second-max", "1"))
        with self.assertRaises(stripe.RateLimitError) as caught:
            for _ in range(100):
                client.v1.payment_intents.list()
        self.assertEqual(caught.exception.error.code, "rate_limit")

    def test_retries_under_one_key_make_one_charge(self):
        running = self.start(faults="answer_lost_per_mille = 250\nreset_before_per_mille = 100")
        client = client_of(running, retries=20)
        donations = [new_id() for _ in range(20)]
        for donation in donations:
            intent = client.v1.payment_intents.create(charge(donation))
            self.assertEqual(intent.status, "succeeded")
        intents = client.v1.payment_intents.list({"limit": 100}).auto_paging_iter()
        charged = [intent.metadata["donation_id"] for intent in intents]
        self.assertEqual(sorted(charged), sorted(donations))

    def test_a_500_is_an_api_error_and_stays(self):
        running = self.start(faults="error_after_per_mille = 1000")
        intents = client_of(running, retries=3).v1.payment_intents
        for replayed in [None, "true"]:
            with self.assertRaises(stripe.APIError) as caught:
                intents.create(charge("d1"), {"idempotency_key": "k"})
            self.assertEqual(caught.exception.headers.get("idempotent-replayed"), replayed)

    def test_sigterm_ends_it_cleanly(self):
        running = simulator.start_with()
        client_of(running).v1.payment_intents.create(charge("d1"))
        self.assertEqual(running.stop(), 0)

    def test_sigterm_ends_it_cleanly_from_its_first_word_on(self):
        self.assertEqual([simulator.start_with().stop() for _ in range(10)], [0] * 10)


if __name__ == "__main__":
    unittest.main()

"""The simulator's answers fit the schema that Stripe publishes, and have the fields that we rely on besides."""

import json
import os
import re
import unittest
import urllib.error
import urllib.parse
import urllib.request

import jsonschema

import simulator

# Few fields are required by the schema; these are, by those who use the simulator.
OURS = {
    "payment_intent": """id object amount amount_received amount_capturable currency status customer payment_method
        created latest_charge metadata transfer_group last_payment_error livemode client_secret capture_method
        confirmation_method payment_method_types canceled_at cancellation_reason description next_action""".split(),
    "charge": """id object amount amount_refunded captured created currency disputed failure_code failure_message
        metadata paid payment_intent payment_method refunded status outcome""".split(),
    "refund": "id object amount charge created currency metadata payment_intent reason status".split(),
    "payment_method": "id object type card created customer livemode metadata".split(),
    "list": "object data has_more url".split(),
    "search_result": "object data has_more url next_page".split(),
}


def rewritten(schema):
    """OpenAPI 3.0's `nullable` as JSON Schema has it."""
    if isinstance(schema, list):
        return [rewritten(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    schema = {name: rewritten(value) for name, value in schema.items()}
    if schema.pop("nullable", False) is True:
        return {"anyOf": [schema, {"type": "null"}]}
    return schema


class Schema:
    def __init__(self, path):
        with open(path) as file:
            document = json.load(file)
        self.paths = document["paths"]
        self.components = rewritten(document["components"])
        self.validators = {}

    def of_answer(self, method, path, status):
        """The schema that Stripe names for this answer."""
        for template, operations in self.paths.items():
            if re.fullmatch(re.sub(r"\{\w+\}", "(?!search)[^/]+", template), path) and method in operations:
                responses = operations[method]["responses"]
                answer = responses.get(str(status), responses["default"])
                return template, answer["content"]["application/json"]["schema"]
        raise AssertionError(f"Stripe has no {method} {path}")

    def check(self, method, path, status, body):
        template, schema = self.of_answer(method, path, status)
        name = (method, template, status)
        if name not in self.validators:
            whole = {"allOf": [rewritten(schema)], "components": self.components}
            self.validators[name] = jsonschema.Draft4Validator(whole)
        errors = [f"{error.json_path}: {error.message[:200]}" for error in self.validators[name].iter_errors(body)]
        return errors + list(self.unknown_and_missing(body, "$"))

    def unknown_and_missing(self, value, place):
        """Fields that Stripe does not have (a misspelt one fits every schema), and fields of ours that are missing."""
        if isinstance(value, list):
            for item in value:
                yield from self.unknown_and_missing(item, f"{place}[]")
        if not isinstance(value, dict):
            return
        kind = value.get("object")
        if kind in self.components["schemas"]:
            known = self.components["schemas"][kind]["properties"]
            yield from (f"{place}: Stripe's {kind} has no {name}" for name in value if name not in known)
        yield from (f"{place}: {kind} without {name}" for name in OURS.get(kind, []) if name not in value)
        for name, inner in value.items():
            yield from self.unknown_and_missing(inner, f"{place}.{name}")


class Answers(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.schema = Schema(os.environ["STRIPE_SPEC"])
        cls.running = simulator.start()
        cls.addClassCleanup(cls.running.stop)

    def ask(self, method, path, expected, form=(), key=None):
        """Sends one request; its answer must have this status and fit."""
        data = urllib.parse.urlencode(form).encode() if method == "post" else None
        headers = {"Authorization": f"Bearer {simulator.API_KEY}", **({"Idempotency-Key": key} if key else {})}
        request = urllib.request.Request(self.running.url + path, data, headers, method=method.upper())
        try:
            answer = urllib.request.urlopen(request)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            body = json.loads(answer.read())
        self.assertEqual(answer.status, expected, body)
        errors = self.schema.check(method, path.split("?")[0], answer.status, body)
        self.assertEqual(errors, [], f"{method} {path}")
        return body

    def create(self, method, expected, *more):
        form = [("amount", 1500), ("currency", "eur"), ("payment_method", method), ("confirm", "true"),
                ("metadata[donation_id]", "d1"), ("transfer_group", "c1"), ("customer", "cus_1"), *more]
        return self.ask("post", "/v1/payment_intents", expected, form)

    def test_intents_in_every_state(self):
        self.create("pm_card_visa", 200)
        self.create("pm_card_visa", 200, ("expand[]", "latest_charge"))
        self.create("pm_action_x", 200)
        self.create("pm_processing_x", 200, ("expand[]", "latest_charge"))
        unconfirmed = self.ask("post", "/v1/payment_intents", 200, [("amount", 500), ("currency", "usd")])
        self.assertEqual(unconfirmed["status"], "requires_payment_method")
        path = f"/v1/payment_intents/{unconfirmed['id']}"
        self.ask("post", f"{path}/cancel", 200, [("cancellation_reason", "abandoned")])
        self.ask("get", path, 200)
        self.ask("get", "/v1/payment_intents?limit=100&expand[]=data.latest_charge", 200)
        self.ask("get", "/v1/payment_intents/search?query=metadata%5B'donation_id'%5D:'d1'", 200)

    def test_declines_and_confirms(self):
        declined = self.create("pm_soft_1_x", 402)
        intent = declined["error"]["payment_intent"]["id"]
        path = f"/v1/payment_intents/{intent}"
        self.ask("get", f"{path}?expand[]=latest_charge", 200)
        self.ask("post", f"{path}/confirm", 400)
        self.ask("post", f"{path}/confirm", 200, [("payment_method", "pm_soft_1_x")])
        self.ask("post", f"{path}/confirm", 400, [("payment_method", "pm_soft_1_x")])
        self.ask("post", f"{path}/cancel", 400)

    def test_charges_refunds_and_methods(self):
        intent = self.create("pm_card_visa", 200)
        refund = self.ask("post", "/v1/refunds", 200, [("payment_intent", intent["id"]), ("amount", 500)])
        self.ask("post", "/v1/refunds", 400, [("payment_intent", intent["id"]), ("amount", 5000)])
        self.ask("get", f"/v1/refunds/{refund['id']}", 200)
        self.ask("get", f"/v1/refunds?payment_intent={intent['id']}", 200)
        self.ask("get", f"/v1/charges/{intent['latest_charge']}", 200)
        method = self.ask("post", "/v1/payment_methods", 200, [("type", "card"), ("card[token]", "tok_visa")])
        self.ask("get", f"/v1/payment_methods/{method['id']}", 200)

    def test_refusals(self):
        self.create("pm_missing", 400)
        self.ask("get", "/v1/payment_intents/pi_x", 404)
        self.ask("post", "/v1/payment_intents", 400, [("amount", 1), ("currency", "eur")])
        self.ask("post", "/v1/payment_intents", 400, [("amount", 100)])
        for amount, status in [(100, 200), (100, 200), (200, 400)]:
            self.ask("post", "/v1/payment_intents", status, [("amount", amount), ("currency", "eur")], key="schema")

    def test_the_judge_sees_what_does_not_fit(self):
        intent = self.create("pm_card_visa", 200)
        for change in [{"status": "paid"}, {"amount": "1500"}, {"created": None}, {"statu": 1}, {"id": None}]:
            errors = self.schema.check("post", "/v1/payment_intents", 200, {**intent, **change})
            self.assertNotEqual(errors, [], change)
        del intent["latest_charge"]
        self.assertNotEqual(self.schema.check("post", "/v1/payment_intents", 200, intent), [])


if __name__ == "__main__":
    unittest.main()

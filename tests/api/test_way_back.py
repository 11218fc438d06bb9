"""Where one comes to after logging in or changing the language: a page of this server's."""

from __future__ import annotations

from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient

ID = UUID(int=7)


@pytest.mark.parametrize(
    ("asked", "led"),
    [
        ("/exhibits?text=451", "/exhibits?text=451"),
        ("/nowhere", "/nowhere"),
        ("/exhibits/attach", "/exhibits"),
        (f"/exhibits/{ID}/attach", f"/exhibits/{ID}"),
        ("/recorders/HD-012/check-out", "/recorders/HD-012"),
        (f"/administration/stations/{ID}/tokens", "/administration"),
        ("/administration/stations?name=x", "/administration"),
        ("//elsewhere.example/", "/"),
        ("/\\elsewhere.example/", "/"),
        ("https://elsewhere.example/exhibits", "/"),
        ("", "/"),
    ],
)
def test_it_is_where_one_was_or_the_page_above_what_only_takes_acts(
    client: FlaskClient, asked: str, led: str
) -> None:
    answer = client.get("/language/en", query_string={"next": asked})
    assert (answer.status_code, answer.headers["Location"]) == (302, led)


def test_no_act_leads_to_an_address_that_shows_nothing(app: Flask, client: FlaskClient) -> None:
    values = {"uuid": str(ID), "default": "HD-012"}
    ways = app.url_map.bind("localhost")
    rules = [rule for rule in app.url_map.iter_rules() if rule.endpoint.count(".") == 1]
    acts = [r for r in rules if "POST" in (r.methods or ()) and not r.rule.startswith("/api/")]
    for rule in acts:
        given = {
            name: values.get(type(converter).__name__.removesuffix("Converter").lower(), "HD-012")
            for name, converter in rule._converters.items()
        }
        path = ways.build(rule.endpoint, given, method="POST")
        led = client.get("/language/en", query_string={"next": path}).headers["Location"]
        assert ways.test(led, "GET"), (path, led)
    assert len(acts) > 10

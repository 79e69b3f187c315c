"""A bucket for each key, and what replies tell of it."""

from collections.abc import Callable

import pytest
from starlette.testclient import TestClient

from app.auth import Terms, mint
from app.db.session import writing
from app.limits import Buckets, Grant
from app.main import create_app

Client = Callable[..., TestClient]


def test_a_bucket_gives_a_burst_and_then_its_rate() -> None:
    buckets = Buckets(10)
    assert [buckets.take("a", at=0.0).wait_s for _ in range(10)] == [0.0] * 10
    assert buckets.take("a", at=0.0).wait_s == pytest.approx(0.1)
    assert buckets.take("b", at=0.0).wait_s == 0.0  # another key has its own
    assert buckets.take("a", at=0.05).wait_s == pytest.approx(0.05)
    assert buckets.take("a", at=0.15).wait_s == 0.0


def test_a_keys_own_rate_is_below_the_services_or_does_not_count() -> None:
    buckets = Buckets(10)
    assert [buckets.take("a", 2, at=0.0).wait_s for _ in range(3)] == [0.0, 0.0, 0.5]
    assert sum(buckets.take("b", 1000, at=0.0).wait_s == 0 for _ in range(20)) == 10


def test_headers_say_how_many_are_left_and_when_all_are_back() -> None:
    assert dict(Grant(0.0, rate=5, burst=5, left=2.5).headers()) == {
        b"ratelimit-limit": b"5", b"ratelimit-remaining": b"2", b"ratelimit-reset": b"1",
        b"ratelimit-policy": b"5;w=1",
    }  # fmt: skip
    slow = dict(Grant(9.5, rate=0.1, burst=1, left=0.05).headers())
    assert (slow[b"ratelimit-remaining"], slow[b"ratelimit-reset"]) == (b"0", b"10")
    assert slow[b"ratelimit-policy"] == b"1;w=10"


def secret_with(terms: Terms, role: str = "researcher") -> dict[str, str]:
    with writing() as session:
        _, secret = mint(session, "limited", role, "default", terms=terms)
    return {"Authorization": f"Bearer {secret}"}


def test_replies_count_down_to_the_refusal_that_says_when_to_come_back(client: TestClient) -> None:
    headers = secret_with(Terms(rate_per_s=3))
    answers = [client.get("/v1/models", headers=headers) for _ in range(8)]
    assert {answer.headers["RateLimit-Limit"] for answer in answers} == {"3"}
    assert [answer.headers["RateLimit-Remaining"] for answer in answers[:3]] == ["2", "1", "0"]
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert int(refused.headers["Retry-After"]) >= 1
    assert refused.headers["RateLimit-Remaining"] == "0"
    assert "more than 3 requests" in refused.json()["detail"]


def test_the_services_rate_holds_for_every_key(
    client_as: Client, setting: Callable[[str, object], None]
) -> None:
    setting("rate_per_s", 2)
    client = client_as("admin", create_app())
    headers = secret_with(Terms(rate_per_s=500))
    statuses = [client.get("/v1/models", headers=headers).status_code for _ in range(12)]
    assert 429 in statuses


@pytest.mark.parametrize("announced", [True, False])
def test_a_key_sends_no_larger_body_than_it_may(client: TestClient, announced: bool) -> None:
    headers = secret_with(Terms(upload_max_bytes=1000)) | {
        "Content-Type": "multipart/form-data; boundary=x"
    }
    body = b"--x\r\nContent-Disposition: form-data; name=archive; filename=a\r\n\r\n" + b"z" * 3000
    content = body if announced else iter([body[:500], body[500:2500], body[2500:]])
    reply = client.post("/v1/datasets", content=content, headers=headers)
    assert (reply.status_code, reply.json()["code"]) == (413, "too_large")
    assert "at most 1000 bytes" in reply.json()["detail"]
    assert reply.headers["Upload-Limit"] == "max-size=1000"

"""Notices on their way to webhooks, on the real broker and database, with a receiver that behaves in every way."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from standardwebhooks import Webhook

from tests.support.bus import until
from tests.support.delivery import Post
from tests.support.notify import NOTICES_TOPIC, NotifyProcess, published
from tests.support.parts import Parts
from tests.support.receiver import Receiver, Request, answers, hangs, redirects

pytestmark = pytest.mark.stack

REFERENCE = Path(__file__).parents[1] / "support" / "reference_js"
SETTINGS = {
    "FAULTLINE_WEBHOOK_NETWORKS_OPEN": "127.0.0.0/8",
    "FAULTLINE_WEBHOOK_TIMEOUT_MS": "2000",
    "FAULTLINE_WEBHOOK_CONNECTIONS_MAX": "60",
    "FAULTLINE_WEBHOOK_SLOW_CONNECTIONS_MAX": "10",
    "FAULTLINE_DELIVERY_SLOW_MS": "500",
    "FAULTLINE_DELIVERY_LEASE_MS": "4000",
    "FAULTLINE_DELIVERY_HOUSEKEEPING_MS": "200",
}


@pytest.fixture(scope="module")
async def notify(parts: Parts, clock_file: Path) -> AsyncIterator[NotifyProcess]:
    name, url = parts.create_database("notify")
    running = NotifyProcess(parts.bootstrap_servers, url, FAULTLINE_CLOCK_FILE=str(clock_file), **SETTINGS)
    await running.start()
    yield running
    assert running.stop() == 0, "a stop by SIGTERM is clean"
    parts.drop_database(name)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver().running() as running:
        yield running


@pytest.fixture
def post(notify: NotifyProcess, clock_file: Path) -> Post:
    return Post(notify, clock_file)


async def test_a_queued_notice_reaches_its_site_and_is_told_of(post: Post, receiver: Receiver) -> None:
    secret = await post.site("BJ02", webhook=receiver.url("/bj02"))
    (id_,) = await post.queue("BJ02")
    notice = (await post.until_states([id_], "delivered"))[id_]
    (request,) = receiver.of("/bj02")
    assert request.id == id_
    body = Webhook(secret).verify(request.body, request.headers)
    assert body["data"] == {name: value for name, value in notice.items() if name != "attempts"}
    assert [attempt["outcome"] for attempt in notice["attempts"]] == ["delivered"]

    async def told() -> bool:
        events = await published(post.notify.settings, NOTICES_TOPIC, post.network)
        return [msgspec.json.decode(event.value)["type"] for event in events] == ["notice.delivered"]

    await until(told, "notice.delivered is published")
    assert (await post.destination("BJ02"))["state"] == "open"


async def test_the_reference_library_in_javascript_verifies_the_signature(
    post: Post, receiver: Receiver, tmp_path: Path
) -> None:
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        pytest.skip("node and npm are not installed here: the JavaScript library cannot be run")
    shutil.copytree(REFERENCE, tmp_path, dirs_exist_ok=True)
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    installed = await asyncio.to_thread(
        subprocess.run, command, cwd=tmp_path, capture_output=True, timeout=120
    )
    if installed.returncode:
        pytest.skip(f"the JavaScript library cannot be fetched: {installed.stderr.decode()[-300:]}")
    old = await post.site("BJ02", webhook=receiver.url("/bj02"))
    new = await post.secret("BJ02")
    await post.until_states(await post.queue("BJ02"), "delivered")
    (request,) = receiver.of("/bj02")
    cases = [
        (old, request.body),
        (new, request.body),
        (new, request.body + b" "),
        ("whsec_AAAA", request.body),
    ]
    lines = [
        json.dumps({"secret": secret, "headers": request.headers, "body": body.decode()})
        for secret, body in cases
    ]
    verified = await asyncio.to_thread(
        subprocess.run,
        [node, "verify.mjs"],
        cwd=tmp_path,
        input="\n".join(lines).encode(),
        capture_output=True,
        check=True,
        timeout=60,
    )
    assert verified.stdout.decode().splitlines() == ["ok", "ok"] + ["No matching signature found"] * 2


async def test_notices_of_a_site_arrive_in_their_order_one_after_the_other(
    post: Post, receiver: Receiver
) -> None:
    most: dict[str, int] = {}
    open_now: dict[str, int] = {}

    async def slowly(request: Request) -> object:
        open_now[request.path] = open_now.get(request.path, 0) + 1
        most[request.path] = max(most.get(request.path, 0), open_now[request.path])
        await asyncio.sleep(0.005)  # the time the receiver takes
        open_now[request.path] -= 1
        return await answers(200)(request)

    ids: dict[str, list[str]] = {}
    for number in range(5):
        receiver.behave[f"/{number}"] = slowly  # type: ignore[assignment]
        await post.site(f"S-{number}", webhook=receiver.url(f"/{number}"))
    for number in range(5):
        ids[f"/{number}"] = await post.queue(f"S-{number}", 50)
    await post.until_states([one for some in ids.values() for one in some], "delivered")
    assert {path: [request.id for request in receiver.of(path)] for path in ids} == ids
    assert set(most.values()) == {1}


async def test_what_is_not_due_waits_for_its_moment(post: Post, receiver: Receiver) -> None:
    await post.site("BJ02", webhook=receiver.url("/bj02"))
    (later,) = await post.queue("BJ02", send_after=post.clock.now() + timedelta(hours=8))
    (now,) = await post.queue("BJ02")
    await post.until_states([now], "delivered")
    assert [request.id for request in receiver.requests] == [now]
    post.advance(hours=9)
    await post.until_states([later], "delivered")


async def test_a_receiver_that_fails_for_hours_gets_everything_in_order_at_the_end(
    post: Post, receiver: Receiver
) -> None:
    receiver.behave["/bj02"] = answers(500)
    await post.site("BJ02", webhook=receiver.url("/bj02"))
    ids = await post.queue("BJ02", 20)
    for failures in range(1, 8):
        found = await post.until_failures("BJ02", failures)
        assert found["state"] == ("open" if failures < 5 else "broken")
        assert found["last_error"] == "The receiver answered HTTP 500."
        # No pause is longer than an hour.
        post.advance(hours=1, seconds=1)
    await post.until_failures("BJ02", 8)
    assert {request.id for request in receiver.requests} == {ids[0]}, "one notice tries for all"
    del receiver.behave["/bj02"]
    post.advance(hours=1, seconds=1)
    notices = await post.until_states(ids, "delivered")
    assert [request.id for request in receiver.requests] == [ids[0]] * 8 + ids
    assert [attempt["outcome"] for attempt in notices[ids[0]]["attempts"]] == ["failed"] * 8 + ["delivered"]
    assert len({request.headers["webhook-timestamp"] for request in receiver.of("/bj02")}) > 1
    assert (await post.destination("BJ02"))["state"] == "open"


async def test_receivers_that_hang_delay_nobody_else(post: Post, receiver: Receiver) -> None:
    receiver.behave["/hangs"] = hangs
    for number in range(50):
        await post.site(f"H-{number}", webhook=receiver.url("/hangs"), secret=False)
    await post.execute(
        "INSERT INTO webhook_secrets SELECT gen_random_uuid(), $1, 'H-' || n, 'whsec_QUFBQQ==', now(), NULL"
        " FROM generate_series(0, 49) n",
        post.network,
    )
    await post.site("LIVE", webhook=receiver.url("/live"))
    for number in range(50):
        await post.queue(f"H-{number}", 2)
    for round_ in range(3):
        await until(lambda: len(receiver.of("/hangs")) > 10 * round_, "they hang")  # noqa: B023 - awaited here
        began = asyncio.get_running_loop().time()
        await post.until_states(await post.queue("LIVE", 5), "delivered")
        assert asyncio.get_running_loop().time() - began < 2
        post.advance(hours=1, seconds=1)
    assert receiver.open_most <= 60
    await post.execute("DELETE FROM notices WHERE network = $1", post.network)


async def test_410_ends_the_subscription_until_there_is_another_url_or_an_operator_opens_it(
    post: Post, receiver: Receiver
) -> None:
    receiver.behave["/bj02"] = answers(410)
    await post.site("BJ02", webhook=receiver.url("/bj02"))
    first = await post.queue("BJ02", 3)
    notices = await post.until_states(first, "failed")
    assert "410" in notices[first[0]]["attempts"][0]["detail"]
    assert "ended" in notices[first[2]]["attempts"][0]["detail"]
    assert (await post.destination("BJ02"))["state"] == "ended"
    await post.until_states(await post.queue("BJ02"), "failed")
    assert len(receiver.requests) == 1
    await post.site("BJ02", webhook=receiver.url("/new"), secret=False)

    async def is_open() -> bool:
        return bool((await post.destination("BJ02"))["state"] == "open")

    await until(is_open, "another URL opens it")
    second = await post.queue("BJ02")
    await post.until_states(second, "delivered")
    receiver.behave["/new"] = answers(410, 200)
    await post.until_states(await post.queue("BJ02"), "failed")
    reopened = await post.post(f"/v1/destinations/{post.network}/BJ02/webhook/reopen", 200)
    assert reopened["state"] == "open"
    await post.post(f"/v1/notices/{first[0]}/resend", 202)
    await post.until_states([first[0]], "delivered")
    assert [request.id for request in receiver.of("/new")][-1] == first[0]


async def test_what_a_receiver_asks_for_by_retry_after_is_honoured(post: Post, receiver: Receiver) -> None:
    receiver.behave["/bj02"] = answers(429, 200, Retry_After="7200")
    await post.site("BJ02", webhook=receiver.url("/bj02"))
    ids = await post.queue("BJ02")
    found = await post.until_failures("BJ02", 1)
    assert found["next_attempt_at"] >= (post.clock.now() + timedelta(seconds=7_100)).isoformat()
    post.advance(hours=1, minutes=59)
    assert len(receiver.requests) == 1
    post.advance(minutes=2)
    await post.until_states(ids, "delivered")


async def test_a_notice_that_is_rejected_is_given_up_and_can_be_resent(
    post: Post, receiver: Receiver
) -> None:
    receiver.behave["/bj02"] = answers(422, 422, 422, 422, 200)
    await post.site("BJ02", webhook=receiver.url("/bj02"))
    bad, good = await post.queue("BJ02", 2)
    for attempts in range(1, 4):
        await until(lambda: len(receiver.requests) == attempts, f"attempt {attempts}")  # noqa: B023
        await until_recorded(post, bad, attempts)
        post.advance(hours=1, seconds=1)
    await post.until_states([good], "delivered")
    (listed,) = (await post.notices(state="failed", channel="webhook")).values()
    assert (listed["notice_id"], len(listed["attempts"])) == (bad, 4)
    assert (await post.notify.get("/v1/notices", network=post.network, state="failed", channel="email"))[
        "items"
    ] == []
    await post.post(f"/v1/notices/{bad}/resend", 202)
    notice = (await post.until_states([bad], "delivered"))[bad]
    assert len(notice["attempts"]) == 5
    await post.post(f"/v1/notices/{bad}/resend", 409)

    async def told() -> bool:
        events = [
            msgspec.json.decode(record.value)
            for record in await published(post.notify.settings, NOTICES_TOPIC, post.network)
        ]
        of_bad = [event for event in events if event["data"]["notice_id"] == bad]
        assert len({event["id"] for event in of_bad}) == len(of_bad)
        return [event["type"] for event in of_bad] == ["notice.failed", "notice.queued", "notice.delivered"]

    await until(told, "failed, queued again, delivered")


async def until_recorded(post: Post, notice_id: str, attempts: int) -> None:
    async def recorded() -> bool:
        return len((await post.notices())[notice_id]["attempts"]) >= attempts

    await until(recorded, f"attempt {attempts} is recorded")


async def test_what_waits_too_long_for_a_broken_destination_is_given_up(
    post: Post, receiver: Receiver
) -> None:
    receiver.behave["/bj02"] = answers(500)
    await post.site("BJ02", webhook=receiver.url("/bj02"))
    old = await post.queue("BJ02", 1_200)
    for failures in range(1, 6):
        await post.until_failures("BJ02", failures)
        post.advance(hours=5)
    young = await post.queue("BJ02")
    notices = await post.until_states(old, "failed")
    assert notices[young[0]]["state"] == "queued"
    assert "Given up unsent" in notices[old[-1]]["attempts"][0]["detail"]


async def test_a_redirect_to_a_private_address_is_not_followed(post: Post, receiver: Receiver) -> None:
    receiver.behave["/bj02"] = redirects("http://169.254.169.254/latest/meta-data")
    await post.site("BJ02", webhook=receiver.url("/bj02"))
    (id_,) = await post.queue("BJ02")
    await until_recorded(post, id_, 1)
    (attempt,) = (await post.notices())[id_]["attempts"]
    assert (attempt["outcome"], "not a public one" in attempt["detail"]) == ("failed", True)


async def test_a_site_without_a_secret_is_sent_to_once_it_has_one(post: Post, receiver: Receiver) -> None:
    await post.site("BJ02", webhook=receiver.url("/bj02"), secret=False)
    ids = await post.queue("BJ02", 3)
    assert "secret" in (await post.until_failures("BJ02", 1))["last_error"]
    await post.secret("BJ02")
    await post.until_states(ids, "delivered")
    assert [request.id for request in receiver.requests] == ids


async def test_a_new_secret_lets_the_old_one_sign_too_for_a_while(post: Post, receiver: Receiver) -> None:
    old = await post.site("BJ02", webhook=receiver.url("/bj02"))
    new = await post.secret("BJ02")
    await post.until_states(await post.queue("BJ02"), "delivered")
    post.advance(hours=25)
    await post.until_states(await post.queue("BJ02"), "delivered")
    both, newest = receiver.requests
    assert len(both.headers["webhook-signature"].split()) == 2
    for secret in (old, new):
        Webhook(secret).verify(both.body, both.headers)
    assert len(newest.headers["webhook-signature"].split()) == 1
    Webhook(new).verify(newest.body, newest.headers)


async def test_a_site_manages_its_own_secrets_and_sees_none_again(post: Post) -> None:
    key = await post.notify.new_key("/sites/BJ02", post.network, ["read"])
    path = f"/v1/webhook-secrets/{post.network}/BJ02"
    async with post.notify.client(key) as client:
        made = await client.post(path)
        assert made.status_code == 201
        assert (await client.post(path.replace("BJ02", "GZ01"))).status_code == 403
        (listed,) = (await client.get("/v1/webhook-secrets")).json()["items"]
        assert listed == {name: value for name, value in made.json().items() if name != "secret"}
        assert (await client.delete(f"{path}/{listed['secret_id']}")).status_code == 204
        assert (await client.delete(f"{path}/{listed['secret_id']}")).status_code == 404
        assert (await client.get("/v1/webhook-secrets")).json()["items"] == []
        for _ in range(4):
            assert (await client.post(path)).status_code == 201
        assert (await client.post(path)).status_code == 409
        assert (await client.post(f"/v1/destinations/{post.network}/BJ02/webhook/reopen")).status_code == 403
        assert (await client.get("/v1/destinations", params={"site": "GZ01"})).status_code == 403

"""Too many requests: refused from their heads, on connections that go on, while everything else is answered."""

from __future__ import annotations

import asyncio
import json
import signal
from typing import TYPE_CHECKING

import httpx
import pytest
from server_process import PATH, Line, Server, mlp_request, running, whole

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BODY = json.dumps(mlp_request(0.5)).encode()
LIVE = b"GET /v2/health/live HTTP/1.1\r\nHost: x\r\n\r\n"
SLOW = {"ENABLE_FAULTS": "1", "MODEL_NAME": "mlp", "MODEL_VERSION": "1", "BATCH_LIMIT": "1"}


def in_flight(server: Server) -> int:
    text = httpx.get(f"{server.url}/metrics", timeout=30).text
    line = next(line for line in text.splitlines() if line.startswith("inference_requests_in_flight{"))
    return int(float(line.split()[1]))


@pytest.fixture(scope="module")
def slow(models: Path) -> Iterator[Server]:
    """Has room for one request that runs and one that waits, each for a second and a half."""
    with running(models, QUEUE_SIZE="1", FAULT_LATENCY_SECONDS="1.5", **SLOW) as server:
        server.wait_ready()
        yield server


@pytest.fixture
def full(slow: Server) -> Iterator[list[Line]]:
    """Lines of two requests that leave no room; an earlier test's are over."""
    slow.wait_for(lambda: in_flight(slow) == 0)
    lines = [Line(slow) for _ in range(3)]
    for line in lines[:2]:
        line.socket.sendall(whole(BODY))
    slow.wait_for(lambda: in_flight(slow) == 2)
    lines[2].socket.sendall(whole(BODY))  # the first one too many is read, and makes the server look at heads first
    assert lines[2].answer()[0] == 503
    yield lines
    for line in lines:
        line.close()


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(whole(b"no JSON"), id="small"),
        pytest.param(whole(b"no JSON" * 100_000), id="in many pieces"),
        pytest.param(whole(b"no JSON" * 200_000), id="too large to be held back"),
        pytest.param(whole(BODY, "Content-Encoding: gzip"), id="never inflated"),
        pytest.param(
            f"POST {PATH} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n7\r\nno JSON\r\n0\r\n\r\n".encode(),
            id="chunked",
        ),
    ],
)
def test_what_there_is_no_room_for_is_refused_unread(slow: Server, full: list[Line], request_: bytes) -> None:
    line = full[2]
    line.socket.sendall(request_ + LIVE)
    status, headers, answer = line.answer()
    assert status == 503  # and not 400: the body was never looked into
    assert int(headers["retry-after"]) >= 1
    assert answer["error"].startswith("queue full")
    assert line.answer()[2] == {"live": True}
    assert [each.answer()[0] for each in full[:2]] == [200, 200]
    line.socket.sendall(whole(BODY))
    assert line.answer()[0] == 200
    rejected = 'inference_requests_total{model="mlp",outcome="rejected",version="1"}'
    assert rejected in httpx.get(f"{slow.url}/metrics").text


def test_a_refused_request_may_come_slowly(full: list[Line]) -> None:
    request = whole(BODY)
    full[2].socket.sendall(request[:-9])
    assert [each.answer()[0] for each in full[:2]] == [200, 200]
    full[2].socket.sendall(request[-9:])  # there is room by now, but its beginning is gone
    assert full[2].answer()[0] == 503
    full[2].socket.sendall(request)
    assert full[2].answer()[0] == 200


def test_what_follows_a_waiting_request_is_answered_after_it(slow: Server) -> None:
    slow.wait_for(lambda: in_flight(slow) == 0)
    line = Line(slow)
    first, second = (json.dumps(mlp_request(0.5) | {"id": name}).encode() for name in ("first", "second"))
    line.socket.sendall(whole(first) + LIVE + whole(second))
    answers = [line.answer() for _ in range(3)]
    line.close()
    assert [status for status, _, _ in answers] == [200] * 3
    assert [answer.get("id", answer.get("live")) for _, _, answer in answers] == ["first", True, "second"]


async def test_a_queue_that_was_full_stays_short_while_too_much_comes(models: Path) -> None:
    with running(models, QUEUE_SIZE="4", FAULT_LATENCY_SECONDS="0.7", **SLOW) as server:
        server.wait_ready()
        async with httpx.AsyncClient(
            base_url=server.url, timeout=30, limits=httpx.Limits(max_connections=None)
        ) as http:

            async def ask() -> int:
                return (await http.post(PATH, json=mlp_request(1.0))).status_code

            for _ in range(2):  # a burst finds all the room, the second time as well
                statuses = await asyncio.gather(*(ask() for _ in range(12)))
                assert sorted(statuses) == [200] * 5 + [503] * 7
                await asyncio.sleep(1.1)
            burst = [asyncio.ensure_future(ask()) for _ in range(12)]
            await asyncio.wait(burst, return_when=asyncio.FIRST_COMPLETED)
            status, left = 503, 0
            while status == 503:
                extra = asyncio.ensure_future(ask())
                await asyncio.wait([extra], timeout=0.4)
                if not extra.done():  # taken in, or a refusal on a busy machine
                    left = await asyncio.to_thread(in_flight, server)
                status = await extra
            assert status == 200
            assert left <= 2  # a quarter of the queue, and the one that runs
            assert sorted(await asyncio.gather(*burst)) == [200] * 5 + [503] * 7


def test_the_drain_answers_those_who_wait_and_closes(models: Path) -> None:
    with running(models, FAULT_LATENCY_SECONDS="0.7", DRAIN_SECONDS="10", **SLOW) as server:
        server.wait_ready()
        lines = [Line(server) for _ in range(3)]
        for line in lines:
            line.socket.sendall(whole(BODY))
        server.wait_for(lambda: in_flight(server) == 3)
        server.process.send_signal(signal.SIGTERM)
        server.wait_for(lambda: httpx.get(f"{server.url}/v2/health/ready").status_code == 503)
        for line in lines[1:]:
            status, headers, _ = line.answer()
            assert (status, headers["connection"]) == (200, "close")
            assert line.closed()
        for line in lines:
            line.close()
        assert server.wait_exit() == 0


def test_a_client_that_leaves_while_it_waits_is_not_served(slow: Server) -> None:
    slow.wait_for(lambda: in_flight(slow) == 0)
    ran = _count(slow)
    stays, leaves = Line(slow), Line(slow)
    stays.socket.sendall(whole(BODY))
    slow.wait_for(lambda: in_flight(slow) == 1)
    leaves.socket.sendall(whole(BODY))
    slow.wait_for(lambda: in_flight(slow) == 2)
    leaves.close()
    assert stays.answer()[0] == 200
    slow.wait_for(lambda: in_flight(slow) == 0)
    stays.close()
    assert _count(slow) == ran + 1


def _count(server: Server) -> int:
    stats = httpx.get(f"{server.url}/v2/models/mlp/stats", timeout=30).json()
    return int(stats["model_stats"][0]["execution_count"])

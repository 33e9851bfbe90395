"""The labs' probe: runs inside the cluster and says what a client there sees. Standard library only, starts in 40 ms.

    prober.py serve            waits until SIGTERM, so that others can `exec` into its pod
    prober.py http 'REQUEST'   sends what the JSON asks for and prints one line of JSON
    prober.py load 'REQUEST'   sends it again and again at a steady rate and prints figures as one line of JSON

REQUEST: {"method": "GET", "url": "http://…", "headers": {}, "body": "", "timeout": 5.0, "count": 1, "concurrency": 1,
"resolve": {"host": "address"}, "insecure": false}; only `url` is needed. `resolve` sends the request for a host to that
address (`address` or `address:port`), as curl's --resolve does. `timeout` is in seconds, for each request as a whole.

ANSWER: {"ok", "status", "headers", "body", "body_truncated", "ms", "error", "detail"} of the first request and, with
`count` above 1, "results": the same of each (bodies cut at 4 KiB) in the order in which they were begun. `ok` says that
an HTTP answer came, whatever its status. `error` is one of dns, refused, timeout, reset, tls, other, or empty.

`load` takes "rate" (requests a second) and "seconds" too. It is an open loop: each request is sent at its time on a
connection of its own, whether or not earlier ones were answered, as independent clients do. The name is resolved once;
`resolve` and https are not for it. FIGURES: {"sent", "statuses": {"200": 49}, "errors": {"timeout": 1}, "p50", "p95",
"p99", "behind", "sample"}, times in milliseconds; "behind" is by how much a request was sent late at most, "sample" the
first answer of 400 or above, or error.
"""

# ruff: noqa: T201, PLC0415, INP001 - its output is what it prints, rare imports stay out of its start, and it is one file

from __future__ import annotations

import json
import signal
import socket
import sys
import time
from urllib.parse import urlsplit

sys.modules["ssl"] = (
    None  # a third of the start-up; http.client does without, and `secured` imports it when it is asked for
)
import http.client  # noqa: E402 - see above

del sys.modules["ssl"]

BODY_LIMIT = 64 * 1024

Json = dict
RESULT_LIMIT = 4 * 1024


def main(arguments: list[str]) -> int:
    """Run one of the commands and return the exit code: 0, or 2 when it was called wrongly."""
    if arguments == ["serve"]:
        return serve()
    if len(arguments) == 2 and arguments[0] in {"http", "load"}:  # noqa: PLR2004 - the command and its argument
        try:
            request = json.loads(arguments[1])
            urlsplit(request["url"]).port  # noqa: B018 - raises for a port that is no number
        except (ValueError, KeyError, TypeError, AttributeError) as problem:
            print(json.dumps(failure("other", f"the request is not understood: {problem}", 0.0)))
            return 2
        print(json.dumps(many(request) if arguments[0] == "http" else load(request)))
        return 0
    print("usage: prober.py serve | prober.py http 'JSON' | prober.py load 'JSON'", file=sys.stderr)
    return 2


def serve() -> int:
    """Wait for SIGTERM or SIGINT; as process 1 of a container, reap whatever is left to us meanwhile."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT, signal.SIGCHLD})
    while signal.sigwait({signal.SIGTERM, signal.SIGINT, signal.SIGCHLD}) == signal.SIGCHLD:
        reap()
    return 0


def reap() -> None:
    """Collect every child that has ended."""
    import os

    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def many(request: Json) -> Json:
    """Send the request `count` times, `concurrency` at once, and return the answer that is printed."""
    count = max(1, int(request.get("count", 1)))
    if count == 1:
        return once(request)
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(max(1, int(request.get("concurrency", 1)))) as pool:
        answers = list(pool.map(once, [request] * count))
    brief = [{**each, "body": each["body"][:RESULT_LIMIT]} for each in answers]
    return {**answers[0], "results": brief}


def load(request: Json) -> Json:
    """Send the request at a steady rate and return the figures."""
    import asyncio

    url = urlsplit(request["url"])
    body = (request.get("body") or "").encode()
    path = (url.path or "/") + (f"?{url.query}" if url.query else "")
    headers = {"Host": url.netloc.rpartition("@")[2], "Connection": "close", **(request.get("headers") or {})}
    if body:
        headers["Content-Length"] = str(len(body))
    lines = [
        f"{request.get('method', 'GET')} {path} HTTP/1.1",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    data = "\r\n".join([*lines, "", ""]).encode() + body
    count = max(1, round(float(request.get("rate", 10)) * float(request.get("seconds", 5))))
    try:
        deadline = time.monotonic() + float(request.get("timeout", 5.0))
        address = lookup(url.hostname, url.port or 80, deadline)[0][4][:2]
    except OSError as problem:
        return figures_of([(0, kind_of(problem), 0.0, str(problem))] * count, 0.0)
    return asyncio.run(open_loop(request, address, data, count))


async def open_loop(request: Json, address: tuple, data: bytes, count: int) -> Json:
    """Begin each request at its time, wait for all, and count."""
    import asyncio

    rate, limit = float(request.get("rate", 10)), float(request.get("timeout", 5.0))
    begin = time.monotonic()
    tasks = []
    behind = 0.0
    for number in range(count):
        due = begin + number / rate
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        behind = max(behind, time.monotonic() - due)
        tasks.append(asyncio.create_task(one_of_many(address, data, due, limit)))
    return figures_of(await asyncio.gather(*tasks), behind)


def figures_of(answers: list, behind: float) -> Json:
    """Count answers and work out how long they took."""
    statuses, errors = {}, {}
    for status, error, _, _ in answers:
        counts, key = (errors, error) if error else (statuses, status)
        counts[key] = counts.get(key, 0) + 1
    times = sorted(ms for status, error, ms, _ in answers if not error) or [0.0]
    figures = {f"p{share}": round(times[min(len(times) - 1, len(times) * share // 100)], 1) for share in (50, 95, 99)}
    sample = next((words for status, error, _, words in answers if error or status >= 400), "")  # noqa: PLR2004 - HTTP
    counted = {"statuses": statuses, "errors": errors, "behind": round(behind * 1000, 1), "sample": sample}
    return {"sent": len(answers), **figures, **counted}


async def one_of_many(address: tuple, data: bytes, due: float, limit: float) -> tuple:
    """Send one request of a load; return status, error, milliseconds since it was due, and words."""
    import asyncio

    writer = None
    try:
        async with asyncio.timeout(limit):
            reader, writer = await asyncio.open_connection(*address)
            writer.write(data)
            await writer.drain()
            answer = await reader.read(BODY_LIMIT)
            while answer and len(answer) < BODY_LIMIT and (part := await reader.read(BODY_LIMIT)):
                answer += part
        status = int(answer.split(b" ", 2)[1])
    except (IndexError, ValueError):
        return 0, "reset", elapsed(due), "the connection ended without an answer"
    except Exception as problem:  # noqa: BLE001 - whatever a peer does to us is an answer about the peer
        return 0, kind_of(problem), elapsed(due), str(problem)
    finally:
        if writer is not None:
            writer.close()
    words = answer.partition(b"\r\n\r\n")[2][:200].decode("utf-8", "replace")
    return status, "", elapsed(due), f"HTTP {status}: {words}"


def once(request: Json) -> Json:
    """Send the request and return its answer, or why there was none."""
    started = time.monotonic()
    try:
        answer = exchange(request, started + float(request.get("timeout", 5.0)))
    except Exception as problem:  # noqa: BLE001 - whatever a peer does to us is an answer about the peer
        return failure(kind_of(problem), str(problem), elapsed(started))
    answer["ms"] = elapsed(started)
    return answer


def exchange(request: Json, deadline: float) -> Json:
    """Talk to the server, never past the deadline (in seconds of the monotonic clock)."""
    url = urlsplit(request["url"])
    secure = url.scheme == "https"
    port = url.port or (443 if secure else 80)
    connection = http.client.HTTPConnection(url.hostname, port)
    connection.sock = connect(url.hostname, port, request.get("resolve") or {}, deadline)
    try:
        if secure:
            connection.sock = secured(connection.sock, url.hostname, request.get("insecure", False))
        body = request.get("body") or None
        path = (url.path or "/") + (f"?{url.query}" if url.query else "")
        headers = {"Host": url.netloc.rpartition("@")[2], "Connection": "close", **(request.get("headers") or {})}
        connection.request(request.get("method", "GET"), path, body.encode() if body else None, headers)
        sock = connection.sock  # the connection forgets it with an answer that ends it; the answer still reads from it
        sock.settimeout(left(deadline))
        response = connection.getresponse()
        data = read(response, sock, deadline)
    finally:
        connection.close()
    return {
        "ok": True,
        "status": response.status,
        "headers": dict(response.getheaders()),
        "body": data[:BODY_LIMIT].decode("utf-8", "replace"),
        "body_truncated": len(data) > BODY_LIMIT,
        "error": "",
        "detail": "",
    }


def connect(host: str, port: int, resolve: dict[str, str], deadline: float) -> socket.socket:
    """Return a connected socket; every address of the name is tried while there is time."""
    target = resolve.get(host, host)
    if host in resolve and target.rpartition(":")[2].isdigit() and target.count(":") == 1:
        target, _, text = target.rpartition(":")
        port = int(text)
    problem = OSError("the name has no address")
    for family, kind, protocol, _, address in lookup(target, port, deadline):
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(left(deadline))
            sock.connect(address)
        except OSError as error:
            sock.close()
            problem = error
        else:
            return sock
    raise problem


def lookup(host: str, port: int, deadline: float) -> list:
    """Resolve a name; the C library knows no deadline, so it is asked in a thread that may be left behind."""
    import threading

    found = []

    def ask() -> None:
        try:
            found.append(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except OSError as problem:
            found.append(problem)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(left(deadline))
    if not found:
        raise socket.gaierror(socket.EAI_AGAIN, "the name was not resolved in time")
    if isinstance(found[0], OSError):
        raise found[0]
    return found[0]


def secured(sock: socket.socket, host: str, insecure: bool) -> socket.socket:
    """Return the socket with TLS on it."""
    import ssl

    context = ssl._create_unverified_context() if insecure else ssl.create_default_context()  # noqa: S323, SLF001 - asked for
    return context.wrap_socket(sock, server_hostname=host)


def read(response: http.client.HTTPResponse, sock: socket.socket, deadline: float) -> bytes:
    """Return at most one byte more than the limit of the body."""
    parts = []
    size = 0
    while size <= BODY_LIMIT and not response.isclosed():
        sock.settimeout(left(deadline))
        part = response.read1(BODY_LIMIT + 1 - size)
        if not part:
            break
        parts.append(part)
        size += len(part)
    return b"".join(parts)


def left(deadline: float) -> float:
    """Return the seconds until the deadline, or raise when there are none."""
    seconds = deadline - time.monotonic()
    if seconds <= 0:
        raise TimeoutError("timed out")
    return seconds


def kind_of(problem: BaseException) -> str:
    """Name the way in which a request failed."""
    if isinstance(problem, socket.gaierror):
        return "dns"
    if isinstance(problem, TimeoutError):
        return "timeout"
    if isinstance(problem, ConnectionRefusedError):
        return "refused"
    if isinstance(problem, (ConnectionError, http.client.RemoteDisconnected, http.client.IncompleteRead)):
        return "reset"
    if "ssl" in sys.modules and isinstance(problem, sys.modules["ssl"].SSLError):
        return "tls"
    return "other"


def failure(kind: str, detail: str, milliseconds: float) -> Json:
    """Return the answer of a request that got none."""
    return {
        "ok": False,
        "status": 0,
        "headers": {},
        "body": "",
        "body_truncated": False,
        "ms": milliseconds,
        "error": kind,
        "detail": detail,
    }


def elapsed(started: float) -> float:
    """Return the milliseconds since then."""
    return round((time.monotonic() - started) * 1000, 3)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""The example service of the guide under hostile requests."""

import concurrent.futures
import gzip
import json
import pathlib
import socket
import subprocess
import sys
import time

import httpx2 as httpx
import mktestdocs
import numpy as np
import psutil
import pytest

from keras_unbias import load_classifier

GUIDE = pathlib.Path(__file__).parents[2] / "docs/tutorials/serving.md"
JSON = {"content-type": "application/json"}
GOOD = b'{"instances": [[1, 0, 0]]}'


def instance(value):
    return b'{"instances": [[%s, 0, 0]]}' % value


def many(row, count):
    return b'{"instances": [' + b",".join([row] * count) + b"]}"


BODIES = {
    **{
        f"the value {value[:9]}": instance(value.encode())
        for value in (
            *("NaN", "Infinity", "-Infinity", "1e999", "-1e999", "1e39", "1e308"),
            *("null", "true", '"1"', '"NaN"', "[1]", "{}", "01", "0x1", "1_0"),
            *("9" * 400, "9" * 5000, "1e", ".5", "+1"),
        )
    },
    "ragged": b'{"instances": [[1, 0], [1, 0, 0]]}',
    "flat": b'{"instances": [1, 0, 0]}',
    "a dict of columns": b'{"instances": {"a": [1, 0, 0]}}',
    "another key": b'{"inputs": [[1, 0, 0]]}',
    "twice": b'{"instances": [[1, 0, 0]], "instances": [[1, 0, 0]]}',
    "a list": b"[[1, 0, 0]]",
    "a number": b"3",
    "null": b"null",
    "nothing": b"",
    "cut short": GOOD[:-1],
    "two documents": GOOD + GOOD,
    "no text": b"\xff\xfe\xfa",
    "packed": gzip.compress(GOOD),
    "deep lists": b"[" * 500_000,
    "deep dicts": b'{"instances":' * 50_000,
    "many rows": many(b"[1,0,0]", 2000),
    "many texts": many(b'["a","b","c"]', 70_000),
    "50 MB": many(b"[1,0,0]", 6_000_000),
    "50 MB of one number": instance(b"9" * 50_000_000),
    "50 MB of blanks": b" " * 50_000_000,
}


@pytest.fixture
def service(tmp_path):
    """Runs the guide's service; returns its process, address and directory."""
    blocks = mktestdocs.grab_code_blocks(GUIDE.read_text("utf-8"))
    (code,) = (block for block in blocks if "FastAPI(" in block)
    (tmp_path / "service.py").write_text(code, "utf-8")
    subprocess.run(
        [sys.executable, "-c", blocks[0]], check=True, cwd=tmp_path, timeout=300
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = ["-m", "uvicorn", "service:app", "--port", str(port)]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, *server], cwd=tmp_path, stdout=log, stderr=log
        )
        try:
            address = f"http://127.0.0.1:{port}/predict"
            for _ in range(120):
                try:
                    httpx.post(address, content=GOOD, headers=JSON, timeout=60)
                    break
                except httpx.ConnectError:
                    time.sleep(1)
            yield process, address, tmp_path
        finally:
            process.kill()
            process.wait()


def post(address, **request):
    """Returns the status and the answer, or no status if the request hangs."""
    try:
        answer = httpx.post(address, timeout=60, **request)
    except httpx.TimeoutException:
        return None, "no answer"
    except httpx.TransportError as error:
        # The service closes a connection whose body it does not want.
        return 413, repr(error)
    return answer.status_code, answer.text


def test_hostile_bodies_are_refused_while_others_are_answered(service, count):
    process, address, directory = service
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(200, 3))
    expected = load_classifier(directory / "classifier")(rows)["probabilities"].numpy()
    hostile = [
        (name, {"content": body, "headers": JSON}) for name, body in BODIES.items()
    ]
    for headers in ({}, {"content-type": "text/plain"}):
        hostile.append((f"headers {headers}", {"content": GOOD, "headers": headers}))
    packed = {**JSON, "content-encoding": "gzip"}
    hostile.append(("gzip", {"content": gzip.compress(GOOD), "headers": packed}))
    endless = {"content": iter([b"[1,0,0]," * 50_000] * 100), "headers": JSON}
    hostile.append(("no length", endless))
    memory = psutil.Process(process.pid).memory_info
    before = peak = memory().rss

    def good(number):
        content = json.dumps({"instances": [rows[number].tolist()]})
        return post(address, content=content, headers=JSON)

    with concurrent.futures.ThreadPoolExecutor(48) as pool:
        answers = [pool.submit(good, number) for number in range(200)]
        refused = {
            name: pool.submit(post, address, **request) for name, request in hostile
        }
        waiting = [*answers, *refused.values()]
        while not all(future.done() for future in waiting):
            peak = max(peak, memory().rss)
            time.sleep(0.02)
    for future, probabilities in zip(answers, expected, strict=True):
        status, text = future.result()
        if status is None:
            count("hung", text)
        elif status != 200:
            count("raw", f"{status} {text}")
        else:
            (found,) = json.loads(text)["predictions"]
            same = np.allclose(
                [*found["probabilities"].values()], probabilities, atol=1e-5
            )
            count(*(() if same else ("unequal", text)))
    for name, future in refused.items():
        status, text = future.result()
        if status is None:
            count("hung", name)
        elif not 400 <= status < 500:
            count("raw", f"{name}: {status} {text[:100]}")
        else:
            count()
    count(*(() if peak - before < 500e6 else ("lost", f"{peak - before} bytes")))
    assert process.poll() is None
    # A client that says less than it sends, and one that never ends.
    host, port = "127.0.0.1", int(address.split(":")[2].partition("/")[0])
    start = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    for rest in (
        b"Content-Length: 5\r\n\r\n" + GOOD,
        b"Content-Length: 500\r\n\r\n" + GOOD,
        b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    ):
        with socket.create_connection((host, port), timeout=60) as client:
            client.sendall(start + rest)
            try:
                status = int(client.recv(4096).split()[1])
            except TimeoutError:
                count("hung", rest)
            else:
                raw = not 400 <= status < 500
                count(*(("raw", f"{status} for {rest}") if raw else ()))
    status, _ = good(0)
    assert status == 200

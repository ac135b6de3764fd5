"""Whether a host answers, without waiting long for it."""

import threading
import urllib.error
from contextlib import nullcontext

import pytest

from keras_unbias.data import reachable

URL = "https://host.invalid/file"


def test_a_host_that_answers_is_asked_for_a_header_alone(monkeypatch):
    requests = []

    def urlopen(request, timeout):
        requests.append((request.full_url, request.method, timeout))
        return nullcontext()

    monkeypatch.setattr("urllib.request.urlopen", urlopen)
    assert reachable.probe(URL) is None
    assert requests == [(URL, "HEAD", reachable.PROBE_SECONDS)]


@pytest.mark.parametrize(
    "error", [urllib.error.URLError("no route"), TimeoutError("no route")]
)
def test_the_failure_is_returned(monkeypatch, error):
    def urlopen(request, timeout):
        raise error

    monkeypatch.setattr("urllib.request.urlopen", urlopen)
    assert "no route" in reachable.probe(URL)


def test_a_host_that_never_answers_is_given_up(monkeypatch):
    end = threading.Event()

    def urlopen(request, timeout):
        end.wait(60)
        return nullcontext()

    monkeypatch.setattr("urllib.request.urlopen", urlopen)
    monkeypatch.setattr(reachable, "PROBE_SECONDS", 0.01)
    try:
        assert reachable.probe(URL) == "no answer within 0.01 seconds"
    finally:
        end.set()

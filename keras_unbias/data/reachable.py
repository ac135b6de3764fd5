"""A quick check of whether a host answers."""

import http.client
import threading
import urllib.request

PROBE_SECONDS = 4.0


def probe(url: str) -> str | None:
    """Asks a host for the header of a file.

    Args:
        url: str, address of the file.

    Returns:
        Str, what went wrong, or `None` if the host answers.
    """
    failures = [f"no answer within {PROBE_SECONDS:g} seconds"]

    def ask():
        request = urllib.request.Request(url, method="HEAD")
        try:
            with urllib.request.urlopen(request, timeout=PROBE_SECONDS):
                failures.clear()
        except (OSError, http.client.HTTPException) as error:
            failures[:] = [repr(error)]

    # A name server that does not answer blocks beyond the timeout of
    # urlopen, but not beyond that of join.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(PROBE_SECONDS)
    return failures[0] if failures else None

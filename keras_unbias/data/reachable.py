"""Whether a host answers, told soon."""

import http.client
import threading
import urllib.request

PROBE_SECONDS = 4.0


def probe(url):
    """Asks a host for a file's header.

    Args:
        url: of the file.

    Returns:
        What went wrong, a string, or `None`.
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

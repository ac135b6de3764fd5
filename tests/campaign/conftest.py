"""Figures of the fault campaign: what was tried, and what went wrong."""

import collections

import pytest

# What may go wrong; every figure has to be 0.
FAULTS = ("lost", "unequal", "executed", "hung", "raw")


def pytest_collection_modifyitems(items):
    for item in items:
        if "campaign" in item.nodeid.split("/"):
            item.add_marker(pytest.mark.campaign)


@pytest.fixture
def count(request):
    """Counts attempts and faults of a test, and fails it if there are faults.

    Call it with a fault's name or, after an attempt without one, with nothing.
    """
    counted = collections.Counter(dict.fromkeys(("tried", *FAULTS), 0))
    details = []

    def count(fault=None, detail=""):
        counted["tried"] += 1
        if fault is not None:
            assert fault in FAULTS, fault
            counted[fault] += 1
            details.append(f"{fault}: {detail}")

    yield count
    request.node.user_properties.append(("campaign", dict(counted)))
    assert counted["tried"], "The test counted no attempt."
    assert not details, "\n".join(details)


def pytest_terminal_summary(terminalreporter):
    total = collections.Counter()
    for reports in terminalreporter.stats.values():
        for report in reports:
            # Of a test that fails at its end, both reports hold the figures.
            if getattr(report, "when", None) == "teardown":
                for name, counted in report.user_properties:
                    if name == "campaign":
                        total.update(counted)
    if total:
        terminalreporter.section("fault campaign")
        terminalreporter.line(
            ", ".join(f"{name} {total[name]}" for name in ("tried", *FAULTS))
        )

"""Adds the records of finished runs to the released ones."""

import argparse
import sys

from reproduce.experiment import records


def main(argv=None):
    """Releases what is new; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output-dir", default="runs", help="of the runs")
    parser.add_argument(
        "--records", default=records.RELEASED, help="where they are released"
    )
    parser.add_argument(
        "--replace",
        action="store_true",
        help="replace the released records of the same runs",
    )
    options = parser.parse_args(argv)
    try:
        found = records.read_all(options.output_dir)
        added = records.release(found, options.records, replace=options.replace)
    except (OSError, ValueError) as problem:
        parser.error(str(problem))
    for record in added:
        print(f"{record.settings.data.name} {record.id}")
    print(f"{len(added)} released, {len(found) - len(added)} kept as they were.")
    return 0


if __name__ == "__main__":
    sys.exit(main())

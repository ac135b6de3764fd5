"""Adds the records of finished runs to the released ones."""

import argparse
import sys

from reproduce.experiment import flags, records


def main(argv=None):
    """Releases what is new; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--output-dir", type=flags.path, default="runs", help="of the runs"
    )
    parser.add_argument(
        "--records",
        type=flags.path,
        default=records.RELEASED,
        help="where they are released",
    )
    parser.add_argument(
        "--replace",
        action="store_true",
        help="replace the released records of the same runs",
    )
    options = parser.parse_args(argv)
    with flags.errors_told(parser):
        release(options)
    return 0


def release(options):
    """Releases the records of finished runs and lists them."""
    records.check_writable(options.records)
    found = records.read_all(options.output_dir)
    if not found:
        raise ValueError(
            "There is nothing to release. Expected: the record of a finished run. "
            f"Received: none in {options.output_dir}. Name another directory."
        )
    added = records.release(found, options.records, replace=options.replace)
    for record in added:
        print(f"{record.settings.data.name} {record.id}")
    print(f"{len(added)} released, {len(found) - len(added)} kept as they were.")


if __name__ == "__main__":
    sys.exit(main())

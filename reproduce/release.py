"""Copies the records of finished runs to where they are committed."""

import argparse
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from keras_unbias import runs

RECORDS = ROOT / "reproduce" / "records"


def main(argv=None):
    """Writes `<data set>/<method>/<run id>.json` for every run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output-dir", default="runs", help="of the runs")
    parser.add_argument("--records", default=RECORDS, help="where to")
    parser.add_argument(
        "--replace",
        action="store_true",
        help="those of the same runs that are there already",
    )
    options = parser.parse_args(argv)
    try:
        records = runs.read_records(options.output_dir)
    except (OSError, ValueError) as problem:
        parser.error(str(problem))
    kept = 0
    for record in records:
        path = record.config.directory(options.records).with_suffix(".json")
        if path.exists() and not options.replace:
            kept += 1
            continue
        record.write(path)
        print(path)
    if kept:
        print(f"{kept} were there already; --replace takes the new ones.")
    return 0


if __name__ == "__main__":
    sys.exit(main())

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
    options = parser.parse_args(argv)
    try:
        records = runs.read_records(options.output_dir)
    except (OSError, ValueError) as problem:
        parser.error(str(problem))
    for record in records:
        path = record.config.directory(options.records).with_suffix(".json")
        record.write(path)
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())

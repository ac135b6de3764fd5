"""The commands that run the cells that are missing."""

import shlex

from reproduce.settings import FIRST_SEED


def missing_notes(name, options, gathered):
    """Says how many cells are missing, and which command runs them.

    Args:
        name: the script's.
        options: what `parse` returned.
        gathered: a `cells.Gathered`.

    Returns:
        List of strings, empty if none is missing.
    """
    if not gathered.missing:
        return []
    command = _command(
        name,
        options,
        variances=getattr(options, "variances", None),
        seeds=options.seeds,
    )
    # Records that are read from elsewhere are run once more.
    which = "them"
    if options.from_records:
        which += f", and all that {options.output_dir} does not hold"
    return [
        f"{len(gathered.missing)} of {len(gathered.configs)} cells are "
        f"missing. To run {which}: {command}"
    ]


def filling_notes(name, options, missing):
    """Says by which commands the missing cells of a table are filled.

    Args:
        name: the script's.
        options: what `parse_table` returned.
        missing: list of `RunConfig` of one table.

    Returns:
        List of strings, one for each set of variances and number of seeds.
    """
    variances, seeds = {}, {}
    for config in missing:
        variance = config.settings.get("color_variance")
        variances.setdefault(config.row, {})[variance] = None
        count = 1 + config.seed - FIRST_SEED
        seeds[config.row] = max(seeds.get(config.row, 1), count)
    rows = {}
    for row, values in variances.items():
        rows.setdefault((tuple(values), seeds[row]), []).append(row)
    return [
        "To fill what is missing: "
        + _command(
            name,
            options,
            methods=names,
            variances=[v for v in values if v is not None],
            seeds=count,
        )
        for (values, count), names in rows.items()
    ]


def _command(name, options, *, methods=None, variances, seeds):
    """The command of a script, with the flags of what it reads and where."""
    words = ["python", f"reproduce/{name}.py", "--profile", options.profile]
    if methods:
        words += ["--methods", ",".join(methods)]
    if variances:
        words += ["--variances", ",".join(f"{v:g}" for v in variances)]
    if seeds:
        words += ["--seeds", str(seeds)]
    for flag in ("age", "weights", "data_dir"):
        if getattr(options, flag, None):
            words += [f"--{flag.replace('_', '-')}", getattr(options, flag)]
    if getattr(options, "skip_bad_images", False):
        words.append("--skip-bad-images")
    if options.output_dir != "runs":
        words += ["--output-dir", options.output_dir]
    return shlex.join(words)

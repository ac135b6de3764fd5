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
    script = f"reproduce/{name}.py"
    words = ["python", script, "--profile", options.profile]
    if getattr(options, "variances", None):
        words += ["--variances", ",".join(f"{v:g}" for v in options.variances)]
    if options.seeds:
        words += ["--seeds", str(options.seeds)]
    # Records that are read from elsewhere are run once more.
    which = "them"
    if options.from_records:
        which += f", and all that {options.output_dir} does not hold"
    return [
        f"{len(gathered.missing)} of {len(gathered.configs)} cells are "
        f"missing. To run {which}: {shlex.join(words + _places(options))}"
    ]


def filling_commands(script, options, missing):
    """The commands that run the missing cells of a table.

    Args:
        script: path of the script, as a user types it.
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
    lines = []
    for (values, count), names in rows.items():
        words = ["python", script, "--profile", options.profile]
        words += ["--methods", ",".join(names)]
        if None not in values:
            words += ["--variances", ",".join(f"{v:g}" for v in values)]
        words += ["--seeds", str(count)]
        lines.append(shlex.join(words + _places(options)))
    return lines


def _places(options):
    """The flags of what else is read, and where it is."""
    words = []
    for flag in ("age", "weights", "data_dir"):
        if getattr(options, flag, None):
            words += [f"--{flag.replace('_', '-')}", getattr(options, flag)]
    if getattr(options, "skip_bad_images", False):
        words.append("--skip-bad-images")
    if options.output_dir != "runs":
        words += ["--output-dir", options.output_dir]
    return words

"""Where tables are shown, and what they and figures are named."""

from keras_unbias import reporting, runs


def show(tables, gathered, options, parser, *, page, name, **usual):
    """Prints tables and, if --update-docs asks for it, writes them down.

    Args:
        tables: list of `reporting.Table`.
        gathered: the `cells.Gathered` that they show.
        options: what `arguments.parse` or `parse_table` returned.
        parser: the parser that tells that the page has no such tables.
        page: path of the page.
        name: the script's, first word of the name of their block there.
        **usual: as in `asked`.

    Returns:
        The exit code of the script.
    """
    if options.update_docs:
        block = " ".join([name, *asked(options, **usual)])
        content = "\n\n".join(table.render("markdown") for table in tables)
        try:
            text = reporting.replace_block(
                page.read_text("utf-8"), block, content
            )
        except ValueError as problem:
            parser.error(str(problem))
        runs.write_text(page, text)
    print("\n\n".join(table.render(options.format) for table in tables))
    return 1 if gathered.error else 0


def asked(options, **usual):
    """What is shown, in words: the profile, and what was not as usual.

    The name of a table in its page, and of a figure's files: another choice
    must not take the place of what stands there.

    Args:
        options: what `arguments.parse` or `parse_table` returned.
        **usual: what flags stand for if they are not given, by name.

    Returns:
        List of strings.
    """
    return [options.profile, *unusual(options, **usual)]


def unusual(options, **usual):
    """Of `asked`, what was not as usual."""
    words = []
    for flag, value in usual.items():
        received = getattr(options, flag)
        if received is None or received == value:
            continue
        values = received if isinstance(received, list) else [received]
        # A name has no folders.
        values = [str(value).replace("/", "-") for value in values]
        words.append("_".join([flag, *values]))
    return words

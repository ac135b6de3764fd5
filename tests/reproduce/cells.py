"""What tests ask of cells."""

from reproduce.experiment.settings import names, value


def flat(settings):
    """All settings of a run by name, and the names of data and method."""
    return {
        "data": settings.data.name,
        "method": settings.method.name,
        **{name: value(settings, name) for name in names(settings)},
    }


def one(cells):
    (cell,) = cells
    return cell


def ids(cells):
    return [cell.settings.id for cell in cells]


def labels(cells):
    return list(dict.fromkeys(cell.row for cell in cells))

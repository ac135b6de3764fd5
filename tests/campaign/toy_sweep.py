"""A sweep of runs of a second or so, and one such run, as a process of its own.

Its workers import this module, and with it neither Keras nor TensorFlow.
"""

import pathlib
import sys

TESTS = pathlib.Path(__file__).parents[1]
# What a process needs to import this module and the project.
PATHS = [str(TESTS / "campaign"), str(TESTS), str(TESTS.parent)]


def runs():
    import toy_runs

    return [
        *(toy_runs.settings("erm", seed=seed) for seed in range(3)),
        toy_runs.settings(rows=320, epochs=4, seed=3),
    ]


def train(settings, **given):
    import toy_runs

    from reproduce.experiment import fresh_estimates, run

    toy_runs.register(dict.__setitem__)
    # For time: it takes longer than a run.
    fresh_estimates.held_out_information = lambda *args, **kwargs: {}
    return run.train(settings, **given)


def main(output_dir, backend):
    if backend == "none":
        train(runs()[0], output_dir=output_dir, threads=1)
        return
    from reproduce.experiment import sweep

    sweep.run(runs(), output_dir=output_dir, jobs=2, backend=backend, train=train)


if __name__ == "__main__":
    # Under its own name: a worker may not know the main module of a sweep.
    import toy_sweep

    toy_sweep.main(*sys.argv[1:])

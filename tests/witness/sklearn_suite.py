"""scikit-learn's own tests as witnesses: our searches must pass them, too.

    python tests/witness/sklearn_suite.py [what ...]

runs the tests of the installed scikit-learn's model selection twice, with its own
classes and functions and with ours in place of them, and prints every test whose
outcome differs. A difference that ``docs/sklearn-suite.md`` lists is expected; any
other one makes this program fail.

*what* is one of the parts below, or a file or test identifier such as
``sklearn/model_selection/tests/test_search.py::test_grid_search``.
"""

import sys
import tempfile
from collections import Counter
from pathlib import Path

import click
from dask_suite import HERE, Suite, expected, tell

TABLE = HERE.parent.parent / "docs" / "sklearn-suite.md"
FOLDER = "sklearn/model_selection/tests"
PARTS = {
    "search": [f"{FOLDER}/test_search.py"],
    "validation": [f"{FOLDER}/test_validation.py"],
    "halving": [f"{FOLDER}/test_successive_halving.py"],
}


@click.command(help=__doc__, context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("what", nargs=-1)
@click.option("--jobs", default=2, show_default=True, help="Runs at one time.")
@click.option("--limit", default=3600, show_default=True, help="Seconds for one run.")
@click.option(
    "--left/--all-graphs",
    default=False,
    help="Leave to scikit-learn what is left to it in use; by default all is "
    "computed by graphs, which tests more.",
)
@click.option(
    "--results",
    type=click.Path(path_type=Path),
    help="Folder to keep outcomes in. Runs that are there already are not repeated.",
)
def main(what, jobs, limit, left, results):
    with tempfile.TemporaryDirectory(prefix="sklearn-suite-") as scratch:
        suite = SklearnSuite(Path(scratch), results or Path(scratch), limit)
        suite.how = "left" if left else "graph"
        targets = [t for w in what or PARTS for t in PARTS.get(w, [w])]
        modules = [m for t in targets for m in suite.modules(t, None)]
        found = suite.compare(modules, jobs)
        again = suite.repeat([d for d in found if d.outcomes_differ])
    bad = tell(found, again, expected(TABLE))
    differ = Counter(d.on["outcome"] for d in found if d.name in again)
    click.echo(f"{sum(differ.values())} tests differ: {dict(differ)}")
    sys.exit(1 if bad else 0)


class SklearnSuite(Suite):
    ini = HERE / "sklearn.ini"

    def options(self, on):
        return {"SKLEARN_SUITE": self.how}, ["-p", "sharing"] if on else []


if __name__ == "__main__":
    main()

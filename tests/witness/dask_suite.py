"""Dask's own tests as witnesses: nothing may change when the plugin is on.

    python tests/witness/dask_suite.py [what ...]

runs the test modules of the installed Dask twice, with ``DASK_STRATUM__ENABLED``
off and on, and prints every test whose outcome differs. A difference that
``docs/dask-suite.md`` lists is expected; any other one makes this program fail.

*what* is one of the parts below, or a file, folder or test identifier such as
``dask/bag/tests/test_bag.py::test_map``.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import click

HERE = Path(__file__).resolve().parent
TABLE = HERE.parent.parent / "docs" / "dask-suite.md"
PARTS = {
    "delayed": ["dask/tests/test_delayed.py"],
    "bag": ["dask/bag"],
    "client": ["distributed/tests/test_client.py"],
    "array": ["dask/array"],
    "dataframe": ["dask/dataframe"],
}
AGAIN = 2
"""How often a test whose outcome differs is run again: some tests are flaky."""


@click.command(help=__doc__, context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("what", nargs=-1)
@click.option("--jobs", default=2, show_default=True, help="Runs at one time.")
@click.option(
    "--limit", default=3600, show_default=True, help="Seconds for one module, one way."
)
@click.option(
    "--distributed-tests",
    type=click.Path(exists=True, path_type=Path),
    help="test_client.py of distributed, which its packages leave out. "
    "Without it, it is fetched from distributed's repository.",
)
@click.option(
    "--results",
    type=click.Path(path_type=Path),
    help="Folder to keep outcomes in. Runs that are there already are not repeated.",
)
def main(what, jobs, limit, distributed_tests, results):
    with tempfile.TemporaryDirectory(prefix="dask-suite-") as scratch:
        suite = Suite(Path(scratch), results or Path(scratch), limit)
        targets = [t for w in what or PARTS for t in PARTS.get(w, [w])]
        modules, missing = [], []
        for target in targets:
            try:
                modules += suite.modules(target, distributed_tests)
            except OSError as e:
                missing.append(f"{target}: {e}")
        found = suite.compare(modules, jobs)
        again = suite.repeat([d for d in found if d.outcomes_differ])
    listed = expected(TABLE)
    bad = tell(found, again, listed)
    for each in missing:
        click.echo(f"NOT RUN  {each}")
    sys.exit(1 if bad or missing else 0)


class Difference:
    """One test, with what became of it off and on."""

    def __init__(self, name, off, on, path):
        self.name, self.off, self.on, self.path = name, off, on, path

    @property
    def outcomes_differ(self):
        return self.off["outcome"] != self.on["outcome"]


class Suite:
    ini = HERE / "pytest.ini"

    def __init__(self, scratch, results, limit):
        self.scratch, self.results, self.limit = scratch, results, limit
        self.results.mkdir(parents=True, exist_ok=True)

    def modules(self, target, distributed_tests):
        """The files that ``target`` names, each with the tests of it to run."""
        path, colons, name = target.partition("::")
        package, _, inside = path.partition("/")
        if path == PARTS["client"][0]:
            return [(path, str(self._client_tests(distributed_tests)) + colons + name)]
        spec = find_spec(package)
        if spec is None or spec.origin is None:
            raise OSError(f"{package} is not installed")
        root = Path(spec.origin).parent
        place = root / inside
        if not place.exists():
            raise OSError(f"{place} does not exist")
        files = [place] if place.is_file() else sorted(place.rglob("test_*.py"))
        return [
            (target, str(self._copied(f, root)) + colons + name)
            for f in files
            for target in [f.relative_to(root.parent).as_posix() + colons + name]
        ]

    def _copied(self, file, root):
        """A test module outside of its package.

        What is inside would count as Dask's own code, of which the plugin knows
        what is pure, and not as somebody's program.
        """
        package = self.scratch / root.name
        folder = package / file.parent.relative_to(root)
        if not folder.exists():
            leave = shutil.ignore_patterns("__init__.py", "__pycache__")
            shutil.copytree(file.parent, folder, ignore=leave)
            if (root / "conftest.py").exists():
                shutil.copy(root / "conftest.py", package / "conftest.py")
        return folder / file.name

    def _client_tests(self, given):
        folder = self.scratch / "distributed" / "tests"
        folder.mkdir(parents=True, exist_ok=True)
        module = folder / "test_client.py"
        if given is not None:
            module.write_text(given.read_text())
        elif not module.exists():
            from urllib.request import urlopen

            address = (
                "https://raw.githubusercontent.com/dask/distributed/"
                f"{version('distributed')}/distributed/tests/test_client.py"
            )
            with urlopen(address, timeout=60) as answer:
                module.write_bytes(answer.read())
        # The fixtures that distributed's root conftest makes available.
        (folder / "conftest.py").write_text("from distributed.utils_test import *\n")
        return module

    def compare(self, modules, jobs):
        """Run each module off and on; what each test did both times."""
        with ThreadPoolExecutor(jobs) as pool:
            runs = [
                (name, *(pool.submit(self.run, name, path, on) for on in (False, True)))
                for name, path in modules
            ]
            found = []
            for (name, path), (_, off, on) in zip(modules, runs, strict=True):
                both = off.result(), on.result()
                did = [b.pop("", {}) for b in both]
                counts = [dict(Counter(o["outcome"] for o in b.values())) for b in both]
                click.echo(f"{name}\n    off {counts[0]}\n    on  {counts[1]} {did[1]}")
                found += differences(*both, path.partition("::")[0])
        return found

    def repeat(self, different):
        """Which of these differ every time, when they are run by themselves."""
        stay = {d.name for d in different}
        for d in different:
            path = f"{d.path}::{d.name.partition('::')[2]}"
            for i in range(AGAIN):
                off, on = (
                    self.run(f"again-{i}-{d.name}", path, on).get(d.name)
                    for on in (False, True)
                )
                if off is not None and on is not None:
                    if off["outcome"] == on["outcome"]:
                        stay.discard(d.name)
                        break
                    d.off, d.on = off, on
        return stay

    def run(self, name, path, on):
        """Outcomes of the tests at ``path``, by identifier."""
        stem = re.sub(r"\W+", "-", name)[-150:] + ("-on" if on else "-off")
        outcomes, log = (self.results / (stem + end) for end in (".jsonl", ".txt"))
        done = self.results / (stem + ".done")
        if not done.exists():
            outcomes.unlink(missing_ok=True)
            outcomes.touch()
            status = self._pytest(path, on, outcomes, log)
            done.write_text(f"{status}\n")
        lines = [json.loads(line) for line in outcomes.read_text().splitlines()]
        return {line.get("id", ""): line for line in lines}

    def options(self, on):
        """Environment and arguments of one run."""
        return {
            "DASK_STRATUM__ENABLED": str(on),
            "DASK_STRATUM__ON_FAIL": "raise",
            "DASK_STRATUM__CHECK_INVARIANTS": "True",
        }, []

    def _pytest(self, path, on, outcomes, log):
        variables, more = self.options(on)
        folder = Path(tempfile.mkdtemp(dir=self.scratch))
        environment = {k: v for k, v in os.environ.items() if not k.startswith("DASK_")}
        environment |= {
            "DASK_CONFIG": str(folder),
            "DASK_ROOT_CONFIG": str(folder),
            **variables,
            "DASK_SUITE_OUTCOMES": str(outcomes.resolve()),
            "PYTHONPATH": os.pathsep.join(
                [str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])]
            ),
        }
        command = [sys.executable, "-m", "pytest", "-p", "outcomes", "-q", "--tb=short"]
        command += ["-c", str(self.ini), "--rootdir", "/", *more]
        command += [f"--basetemp={folder / 'pytest'}", path]
        with log.open("w") as out:
            try:
                return subprocess.run(
                    command,
                    cwd=folder,
                    env=environment,
                    stdout=out,
                    stderr=subprocess.STDOUT,
                    timeout=self.limit,
                    check=False,
                ).returncode
            except subprocess.TimeoutExpired:
                return "time limit"


def differences(off, on, path):
    """What is not the same both times; what only one run has is `no outcome`."""
    none = {"outcome": "no outcome", "why": ""}
    both = ((name, off.get(name, none), on.get(name, none)) for name in {**off, **on})
    return [Difference(name, a, b, path) for name, a, b in both if a != b]


def expected(table):
    """Test identifiers of the table of ``docs/dask-suite.md``, ``[*]`` for any."""
    rows = re.findall(r"^\| `([^`]+)` \|", table.read_text(), flags=re.MULTILINE)
    return [re.compile(re.escape(r).replace(r"\[\*\]", r"(\[.*\])?")) for r in rows]


def tell(found, stay, listed):
    """Print what differs; return what nobody has explained."""
    bad = 0
    for d in found:
        if not d.outcomes_differ and d.name not in stay:
            continue
        if d.name not in stay:
            label = "FLAKY"
        elif any(pattern.fullmatch(d.name) for pattern in listed):
            label = "LISTED"
        else:
            label, bad = "DIFFERS", bad + 1
        click.echo(f"{label}  {d.name}: {d.off['outcome']} -> {d.on['outcome']}")
        if label == "DIFFERS":
            click.echo("    " + d.on["why"].replace("\n", "\n    "))
    return bad


if __name__ == "__main__":
    main()

"""Set up this checkout in a virtual environment of its own, and use it.

    python3 dev.py example [arguments of examples/agent_search.py]
    python3 dev.py test [arguments of pytest]
    python3 dev.py tox [arguments of tox]

Needs Python 3.11 or newer and nothing else. Run it again after an update: it
installs only when ``pyproject.toml`` has changed.
"""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
PYTHON = str(BIN / "python")
EXTRAS = "ml,dashboard,cli,search,skrub,examples"
# A file of tests stays in one process, whose tests share what they have set up.
PARALLEL = ["--numprocesses=logical", "--maxprocesses=4", "--dist=loadfile"]
PARALLEL += ["--no-loadscope-reorder"]  # those that take long are first, see conftest
WANTED = ["--editable", f".[{EXTRAS}]", "--group", "dev"]


def main(arguments):
    if sys.version_info < (3, 11):
        return "stratum-dask needs Python 3.11 or newer; this is " + sys.version
    commands = {"example": example, "test": test, "tox": tox}
    if not arguments or arguments[0] not in commands:
        return __doc__
    set_up()
    return commands[arguments[0]](arguments[1:])


def example(arguments):
    return run(PYTHON, "examples/agent_search.py", *arguments)


def test(arguments):
    """Check style and types, then run the tests; tell all that failed."""
    checks = [
        ("-m", "ruff", "check", "."),
        ("-m", "ruff", "format", "--check", "."),
        ("-m", "mypy"),
        ("-m", "pytest", *PARALLEL, *arguments),
    ]
    failed = [" ".join(check) for check in checks if run(PYTHON, *check)]
    return "failed: " + "; ".join(failed) if failed else 0


def tox(arguments):
    return run(PYTHON, "-m", "tox", *arguments)


def set_up():
    stamp = VENV / "installed"
    state = hashlib.sha256(
        sys.version.encode() + (ROOT / "pyproject.toml").read_bytes()
    ).hexdigest()
    if stamp.exists() and stamp.read_text() == state:
        return
    pip = (PYTHON, "-m", "pip", "install", "--quiet")
    uv = (PYTHON, "-m", "uv", "pip", "install", "--quiet", "--python", PYTHON)
    must(run(sys.executable, "-m", "venv", "--clear", str(VENV)))
    # uv is several times faster, but does not read how this machine's pip is set up
    if run(*pip, "uv") or run(*uv, *WANTED):
        must(run(*pip, "--upgrade", "pip>=25.1"))
        must(run(*pip, *WANTED))
    stamp.write_text(state)


def must(status):
    if status:
        sys.exit(status)


def run(*command):
    print("$", " ".join(command), file=sys.stderr, flush=True)
    process = subprocess.Popen(command, cwd=ROOT)
    try:
        return process.wait()
    except KeyboardInterrupt:
        process.wait()  # it had the Ctrl-C, too: let it clean up after itself
        raise


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)

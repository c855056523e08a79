"""``dask stratum enable`` and ``disable``: what they write, keep and refuse."""

import os
import stat

import dask.config
import pytest
import yaml
from click.testing import CliRunner

from stratum_dask.cli import stratum

ON = {"stratum": {"enabled": True}}


@pytest.fixture
def folder(tmp_path):
    """The user's configuration folder, not made yet."""
    return tmp_path / "config" / "dask"


@pytest.fixture
def command(folder, monkeypatch):
    """Run ``dask stratum ...`` with ``folder`` as the place of configuration."""

    def run(*arguments, place=folder, **environment):
        monkeypatch.setattr(dask.config, "PATH", str(place))
        monkeypatch.setattr(dask.config, "paths", [str(place)])
        return CliRunner().invoke(stratum, arguments, env=environment)

    return run


def succeeded(done):
    assert done.exit_code == 0, done.output
    return done.output


def failed(done):
    assert done.exit_code == 1, done.output
    assert isinstance(done.exception, SystemExit), done.exc_info
    return done.output


def write(folder, text, name="stratum.yaml"):
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / name
    file.write_text(text)
    return file


def contents(folder):
    return {file.name: file.read_text() for file in folder.iterdir()}


def test_dask_has_the_command_and_new_processes_obey_it(folder, fresh_python):
    dask_command = "from dask.__main__ import main; main()"
    place = {"DASK_CONFIG": str(folder)}
    done = fresh_python(dask_command, "stratum", "enable", **place)
    assert str(folder / "stratum.yaml") in done.stdout
    ask = "from stratum_dask.config import enabled; print(enabled())"
    assert fresh_python(ask, **place).stdout.strip() == "True"
    fresh_python(dask_command, "stratum", "disable", **place)
    assert fresh_python(ask, **place).stdout.strip() == "False"


def test_help_lists_the_commands(command):
    said = succeeded(command("--help"))
    for name in ("doctor", "enable", "disable", "report", "top"):
        assert f"\n  {name} " in said


def test_enable_and_disable_twice_are_harmless(command, folder):
    succeeded(command("enable"))
    once = contents(folder)
    assert "already" in succeeded(command("enable"))
    assert contents(folder) == once
    assert "removed" in succeeded(command("disable"))
    assert contents(folder) == {}
    assert "nothing of ours" in succeeded(command("disable"))


@pytest.mark.parametrize(
    "text",
    [
        "stratum:\n  rules: [merge]\n",
        "# mine\n\nstratum:  # my settings\n\n    # less\n    rules:\n    - merge\n",
        "distributed:\n  scheduler:\n    preload: [mine]\n",
        "distributed:\n  scheduler:\n    preload: [mine]",
        "a: {b: 1}\nstratum:\nc: 2\n",
        "stratum:",
        "# only a comment\n",
    ],
)
def test_what_a_user_wrote_in_that_file_stays(command, folder, text):
    file = write(folder, text)
    succeeded(command("enable"))
    before = yaml.safe_load(text) or {}
    section = before.get("stratum") or {}
    expected = {**before, "stratum": {**section, "enabled": True}}
    assert yaml.safe_load(file.read_text()) == expected
    assert all(line in file.read_text() for line in text.splitlines())
    succeeded(command("disable"))
    empty = "stratum" in before and not section
    rest = text.replace("stratum:", "") if empty else text
    left = file.read_text() if file.exists() else ""
    assert left.split() == rest.split()


def test_lists_in_other_files_stay_as_they_are(command, folder, fresh_python):
    mine = "distributed: {scheduler: {preload: [mine]}, client: {preload: [other]}}"
    write(folder, mine, "distributed.yaml")
    succeeded(command("enable"))
    assert (folder / "distributed.yaml").read_text() == mine
    assert yaml.safe_load((folder / "stratum.yaml").read_text()) == ON
    succeeded(command("disable"))
    assert contents(folder) == {"distributed.yaml": mine}


def test_keys_that_a_user_added_to_our_file_survive_disable(command, folder):
    succeeded(command("enable"))
    file = folder / "stratum.yaml"
    file.write_text(file.read_text() + "  rules: [merge]\n")
    succeeded(command("disable"))
    assert yaml.safe_load(file.read_text()) == {"stratum": {"rules": ["merge"]}}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("stratum: {rules: [merge]}\n", "layout"),
        ("stratum:\n  enabled: false\n", "enabled: False"),
        ("stratum: [merge]\n", "not a section"),
        ("- a\n- b\n", "no sections"),
        ("stratum: {\n", "not valid YAML"),
    ],
)
def test_a_file_that_cannot_be_kept_is_left_alone(command, folder, text, why):
    file = write(folder, text)
    said = failed(command("enable"))
    assert file.read_text() == text
    assert str(file) in said
    assert why in said


def test_disable_leaves_a_users_own_switch_alone(command, folder):
    text = "stratum:\n  enabled: true\n"
    file = write(folder, text)
    said = failed(command("disable"))
    assert file.read_text() == text
    assert f"stratum stays on: {file} says" in said


def test_another_file_that_outranks_is_named(command, folder):
    other = write(folder, "stratum: {enabled: false}", "zz.yaml")
    assert f"stratum stays off: {other} says" in failed(command("enable"))
    assert (folder / "stratum.yaml").exists()


def test_a_variable_that_outranks_is_named(command):
    said = failed(command("enable", DASK_STRATUM__ENABLED="False"))
    assert "stratum stays off: environment variable DASK_STRATUM__ENABLED" in said
    said = failed(command("disable", DASK_STRATUM__ENABLED="yes"))
    assert "stratum stays on: environment variable DASK_STRATUM__ENABLED" in said


def test_a_folder_that_cannot_be_written_is_named(command, tmp_path):
    in_the_way = tmp_path / "file"
    in_the_way.write_text("a: 1")
    said = failed(command("enable", place=in_the_way / "dask"))
    assert f"could not write {in_the_way / 'dask' / 'stratum.yaml'}" in said
    assert "DASK_CONFIG" in said


def test_a_configuration_that_is_one_file_is_extended(command, tmp_path):
    one = tmp_path / "one.yaml"
    one.write_text("array: {chunk-size: 1MiB}\n")
    succeeded(command("enable", place=one))
    assert yaml.safe_load(one.read_text()) == {"array": {"chunk-size": "1MiB"}, **ON}
    succeeded(command("disable", place=one))
    assert one.read_text() == "array: {chunk-size: 1MiB}\n"


def test_a_link_into_dotfiles_stays_a_link(command, folder, tmp_path):
    real = tmp_path / "dotfiles.yaml"
    real.write_text("# mine\n")
    real.chmod(0o640)
    folder.mkdir(parents=True)
    (folder / "stratum.yaml").symlink_to(real)
    succeeded(command("enable"))
    assert (folder / "stratum.yaml").is_symlink()
    assert yaml.safe_load(real.read_text()) == ON
    assert stat.S_IMODE(real.stat().st_mode) == 0o640


def test_no_half_written_file_is_left_behind(command, folder):
    succeeded(command("enable"))
    assert os.listdir(folder) == ["stratum.yaml"]

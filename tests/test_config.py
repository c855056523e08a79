"""Defaults, their schema, and what a wrong value is told."""

import ast
import dataclasses

import dask.config
import jsonschema
import pytest
import yaml

import stratum_dask.config
from stratum_dask.config import DEFAULTS, Settings, enabled, settings
from stratum_dask.errors import ConfigError


@pytest.fixture
def defaults(root):
    return yaml.safe_load((root / "stratum_dask/stratum.yaml").read_text())


@pytest.fixture
def schema(root):
    return yaml.safe_load((root / "stratum_dask/stratum-schema.yaml").read_text())


def test_defaults_fit_their_schema(defaults, schema):
    jsonschema.validate(defaults, schema)


def test_schema_describes_every_key(defaults, schema):
    def compare(values, described):
        assert list(values) == list(described["properties"])
        assert described.get("additionalProperties", True) is False
        for name, value in values.items():
            inner = described["properties"][name]
            if isinstance(value, dict):
                compare(value, inner)
            else:
                assert inner["description"].strip()

    compare(defaults["stratum"], schema["properties"]["stratum"])


@pytest.mark.parametrize("name", ["distributed", "on-fail", "fingerprint"])
def test_schema_and_code_know_the_same_choices(schema, name):
    choices = schema["properties"]["stratum"]["properties"][name]["enum"]
    for choice in choices:
        with dask.config.set({f"stratum.{name}": choice}):
            assert getattr(settings(), name.replace("-", "_")) == choice
    with (
        dask.config.set({f"stratum.{name}": "nonsense"}),
        pytest.raises(ConfigError) as caught,
    ):
        settings()
    assert str(caught.value).endswith("Valid: " + ", ".join(map(repr, choices)))


def test_settings_of_the_defaults():
    with dask.config.set({"stratum": DEFAULTS}):
        assert settings() == Settings(
            enabled=False,
            distributed="auto",
            rules=("unfuse", "merge", "reuse", "isolate"),
            on_fail="warn",
            check_invariants=False,
            fingerprint="xxh3_128",
            pure=(),
            impure=(),
            batch=(),
            strictness="evidence",
        )


def test_settings_are_read_at_the_time_of_use():
    before = settings()
    with dask.config.set({"stratum.rules": ["merge"], "stratum.purity.pure": ["m.f"]}):
        assert settings().rules == ("merge",)
        assert settings().pure == ("m.f",)
    assert settings() == before


def test_settings_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings().enabled = True


def test_a_section_without_values_means_the_defaults():
    with dask.config.set({"stratum": None}):
        assert settings().rules == tuple(DEFAULTS["rules"])
        assert enabled() is False
    with dask.config.set({"stratum": {"purity": None, "rules": None}}):
        assert settings().pure == ()
        assert settings().rules == ()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (True, True),
        (False, False),
        (None, False),
        (1, True),
        (0, False),
        ("true", True),
        ("False", False),
        ("ON", True),
        (" no ", False),
        ("", False),
    ],
)
def test_enabled_understands_what_variables_and_files_say(value, expected):
    with dask.config.set({"stratum.enabled": value}):
        assert enabled() is expected
        assert settings().enabled is expected


@pytest.mark.parametrize("value", ["ture", 2, 1.0, [True], {"yes": True}])
def test_enabled_does_not_guess(value):
    with dask.config.set({"stratum.enabled": value}):
        with pytest.raises(ConfigError, match=r"stratum\.enabled is .*true, false"):
            enabled()
        with pytest.raises(ConfigError, match=r"stratum\.enabled is"):
            settings()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"stratum.rule": []}, "'rule'; did you mean 'rules'? Valid: 'enabled', "),
        ({"stratum.onfail": "warn"}, "'onfail'; did you mean 'on-fail'?"),
        ({"stratum.on-fail": "wran"}, "'wran'; did you mean 'warn'?"),
        ({"stratum.fingerprint": "md5"}, "Valid: 'xxh3_128', 'sha256'"),
        ({"stratum.purity.prue": []}, "'prue'; did you mean 'pure'?"),
        ({"stratum.purity.strictness": "strct"}, "'strct'; did you mean 'strict'?"),
        ({"stratum.purity.batch": "m.f"}, "stratum.purity.batch is 'm.f', but it"),
        ({"stratum.purity": ["m.f"]}, "stratum.purity is ['m.f'], but it is a section"),
        ({"stratum.rules": "merge"}, "stratum.rules is 'merge', but it is a list"),
        ({"stratum.rules": [1]}, "stratum.rules is [1], but it is a list of names"),
        ({"stratum.rules": ["merge", "merge"]}, "has 'merge' twice"),
        ({"stratum.purity.impure": "m.f"}, "such as [mypackage.clean, "),
        ({"stratum.check-invariants": "maybe"}, "stratum.check-invariants is 'maybe'"),
    ],
)
def test_a_wrong_key_or_value_is_told_the_right_ones(given, said):
    with dask.config.set(given), pytest.raises(ConfigError) as caught:
        settings()
    assert said in str(caught.value)


def test_a_config_error_is_a_value_error():
    with (
        dask.config.set({"stratum.nonsense": 1}),
        pytest.raises(ValueError, match="nons"),
    ):
        settings()


def test_environment_variables_reach_every_setting(fresh_python):
    code = "import dask; from stratum_dask.config import settings; print(settings())"
    done = fresh_python(
        code,
        DASK_STRATUM__DISTRIBUTED="client",
        DASK_STRATUM__RULES="['isolate', 'merge']",
        DASK_STRATUM__ON_FAIL="warn",
        DASK_STRATUM__CHECK_INVARIANTS="no",
        DASK_STRATUM__FINGERPRINT="sha256",
        DASK_STRATUM__PURITY__PURE="['m.f']",
        DASK_STRATUM__PURITY__STRICTNESS="strict",
    )
    assert done.stdout.strip() == (
        "Settings(enabled=False, distributed='client', rules=('isolate', 'merge'), "
        "on_fail='warn', check_invariants=False, fingerprint='sha256', "
        "pure=('m.f',), impure=(), batch=(), strictness='strict')"
    )


def test_a_users_file_stands_over_the_defaults(fresh_python, tmp_path):
    folder = tmp_path / "dask"
    folder.mkdir()
    (folder / "mine.yaml").write_text("stratum: {fingerprint: sha256}")
    code = (
        "import dask.config, stratum_dask.config as c\n"
        "print(c.settings().fingerprint, c.settings().distributed)\n"
        "dask.config.refresh()\n"
        "print(c.settings().fingerprint, c.settings().distributed)"
    )
    done = fresh_python(code, DASK_CONFIG=str(folder))
    assert done.stdout.split() == ["sha256", "auto"] * 2


def test_a_value_in_place_of_the_section_is_not_lost_silently(fresh_python):
    done = fresh_python(
        "from stratum_dask.config import enabled; print(enabled())", DASK_STRATUM="True"
    )
    assert done.stdout.strip() == "False"
    assert "DASK_STRATUM__ENABLED=True" in done.stderr


def test_changing_a_list_in_the_configuration_leaves_the_defaults_alone(fresh_python):
    code = (
        "import dask.config, stratum_dask.config as c\n"
        "dask.config.get('stratum.rules').clear()\n"
        "print(c.DEFAULTS['rules'])"
    )
    assert ast.literal_eval(fresh_python(code).stdout) == DEFAULTS["rules"]


def test_asking_whether_it_is_on_reads_one_value(monkeypatch):
    asked = []

    def get(key, *rest, **options):
        asked.append(key)
        return False

    monkeypatch.setattr(stratum_dask.config.dask_config, "get", get)
    assert enabled() is False
    assert asked == ["stratum.enabled"]

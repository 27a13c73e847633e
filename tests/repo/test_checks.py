"""Each check passes what is right and sees what is wrong."""

from collections.abc import Callable
import json
from pathlib import Path
import subprocess
from typing import Any

import pytest

from scripts.checks import (
    icons,
    layers,
    manifest,
    placeholders,
    quality_scale,
    schemas,
    translations,
    tree,
)
from scripts.checks.__main__ import CHECKS

from .conftest import Checkout

EN = "translations/en.json"
ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    "check",
    [check for check in CHECKS if check is not layers.check],
    ids=lambda check: check.__module__,
)
def test_this_checkout_passes(check: Callable[[Path], Any]) -> None:
    """What `scripts/lint` says, where the tests are run too (layers: test_layers)."""
    assert list(check(ROOT)) == []


@pytest.mark.parametrize(
    "check",
    [check for check in CHECKS if check is not tree.check],
    ids=lambda check: check.__module__,
)
def test_a_right_checkout_passes(
    checkout: Checkout, check: Callable[[Path], Any]
) -> None:
    """The checkout that the other tests spoil is right to begin with."""
    assert list(check(checkout.root)) == []


def _put(*path: str, value: Any) -> Callable[[Any], None]:
    def change(content: Any) -> None:
        for key in path[:-1]:
            content = content.setdefault(key, {})
        content[path[-1]] = value

    return change


def _drop(*path: str) -> Callable[[Any], None]:
    def change(content: Any) -> None:
        for key in path[:-1]:
            content = content[key]
        del content[path[-1]]

    return change


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (_drop("iot_class"), "iot_class is missing"),
        (_put("codeowners", value="@me"), "codeowners is not a list"),
        (_put("zzz", value=1), "zzz is not a key that Home Assistant knows"),
        (_put("bluetooth", value=[]), "keys stand in another order"),
        (_put("iot_class", value="by_post"), "iot_class is none of"),
        (_put("documentation", value="http://x"), "documentation is not an https"),
        (_put("codeowners", value=["me"]), "a name without @"),
        (_put("version", value="0.0.9"), "version is not that of pyproject.toml"),
        (_put("requirements", value=["no such"]), "cannot be read"),
        (_put("requirements", value=["no-such-thing"]), "is not installed"),
        (_put("requirements", value=["serialx<1"]), "is tested with"),
        (_put("single_config_entry", value=True), "would keep subentry flows"),
    ],
)
def test_a_wrong_manifest(
    checkout: Checkout, change: Callable[[Any], None], complaint: str
) -> None:
    """Keys, their order, and their values."""
    checkout.edit("manifest.json", change)
    assert any(complaint in found for found in manifest.check(checkout.root))


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ({"name": "x"}, "homeassistant is missing"),
        ({"name": "x", "homeassistant": "1", "domains": []}, "domains is not a key"),
        ({"name": "x", "homeassistant": "1", "zip_release": True}, "without filename"),
    ],
)
def test_a_wrong_hacs_json(
    checkout: Checkout, content: dict[str, Any], complaint: str
) -> None:
    """The keys HACS asks for, and no others."""
    (checkout.root / "hacs.json").write_text(json.dumps(content), encoding="utf-8")
    (found,) = manifest.check(checkout.root)
    assert complaint in found


@pytest.mark.parametrize(
    ("yaml", "complaint"),
    [
        (
            "start:\n  fields:\n    job:\n      selector:\n        nonsense:\n",
            "start.fields.job",
        ),
        ("start:\n  fields: [job]\n", "services.yaml"),
        ("start:\n", "services.start.fields.job is in one file only"),
        ("start:\nstop:\n", "services.stop.name is missing"),
        ("start:\nstop:\n", "icons.json: services.stop"),
        ("", "services.start is not in services.yaml"),
    ],
)
def test_wrong_services(checkout: Checkout, yaml: str, complaint: str) -> None:
    """The form, the texts and the icons of actions."""
    checkout.write("services.yaml", yaml)
    assert any(complaint in found for found in schemas.check(checkout.root))


@pytest.mark.parametrize("kind", ["triggers", "conditions"])
def test_wrong_triggers_and_conditions(checkout: Checkout, kind: str) -> None:
    """They are held to the same."""
    checkout.write(f"{kind}.yaml", "ended:\n  target:\n    entity: 3\n")
    (found,) = schemas.check(checkout.root)
    assert found.startswith(f"{kind}.yaml")
    checkout.write(f"{kind}.yaml", ".shared: &shared\n  a: 1\nended:\n")
    assert f"en.json: {kind}.ended.name is missing" in schemas.check(checkout.root)


def test_fields_inside_sections_need_texts_too(checkout: Checkout) -> None:
    """A section is not a field; what is in it is."""
    checkout.write(
        "services.yaml",
        "start:\n  fields:\n    job:\n      selector:\n        number:\n"
        "    more:\n      fields:\n        copies:\n          selector:\n"
        "            number:\n",
    )
    (found,) = schemas.check(checkout.root)
    assert "fields.copies" in found


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (_drop("exceptions", "full"), "exceptions.full is raised in config_flow.py"),
        (_drop("config", "abort", "busy"), "abort.busy is shown by config_flow.py"),
        (_drop("config", "step", "user"), "step.user is shown by config_flow.py"),
        (_drop("entity", "sensor", "layer"), "entity.sensor.layer is missing"),
        (_drop("entity", "sensor", "status"), "entity.sensor.status is missing"),
        (
            _drop("config", "step", "user", "data_description", "folder"),
            "config.step.user: folder lacks",
        ),
        (
            _put("exceptions", "gone", value={"message": "x"}),
            "exceptions.gone is used by nothing",
        ),
        (_put("nonsense", value={"a": "b"}), "nonsense is not a section"),
        (
            _put("config_subentries", "machine", value={"step": {}}),
            "config_subentries.machine.entry_type is missing",
        ),
    ],
)
def test_wrong_texts(
    checkout: Checkout, change: Callable[[Any], None], complaint: str
) -> None:
    """What the code asks for is there, and nothing else."""
    checkout.edit(EN, change)
    assert any(complaint in found for found in translations.check(checkout.root))


def test_issues_need_texts(checkout: Checkout) -> None:
    """A repair is found by its translation key."""
    checkout.write("repairs.py", 'async_create_issue(x, translation_key="lost")')
    (found,) = translations.check(checkout.root)
    assert "issues.lost is made in repairs.py:1" in found


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ('raise StorageError("lost")', "exceptions.lost is raised in farm/a.py:1"),
        ('raise StorageError("full")', None),
        ('end(job, reason="lost")', "the reason lost is given in farm/a.py:1"),
        ('end(job, reason=given or "lost")', "the reason lost is given"),
        ('RunEnded(Ending.FAILED, "lost")', "the reason lost is given"),
        ('RunEnded(Ending.FAILED, "reset")', None),
    ],
)
def test_codes_of_the_domain_need_texts(
    checkout: Checkout, source: str, complaint: str | None
) -> None:
    """Its errors by their keys, and what its events give as a reason."""
    reasons = {"reason": {"state": {"reset": "Machine restarted"}}}
    event = {"name": "Print", "state_attributes": reasons}
    checkout.edit(EN, _put("entity", "event", "print", value=event))
    checkout.write("event.py", 'EventEntityDescription(key="print")')
    checkout.write("farm/a.py", source)
    found = list(translations.check(checkout.root))
    assert len(found) == (complaint is not None)
    assert all(str(complaint) in one for one in found)


def test_absent_texts(checkout: Checkout) -> None:
    """There is no integration without English."""
    (checkout.integration / EN).unlink()
    assert list(translations.check(checkout.root)) == ["en.json: is missing"]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("<b>No</b> room for {file}", "holds HTML"),
        ("No room for '{file}'", "in single quotes"),
        ("No room for {file}}", "unbalanced"),
        ("No room for {the file}", "is not a name"),
        ("[%key:common::x%] {file}", "refers to another text"),
        (" {file}", "begins or ends with a space"),
        ("", "is not a text"),
    ],
)
def test_wrong_wording(checkout: Checkout, text: str, complaint: str) -> None:
    """Plain texts only."""
    checkout.edit(EN, _put("exceptions", "full", "message", value=text))
    assert any(complaint in found for found in placeholders.check(checkout.root))


def test_other_languages_follow_english(checkout: Checkout) -> None:
    """The same keys, and the same placeholders in each."""
    english = (checkout.integration / EN).read_text(encoding="utf-8")
    checkout.write("translations/nl.json", english)
    assert list(placeholders.check(checkout.root)) == []
    change = _put("exceptions", "full", "message", value="Geen plaats voor {bestand}.")
    checkout.edit("translations/nl.json", change)
    checkout.edit("translations/nl.json", _drop("config", "abort", "busy"))
    found = list(placeholders.check(checkout.root))
    assert len(found) == 2
    assert any("exceptions.full.message has other placeholders" in one for one in found)
    assert any("config.abort.busy is not in both" in one for one in found)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (_put("entity", "sensor", "layer", "default", value="layers"), "not the name"),
        (_put("entity", "sensor", "gone", value={"default": "mdi:x"}), "no name"),
        (_drop("entity", "sensor", "layer", "default"), "has no default"),
        (
            _put("entity", "sensor", "status", "state", "off", value="mdi:x"),
            "knows ['off']",
        ),
        (_put("nonsense", "x", value="mdi:x"), "nonsense is not a section"),
    ],
)
def test_wrong_icons(
    checkout: Checkout, change: Callable[[Any], None], complaint: str
) -> None:
    """The form of icons, and that each belongs to something."""
    checkout.edit("icons.json", change)
    assert any(complaint in found for found in icons.check(checkout.root))


def test_missing_brand(checkout: Checkout) -> None:
    """Home Assistant and HACS show these."""
    (checkout.integration / "brand" / "icon@2x.png").unlink()
    assert list(icons.check(checkout.root)) == ["brand/icon@2x.png: is missing"]


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("  devices: done\n", "", "devices is missing"),
        ("  devices: done\n", "  devices: exempt\n", "devices does not say why"),
        ("  devices: done\n", "  devices: perhaps\n", "devices is neither"),
        ("  devices: done\n", "  devices: done\n  x: done\n", "x is not a rule"),
    ],
)
def test_a_wrong_ledger(checkout: Checkout, old: str, new: str, complaint: str) -> None:
    """Every rule, with its state."""
    path = checkout.integration / "quality_scale.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace(old, new), "utf-8")
    (found,) = quality_scale.check(checkout.root)
    assert complaint in found


def test_no_ledger(checkout: Checkout) -> None:
    """An empty or absent one is said, not passed."""
    checkout.write("quality_scale.yaml", "rules:\n")
    assert list(quality_scale.check(checkout.root)) == [
        "quality_scale.yaml: has no rules"
    ]
    (checkout.integration / "quality_scale.yaml").unlink()
    assert list(quality_scale.check(checkout.root)) == [
        "quality_scale.yaml: is missing"
    ]


@pytest.mark.parametrize(
    "line",
    [
        "index = https://{}/simple".format("py" + "pi.org"),
        "mirror = https://{}/debian".format("deb.de" + "bian.org"),
        "path = /{}/somewhere".format("ro" + "ot"),
        "path = /{}/somebody/x".format("ho" + "me"),
        "-----{} RSA PRIVATE KEY-----".format("BEG" + "IN"),
    ],
)
def test_what_no_file_may_hold(tmp_path: Path, line: str) -> None:
    """Committed or about to be, but not what git leaves out."""
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    (tmp_path / ".gitignore").write_text("/cache/\n", encoding="utf-8")
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "x").write_text(line, encoding="utf-8")
    (tmp_path / "picture").write_bytes(b"\0" + line.encode())
    assert list(tree.check(tmp_path)) == []
    (tmp_path / "notes").write_text(f"first\n{line}\n", encoding="utf-8")
    (found,) = tree.check(tmp_path)
    assert found.startswith("notes:2: holds")

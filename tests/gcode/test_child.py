"""The analysis as a program of its own tells the same as the function."""

from dataclasses import replace
import json
from pathlib import Path
import subprocess
import sys
from typing import Any

from custom_components.printfarm import gcode
from custom_components.printfarm.gcode.child import describe
from custom_components.printfarm.gcode.serial import (
    moment_from_json,
    plate_from_json,
    plate_to_json,
    report_from_json,
)

FIXTURES = Path(__file__).parents[1] / "fixtures" / "gcode"
PACKAGE = Path(gcode.__file__).parents[1]


def run_child(path: Path, name: str, work: Path) -> dict[str, Any]:
    """Run the program as the farm's worker does."""
    program = "import sys; sys.path.append(sys.argv.pop(1)); from gcode.child import main; main()"
    done = subprocess.run(
        [sys.executable, "-P", "-c", program, PACKAGE, path, name, work],
        check=True,
        capture_output=True,
    )
    return dict(json.loads(done.stdout))


def test_the_program_tells_what_the_function_does(tmp_path: Path) -> None:
    """Nothing is lost on the way through JSON and the process boundary."""
    path = FIXTURES / "coin.gcode"
    report = gcode.analyse(path, path.name, tmp_path)
    assert report_from_json(run_child(path, path.name, tmp_path)) == report
    assert report.plates[0].analysis.layers == 9


def test_pictures_survive(tmp_path: Path) -> None:
    """Bytes of a picture come back as they were."""
    path = FIXTURES / "coin.gcode"
    picture = gcode.Thumbnail(2, 1, "png", bytes(range(256)))
    report = replace(gcode.analyse(path, path.name, tmp_path), thumbnails=(picture,))
    again = report_from_json(json.loads(json.dumps(describe(report))))
    assert again.thumbnails == (picture,)


def test_a_refusal_is_told_with_its_reason(tmp_path: Path) -> None:
    """What is no print is an answer, not a crash."""
    empty = tmp_path / "empty.gcode"
    empty.touch()
    answer = run_child(empty, empty.name, tmp_path / "work")
    assert answer["refused"] == gcode.Refusal.EMPTY


def test_a_missing_file_is_told_by_its_error_number(tmp_path: Path) -> None:
    """The worker raises the same error that the function would."""
    answer = run_child(tmp_path / "none.gcode", "none.gcode", tmp_path / "work")
    assert answer["errno"] == 2


def test_words_of_another_version_are_left_out(tmp_path: Path) -> None:
    """A file that was read by a newer version stays readable."""
    path = FIXTURES / "coin.gcode"
    plate = gcode.analyse(path, path.name, tmp_path).plates[0].analysis
    stored = plate_to_json(plate) | {
        "flags": ["truncated", "from_the_future"],
        "time_source": "oracle",
        "novelty": 1,
    }
    again = plate_from_json(json.loads(json.dumps(stored)))
    assert again == replace(plate, flags=(gcode.Flag.TRUNCATED,), time_source=None)


def run_replay(path: Path, position: int) -> dict[str, Any]:
    """Run the other program as the farm's worker does."""
    program = (
        "import sys; sys.path.append(sys.argv.pop(1)); "
        "from gcode.child import main_replay; main_replay()"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", program, PACKAGE, path, str(position)],
        check=True,
        capture_output=True,
    )
    return dict(json.loads(done.stdout))


def test_the_replay_tells_what_the_function_does() -> None:
    """What a file has set up comes whole out of the process."""
    path = FIXTURES / "two_tools.gcode"
    moment = gcode.replay(path, 18_000)
    assert moment_from_json(run_replay(path, 18_000)) == moment
    assert moment.tool == "T1"


def test_the_replay_tells_what_it_cannot_follow(tmp_path: Path) -> None:
    """By name and place; a missing file by its error number."""
    path = tmp_path / "part.gcode"
    path.write_text("G28\nG55\n")
    assert run_replay(path, 8) == {"unknowable": "G55", "offset": 4}
    assert run_replay(tmp_path / "none.gcode", 8)["errno"] == 2

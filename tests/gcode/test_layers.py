"""Layers are found by remarks, and without them by the moves."""

from collections.abc import Sequence

import pytest

from custom_components.printfarm.gcode.layers import LayerFinder, Layers, Mark
from custom_components.printfarm.gcode.machine import Machine
from custom_components.printfarm.gcode.words import split


def layers(lines: Sequence[str], mark: Mark | None = None, parts: int = 1) -> Layers:
    """Find the layers of some lines, given in so many chunks."""
    finder, machine, base = LayerFinder(), Machine(), 0
    size = -(-len(lines) // parts)
    for at in range(0, len(lines), size):
        chunk = "".join(f"{line}\n" for line in lines[at : at + size]).encode()
        words = split(chunk)
        finder.follow(chunk, base, words, machine.follow(words))
        base += len(chunk)
    return finder.layers(mark)


def test_moves_alone() -> None:
    """A lift, a travel and a retraction make no layer; filament at a height does."""
    found = layers(
        ["M83", "G1 Z.2", "G1 X9 E1", "G1 Z5", "G1 E1", "G1 X0", "G1 Z.2", "G1 X9 E1",
         "G1 Z.5", "G1 X0 E1"]
    )  # fmt: skip
    assert found.z.tolist() == [0.2, 0.5]
    assert found.thickness.tolist() == pytest.approx([0.2, 0.3])


def test_a_line_to_clean_the_nozzle_is_no_layer() -> None:
    """It lies higher than the first layer, and alone."""
    found = layers(
        ["M83", "G1 Z.3", "G1 X9 E1", "G1 Z.2", "G1 X0 E1", "G1 Z.4", "G1 X9 E1"]
    )
    assert found.z.tolist() == [0.2, 0.4]
    assert found.starts.tolist() == [27, 43]


def test_one_object_after_another() -> None:
    """Down again is a new object; its first layer stands on the bed."""
    one = ["G1 Z.2", "G1 X9 E1", "G1 Z.4", "G1 X0 E1"]
    found = layers(["M83", *one, *one])
    assert found.z.tolist() == [0.2, 0.4, 0.2, 0.4]
    assert found.thickness.tolist() == pytest.approx([0.2] * 4)


def test_a_spiral_has_a_layer_a_turn() -> None:
    """Ten turns of ten moves, climbing all the time."""
    turns = [f"G1 X{step % 2} Z{0.2 + step * 0.02:.3f} E1" for step in range(1, 101)]
    found = layers(["M83", "G1 Z.2", "G1 X5 E1", *turns])
    assert found.z.size == 11
    assert found.z[-1] == pytest.approx(2.2)


def test_remarks_beat_moves() -> None:
    """Heights are those told; only the first one after the mark is the layer's."""
    text = ["M83", "G1 Z3", "G1 X1 E1", ";LAYER_CHANGE", ";Z:0.3", ";HEIGHT:0.3",
            "G1 Z.3", "G1 X2 E1", ";HEIGHT:0.5", "G1 X1 E1", ";Z:9", "; LAYER_CHANGE",
            ";AFTER_LAYER_CHANGE", ";Z:0.5", ";HEIGHT:0.2"]  # fmt: skip
    for parts in (1, 2, 3):
        found = layers(text, Mark.LAYER_CHANGE, parts)
        assert found.z.tolist() == [0.3, 0.5]
        assert found.thickness.tolist() == [0.3, 0.2]


def test_the_slicers_own_mark_counts() -> None:
    """A second kind, from somebody's own layer G-code, is not counted as well."""
    text = ["M83", ";LAYER_CHANGE", ";Z:0.2", ";LAYER:0", "G1 X1 E1", ";LAYER_CHANGE",
            ";Z:0.4", "G1 X2 E1"]  # fmt: skip
    assert layers(text, Mark.LAYER_CHANGE).starts.size == 2
    assert layers(text, Mark.LAYER).starts.size == 1
    assert layers(text, Mark.CHANGE_LAYER).starts.size == 2
    assert layers(text).starts.size == 2


@pytest.mark.parametrize("parts", [1, 2, 4])
def test_heights_from_moves_where_no_remark_tells(parts: int) -> None:
    """Cura names layers only; a raft counts below nought; an empty layer is low."""
    text = ["M83", ";LAYER:-1", "G1 Z.3", "G1 X1 E1", ";LAYER:0", "G1 Z.5", "G1 X2 E1",
            ";LAYER:1", ";LAYER:2", "G1 Z.9", "G1 X1 E1"]  # fmt: skip
    found = layers(text, Mark.LAYER, parts)
    assert found.z.tolist() == [0.3, 0.5, 0.5, 0.9]
    assert found.thickness.tolist() == pytest.approx([0.3, 0.2, 0, 0.4])


def test_settings_are_no_layers() -> None:
    """Lines that only look like marks."""
    text = ["; layer_height = 0.2", "; layer_change_gcode = ;LAYER_CHANGE", ";LAYER_COUNT:5",
            ";Layer height: 0.2", "; LAYER_CHANGE_x", ";LAYER:", ";Z:0.2"]  # fmt: skip
    assert layers(text).starts.size == 0


def test_a_broken_mark_at_the_end() -> None:
    """A file may end anywhere."""
    assert layers([";LAYER_CHANGE", ";Z:"]).z.tolist() == [0.0]
    assert layers([";"]).z.size == 0

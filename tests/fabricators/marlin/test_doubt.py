"""Answers that a bad wire has changed, word by word: what can be told, and what is asked."""

from hypothesis import given, strategies as st
import pytest

from custom_components.printfarm.fabricators.marlin import resending, silence
from custom_components.printfarm.fabricators.marlin.answers import parse
from custom_components.printfarm.fabricators.marlin.events import RunEnded
from custom_components.printfarm.fabricators.marlin.session import Phase
from custom_components.printfarm.fabricators.marlin.wire import encode

from .test_scripted import TEMPERATURES, Talk

MISMATCH = "Error:checksum mismatch, Last Line: 1"


@pytest.fixture
def talk() -> Talk:
    """A board that prints, with line 2 in flight."""
    talk = Talk()
    talk.ready()
    assert talk.begin("G1 X1", "G1 X2", "G1 X3") == _line(2, "G1 X1")
    return talk


def _line(number: int, command: str) -> bytes:
    return encode(number, command.encode())


@pytest.mark.parametrize("number", [3, 1, 22, 0])
def test_resend_that_contradicts_its_reason(talk: Talk, number: int) -> None:
    """Two numbers that disagree: one was damaged, so the firmware is asked again."""
    assert talk.say(MISMATCH, f"Resend: {number}", "ok") == _line(3, "M105")
    again = talk.say("Error:Line Number is not Last Line Number+1, Last Line: 1")
    assert again + talk.say("Resend: 2", "ok") == _line(2, "G1 X1")
    assert talk.say("ok") == _line(3, "M105")
    assert talk.say(f"ok {TEMPERATURES}") == _line(4, "G1 X2")
    assert talk.engine.position == 10


def test_number_that_cannot_be(talk: Talk) -> None:
    """A line that was never sent cannot be wanted; nor does that end a print."""
    assert talk.say("Resend: 52", "ok") == _line(3, "M105")
    assert talk.say("Resend: 2", "ok") == _line(2, "G1 X1")
    assert not any(isinstance(event, RunEnded) for event in talk.events)


def test_resend_that_was_garbled(talk: Talk) -> None:
    """The error before it says the same, so the `ok` is not taken for that of the line."""
    assert talk.say(MISMATCH, "Resnd: 2") == b""
    assert talk.say("ok") == _line(2, "G1 X1")
    assert talk.engine.position == 0
    assert talk.say("ok") == _line(3, "G1 X2")


def test_reason_that_was_garbled(talk: Talk) -> None:
    """An error about nothing that is known is no fault if a line is wanted after it."""
    assert talk.say("Error:cheksum mi5match, La5t Line: 1", "Resend: 2") == b""
    assert talk.say("ok") == _line(2, "G1 X1")
    talk.wait(1.0)
    assert talk.say("ok") == _line(3, "G1 X2")
    assert talk.engine.phase is Phase.PRINTING


def test_answer_that_looks_like_a_number(talk: Talk) -> None:
    """A damaged report is not taken for firmware that numbers its answers."""
    talk.say("ok")
    talk.engine.send(None, b"M105", talk.now)
    talk.say("ok")
    talk.say("ok 2:20.0 /0.0")
    assert talk.wait(silence.ASK_AFTER).endswith(_line(5, "M105"))
    assert talk.say(f"ok {TEMPERATURES}") == b""
    assert talk.say(f"ok {TEMPERATURES}") == _line(6, "G1 X3")
    talk.say("ok")
    assert talk.engine.position == 30


def test_resend_overtakes_what_has_not_left(talk: Talk) -> None:
    """A line that is asked for before it was written is written once."""
    assert talk.say("ok", "Resend: 3", "ok") == _line(3, "G1 X2")


def test_reason_heard_with_the_count_reset() -> None:
    """What is said about the old count is forgotten with it."""
    talk = Talk()
    talk.ready()
    talk.engine.begin(talk.now)
    talk.engine.supply([(10, b"G1 X1"), (20, b"G1 X2")], talk.now)
    talk.say("Error:checksum mismatch, Last Line: 900", "Resend: 901")
    assert talk.say("ok") == _line(0, "M110 N0")
    talk.say("ok")
    assert talk.say(f"ok {TEMPERATURES}") == _line(2, "G1 X1")
    assert talk.say("ok") == _line(3, "G1 X2")


def _forgetful(talk: Talk) -> None:
    """Learn that no `ok` comes behind `Resend`."""
    talk.say("Resend: 2")
    assert talk.wait(resending.OK_TIMEOUT + 0.01) == _line(2, "G1 X1")
    assert talk.say("ok") == _line(3, "G1 X2")


def test_forgotten_ok_costs_time_once(talk: Talk) -> None:
    """From the second time on, the line goes at once, and an M105 proves it."""
    _forgetful(talk)
    assert talk.say("Resend: 3") == _line(3, "G1 X2") + _line(4, "M105")
    assert talk.say("ok") == b""
    assert talk.engine.position == 10
    assert talk.say(f"ok {TEMPERATURES}") == _line(5, "G1 X3")
    assert talk.engine.position == 20


def test_ok_that_was_lost_and_not_forgotten(talk: Talk) -> None:
    """Where a second `ok` comes, the first was behind `Resend`: that is learned, too."""
    _forgetful(talk)
    assert talk.say("Resend: 3") == _line(3, "G1 X2") + _line(4, "M105")
    assert talk.say("ok") == b""
    assert talk.say("ok") == b""
    assert talk.engine.position == 20
    assert talk.say(f"ok {TEMPERATURES}") == _line(5, "G1 X3")
    assert talk.say("Resend: 5") == b""
    assert talk.say("ok") == _line(5, "G1 X3")


def test_damaged_again_while_in_doubt(talk: Talk) -> None:
    """Both lines are wanted once more; neither is skipped."""
    _forgetful(talk)
    both = _line(3, "G1 X2") + _line(4, "M105")
    assert talk.say("Resend: 3") == both
    assert talk.say("Resend: 3") == both
    assert talk.say("Resend: 4") == _line(4, "M105") + _line(5, "M105")
    assert talk.say("ok") == b""
    assert talk.say(f"ok {TEMPERATURES}") == b""
    assert talk.say(f"ok {TEMPERATURES}") == _line(6, "G1 X3")


def test_forgetful_and_reporting_apart() -> None:
    """Firmware that writes temperatures on a line before their `ok`."""
    talk = Talk()
    talk.say("ok")
    talk.say("ok")
    talk.say("FIRMWARE_NAME:Old", "ok")
    talk.say(TEMPERATURES, "ok")
    talk.engine._next_poll = 1e9
    talk.engine.begin(talk.now)
    commands = [(10 * step, b"G1 X%d" % step) for step in (1, 2, 3)]
    talk.engine.supply(commands, talk.now, complete=True)
    talk.say("ok")
    assert talk.say(TEMPERATURES, "ok") == _line(2, "G1 X1")
    _forgetful(talk)
    assert talk.say("Resend: 3") == _line(3, "G1 X2") + _line(4, "M105")
    assert talk.say("ok") == b""
    assert talk.say(TEMPERATURES) == b""
    assert talk.say("ok") == _line(5, "G1 X3")


def test_advanced_resend_needs_no_ok(talk: Talk) -> None:
    """With numbers on the answers the line goes again at once."""
    talk.say("ok N2 P15 B3")
    assert talk.say("Error:checksum mismatch, Last Line: 2", "Resend: 3").startswith(
        _line(3, "G1 X2")
    )
    assert talk.say("ok") == b""
    assert talk.say("ok N3 P15 B3") == _line(4, "G1 X3")


def test_advanced_fast_path(talk: Talk) -> None:
    """Exactly the answer of the line in flight is worth the next line at once."""
    talk.say("ok N2 P15 B3")
    engine = talk.engine
    assert engine._link.steady
    assert not engine._link.confirms(b"ok N2 P15 B3\n")
    assert not engine._link.confirms(b"ok N3 P15 B3\nok N4 P15 B3\n")
    assert not engine._link.confirms(b"ok N3 P15 B3")
    assert not engine._link.confirms(b"ok N33 P15 B3\n")
    assert engine._link.confirms(b"ok N3 P15 B3\n")
    assert engine.receive(b"ok\n", talk.now) == b""
    assert engine.receive(b"ok N3 P15 B3\n", talk.now) == _line(4, "G1 X3")


def test_unknown_command_in_other_words() -> None:
    """Repetier writes the command anew, Klipper only its name."""
    talk = Talk()
    talk.ready()
    talk.begin("M555 S1", "FOO BAR", "G1 X1")
    assert talk.say("Unknown command:M555 S1.00 ", "ok") == _line(3, "FOO BAR")
    assert talk.say('Unknown command:"FOO"', "ok") == _line(4, "G1 X1")


def test_klipper() -> None:
    """It answers empty lines, too; so none is sent, or answers would pile up."""
    talk = Talk()
    talk.say("ok")
    talk.say("ok")
    talk.say("ok FIRMWARE_NAME:Klipper FIRMWARE_VERSION:v0.12")
    talk.say("ok B:20.0 /0.0 T0:20.0 /0.0")
    assert talk.engine.phase is Phase.READY
    talk.engine._next_poll = 1e9
    talk.begin("FOO", "G1 X1")
    assert talk.wait(silence.ASK_AFTER) == _line(3, "M105")
    assert talk.say('// Unknown command:"FOO"', "ok") == b""
    assert talk.say("ok B:20.0 /0.0 T0:20.0 /0.0") == _line(4, "G1 X1")
    talk.say("!! Move out of range: 999.000 0.000 0.000 [0.000]")
    talk.wait(1.0)
    assert talk.engine.fault == "Move out of range: 999.000 0.000 0.000 [0.000]"


@given(st.binary(max_size=120))
def test_any_noise_can_be_read(noise: bytes) -> None:
    """Nothing that comes in stops the reader."""
    assert parse(noise)


@given(
    st.sampled_from(
        [
            b"ok T:21.95 /0.00 B:22.03 /0.00 T0:21.9 /0.0 @:0 B@:0",
            b"Error:Line Number is not Last Line Number+1, Last Line: 3",
            b"ok N12 P15 B3",
            b"FIRMWARE_NAME:Marlin 2 (Nov) PROTOCOL_VERSION:1.0 EXTRUDER_COUNT:1",
            b"area:{full:{min:{x:0.00,y:0.00,z:0.00},max:{x:2.00,y:2.00,z:2.00}}",
            b"X:0.00 Y:0.00 Z:5.00 E:0.00 Count X:0 Y:0 Z:2000",
        ]
    ),
    st.integers(0, 50),
    st.binary(max_size=2),
)
def test_damaged_answers_can_be_read(line: bytes, at: int, instead: bytes) -> None:
    """Nor does an answer with a wrong byte in it, and none becomes a fatal error."""
    for answer in parse(line[:at] + instead + line[at + 1 :]):
        severity = getattr(answer, "severity", None)
        assert severity is None or not severity.fatal

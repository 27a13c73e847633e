"""Conversations word by word: accents and troubles that no emulated board has."""

from math import inf

import pytest

from custom_components.printfarm.fabricators.marlin import (
    engine as module,
    greeting,
    recall,
    resending,
    silence,
)
from custom_components.printfarm.fabricators.marlin.engine import Engine
from custom_components.printfarm.fabricators.marlin.events import (
    Ending,
    Event,
    Fault,
    Ready,
    Reply,
    RunEnded,
    RunPaused,
    RunResumed,
    Silent,
)
from custom_components.printfarm.fabricators.marlin.session import Phase
from custom_components.printfarm.fabricators.marlin.wire import encode

TEMPERATURES = "T:20.0 /0.0 B:20.0 /0.0 @:0 B@:0"


class Talk:
    """An engine, and a board that says what the test tells it to."""

    def __init__(self) -> None:
        """Connect."""
        self.engine = Engine()
        self.now = 100.0
        self.heard = self.engine.open(self.now)
        self.events: list[Event] = []

    def say(self, *lines: str) -> bytes:
        """The board says something; gives back what it is told."""
        self.now += 0.001
        data = "".join(f"{line}\n" for line in lines).encode()
        self.heard = self.engine.receive(data, self.now)
        self.heard += self.engine.upkeep(self.now)
        self.events += self.engine.take_events()
        return self.heard

    def wait(self, seconds: float) -> bytes:
        """Nobody says anything."""
        self.heard = b""
        end = self.now + seconds
        while (due := self.engine.deadline) is not None and due <= end:
            self.now = max(self.now, due)
            self.heard += self.engine.tick(self.now)
        self.now = end
        self.events += self.engine.take_events()
        return self.heard

    @property
    def of_silence(self) -> list[Silent]:
        """Times that nobody was there any more."""
        return [event for event in self.events if isinstance(event, Silent)]

    def ready(self) -> None:
        """Get to know each other."""
        self.say("ok")
        self.say("ok")
        self.say("FIRMWARE_NAME:Marlin 2.0.9", "ok")
        self.say(f"ok {TEMPERATURES}")
        assert self.engine.phase is Phase.READY
        # Asking for temperatures now and then would only be in the way here.
        self.engine._next_poll = inf

    def begin(self, *commands: str) -> bytes:
        """Start a print, up to its first line."""
        self.engine.begin(self.now)
        self.engine.supply(
            [(10 * count, line.encode()) for count, line in enumerate(commands, 1)],
            self.now,
            complete=True,
        )
        self.say("ok")
        return self.say(f"ok {TEMPERATURES}")


@pytest.fixture
def talk() -> Talk:
    """A board that is ready."""
    talk = Talk()
    talk.ready()
    return talk


def _line(number: int, command: str) -> bytes:
    return encode(number, command.encode())


def test_one_line_in_flight(talk: Talk) -> None:
    """Each `ok` is worth one line, and nothing goes without one."""
    assert talk.begin("G28", "G1 X1", "G1 X2") == _line(2, "G28")
    assert talk.say("echo:busy: processing") == b""
    assert talk.say("ok") == _line(3, "G1 X1")
    assert talk.say("X:1.00 Y:2.00 Z:3.00 E:0.00 Count X:0 Y:0 Z:0") == b""
    assert talk.engine.position == 10


def test_resend(talk: Talk) -> None:
    """The `ok` behind a `Resend` acknowledges nothing; the line goes again."""
    talk.begin("G28", "G1 X1")
    assert talk.say("Error:checksum mismatch, Last Line: 1", "Resend: 2") == b""
    assert talk.say("ok") == _line(2, "G28")
    assert talk.engine.position == 0
    assert talk.say("ok") == _line(3, "G1 X1")


def test_resend_without_ok(talk: Talk) -> None:
    """Firmware that forgets the `ok` gets its line after a moment."""
    talk.begin("G28")
    assert talk.say("Resend: 2") == b""
    assert talk.wait(resending.OK_TIMEOUT + 0.01) == _line(2, "G28")


def test_resend_overtakes_an_ok(talk: Talk) -> None:
    """A line that has arrived is not sent again when the probe behind it was bad."""
    talk.begin("G1 X0", "G1 X1")
    probe = talk.wait(silence.ASK_AFTER)
    assert probe == b"\n" + _line(3, "M105")
    assert talk.say("Error:checksum mismatch, Last Line: 2", "Resend: 3", "ok") == b""
    assert talk.say("ok") == _line(3, "M105")
    assert talk.say(f"ok {TEMPERATURES}") == _line(4, "G1 X1")


def test_arrived_but_never_answered(talk: Talk) -> None:
    """What the firmware has counted has arrived, also if its `ok` is lost for good."""
    talk.begin("G1 X0", "G1 X1")
    talk.wait(silence.ASK_AFTER)
    talk.say("Resend: 4", "ok")
    assert talk.wait(silence.ASK_AGAIN_AFTER) == _line(4, "G1 X1")
    assert talk.engine.position == 10


def test_ok_that_came_twice(talk: Talk) -> None:
    """An `ok` cannot answer what has not left yet."""
    talk.begin("G28", "G1 X1", "G1 X2")
    assert talk.say("ok", "ok") == _line(3, "G1 X1")
    assert talk.engine.position == 10


def test_the_rest_of_a_cut_line(talk: Talk) -> None:
    """The firmware takes a tail for a command of its own; its `ok` is not ours."""
    talk.begin("G28", "G1 X1")
    assert talk.say('echo:Unknown command: "8*5"', "ok") == b""
    assert talk.say("ok") == _line(3, "G1 X1")


def test_own_unknown_command(talk: Talk) -> None:
    """A command of the file that the firmware does not know is done with."""
    talk.begin("M555", "G1 X1")
    assert talk.say('echo:Unknown command: "M555"', "ok") == _line(3, "G1 X1")


def test_wait_means_lost(talk: Talk) -> None:
    """An idle firmware has lost the line or its answer: it is asked at once."""
    talk.begin("G28", "G1 X1")
    assert talk.say("wait") == b""
    talk.wait(1.0)
    assert talk.say("wait") == b"\n" + _line(3, "M105")
    assert talk.say(f"ok {TEMPERATURES}") == _line(4, "G1 X1")


def test_reports_do_not_hide_a_lost_answer(talk: Talk) -> None:
    """Automatic temperatures go on whatever has become of a line."""
    talk.begin("G28", "G1 X1")
    probe = b""
    for _ in range(20):
        probe += talk.wait(2.0)
        talk.say(f" {TEMPERATURES}")
    assert _line(3, "M105") in probe


def test_heating_is_not_hurried(talk: Talk) -> None:
    """Readings of a blocking heat-up are signs of life."""
    talk.begin("M109 S200")
    for seconds in (1.0, *[20.0] * 20):
        assert talk.wait(seconds) == b""
        assert talk.say(" T:60.0 /200.0 B:20.0 /0.0 W:?") == b""


def test_probing_goes_on(talk: Talk) -> None:
    """Neither a lost probe nor its lost answer stops the print for good."""
    talk.begin("G1 X1", "G1 X2")
    assert talk.wait(silence.ASK_AFTER) == b"\n" + _line(3, "M105")
    assert talk.wait(silence.ASK_AGAIN_AFTER) == b"\n" + _line(4, "M105")
    assert talk.wait(silence.ANSWER_TIMEOUT) == b"\n" + _line(5, "M105")
    talk.say(f"ok {TEMPERATURES}")
    assert talk.say(f"ok {TEMPERATURES}") == b""
    assert talk.wait(silence.ASK_AFTER) == _line(6, "G1 X2")


def test_long_silence_of_a_long_command(talk: Talk) -> None:
    """A board without signs of life may take its time for probing the bed."""
    talk.begin("G29", "G1 X1")
    talk.wait(1700.0)
    assert talk.engine.phase is Phase.PRINTING
    talk.wait(200.0)
    assert talk.events[-1] == Silent("no_answer")


def test_waiting_for_a_person_has_no_end(talk: Talk) -> None:
    """Nobody knows when the filament is changed."""
    talk.begin("M600", "G1 X1")
    talk.wait(7200.0)
    assert talk.engine.phase is Phase.PRINTING


def test_waiting_without_host_actions(talk: Talk) -> None:
    """Boards without a word to the host are understood by their busy lines."""
    talk.begin("M600", "G1 X1")
    talk.say("echo:busy: paused for user")
    assert RunPaused("firmware") in talk.events
    assert talk.engine.resume(talk.now) == b"M108\n"
    assert talk.say("echo:busy: paused for user") == b"M108\n"
    talk.say("ok")
    assert RunResumed() in talk.events
    talk.say("ok")
    assert talk.say("ok") == _line(3, "G1 X1")


def test_out_of_step(talk: Talk) -> None:
    """A firmware that asks for what was done long ago has lost its memory."""
    talk.begin(*(f"G1 X{x}" for x in range(50)))
    for _ in range(20):
        talk.say("ok")
    assert talk.say("Resend: 1", "ok") == _line(23, "M105")
    cold = talk.say("Resend: 1", "ok")
    end = RunEnded(Ending.FAILED, "out_of_step", "Resend: 1, last line sent: 23")
    assert end in talk.events
    assert b"M104 S0\nM140 S0\n" in cold
    assert talk.engine.phase in {Phase.GREETING, Phase.IDENTIFYING}


def test_resend_loop(talk: Talk) -> None:
    """A line that never gets through ends the print."""
    talk.begin("G28")
    for _ in range(recall.RESEND_LIMIT + 1):
        talk.say("Resend: 2", "ok")
    assert any(isinstance(event, RunEnded) for event in talk.events)


def test_numbers_that_did_not_reset(talk: Talk) -> None:
    """Where M110 got lost, it is sent again before the first line of the file."""
    talk.engine.begin(talk.now)
    talk.engine.supply([(4, b"G28")], talk.now, complete=True)
    talk.say("ok")
    assert talk.say("Resend: 901", "ok") == _line(2, "M105")
    assert talk.say("Resend: 901", "ok").startswith(_line(0, "M110 N0"))
    talk.say("ok")
    assert talk.say(f"ok {TEMPERATURES}") == _line(2, "G28")


def test_damaged_reset_of_numbers(talk: Talk) -> None:
    """A `Resend` about M110 itself is about the old count."""
    talk.engine.begin(talk.now)
    assert talk.say("Error:checksum mismatch, Last Line: 900", "Resend: 901") == b""
    assert talk.say("ok") == _line(0, "M110 N0")


def test_lost_reset_of_numbers(talk: Talk) -> None:
    """M110 may be repeated as often as it takes."""
    talk.engine.begin(talk.now)
    assert talk.wait(silence.ASK_AFTER) == b"\n" + _line(0, "M110 N0")


def test_numbers_that_never_reset(talk: Talk) -> None:
    """A board that will not count with us is not printed on."""
    talk.engine.begin(talk.now)
    for _ in range(module.START_TRIES + 1):
        talk.say("ok")
        talk.say("Resend: 901", "ok")
        talk.say("Resend: 901", "ok")
    assert any(isinstance(event, RunEnded) for event in talk.events)
    assert not talk.engine.sent_file_line


def test_error_in_two_lines(talk: Talk) -> None:
    """Older firmware breaks its last words in two."""
    talk.begin("G28")
    talk.say("Error:0", ": Extruder switched off. MAXTEMP triggered !")
    assert talk.engine.phase is Phase.PRINTING
    assert talk.wait(1.0) == b"M104 S0\nM140 S0\nM107\n"
    text = "0: Extruder switched off. MAXTEMP triggered !"
    assert RunEnded(Ending.FAILED, "heater_fault", text) in talk.events
    assert Fault("heater_fault", text) in talk.events


def test_restart_after_a_fault(talk: Talk) -> None:
    """A firmware that was stopped and not killed can be told to go on."""
    talk.say("!! Something broke")
    talk.wait(1.0)
    assert talk.engine.phase is Phase.HALTED
    assert talk.engine.fault == "Something broke"
    talk.say("Error:Something else")
    assert talk.engine.fault == "Something broke"
    talk.engine.send("again", b"M999", talk.now)
    talk.say("ok")
    assert talk.engine.phase is Phase.READY
    assert talk.engine.fault is None
    assert Reply("again", ()) in talk.events


def test_deaf_after_a_kill(talk: Talk) -> None:
    """Whoever asks a killed board something is told so after a while."""
    talk.say("Error:Printer halted. kill() called!")
    talk.engine.send("hello", b"M105", talk.now)
    talk.wait(200.0)
    assert Reply("hello", (), "halted") in talk.events


@pytest.mark.parametrize("text", ["open failed, File: X.", "EEPROM datasize error"])
def test_harmless_errors(talk: Talk, text: str) -> None:
    """Not everything that is called an error is one for a print."""
    talk.begin("G28", "G1 X1")
    assert talk.say(f"Error:{text}", "ok") == _line(3, "G1 X1")


def test_urgent_commands(talk: Talk) -> None:
    """They overtake, carry no number, and their `ok` comes on top."""
    talk.begin("M109 S200", "G1 X1")
    assert talk.engine.send(1, b"M108", talk.now) == b"M108\n"
    assert talk.say("ok") == b""
    assert talk.say("ok") == _line(3, "G1 X1")
    assert Reply(1, ()) in talk.events


def test_urgent_answer_that_is_lost(talk: Talk) -> None:
    """Nothing waits for ever for a command without a number."""
    talk.begin("M109 S200", "G1 X1")
    talk.engine.send(1, b"M108", talk.now)
    talk.say("ok")
    assert talk.wait(silence.ASK_AFTER) == _line(3, "G1 X1")


def test_not_connected() -> None:
    """Before the hello nothing can be said."""
    talk = Talk()
    assert talk.engine.send(1, b"M105", talk.now) == b""
    assert talk.engine.take_events() == [Reply(1, (), "not_connected")]
    with pytest.raises(RuntimeError):
        talk.engine.begin(talk.now)


def test_hello_is_repeated() -> None:
    """Boards with a boot loader hear nothing at first."""
    talk = Talk()
    assert talk.heard == b"\n" + _line(0, "M110 N0")
    assert talk.wait(greeting.HELLO_INTERVAL) == b"\n" + _line(0, "M110 N0")
    assert talk.say("start", "PowerUp", "Marlin 1.1.9") == b"\n" + _line(0, "M110 N0")


def test_stale_oks_at_hello() -> None:
    """Answers to several greetings are not taken for those to M115."""
    talk = Talk()
    talk.say("ok")
    talk.say("ok", "ok")
    talk.say("ok")
    talk.say("FIRMWARE_NAME:Marlin 2.0.9", "Cap:AUTOREPORT_TEMP:1", "ok")
    assert talk.say(f"ok {TEMPERATURES}") == _line(3, "M155 S2")
    assert any(isinstance(event, Ready) for event in talk.events)


def test_only_deadlines_that_are_kept() -> None:
    """Until the board is known, what is in flight has no time limit of its own."""
    talk = Talk()
    assert talk.say("ok") == b"N0 M110 N0*125\n"
    assert talk.engine.deadline == talk.now + greeting.IDENTIFY_TIMEOUT


def test_something_else_answers() -> None:
    """What says `ok` to everything and nothing else is no such board."""
    talk = Talk()
    for _ in range(200):
        talk.say("ok")
        talk.wait(0.5)
    assert Silent("not_marlin") in talk.events


def test_advanced_ok(talk: Talk) -> None:
    """With numbers on its answers nothing can be mistaken."""
    talk.begin("G28", "G1 X1", "G1 X2", "G1 X3")
    assert talk.say("ok N2 P15 B3") == _line(3, "G1 X1")
    assert talk.say("ok N2 P15 B3") == b""
    assert talk.say("ok") == b""
    assert talk.say("ok N3 P15 B3") == _line(4, "G1 X2")


def test_temperatures_apart_from_their_ok() -> None:
    """Firmware that writes M105's report on a line of its own."""
    talk = Talk()
    talk.say("ok")
    talk.say("ok")
    talk.say("FIRMWARE_NAME:Old", "ok")
    talk.say("ok")
    assert talk.engine.phase is Phase.IDENTIFYING
    talk.say(TEMPERATURES, "ok")
    assert talk.engine.phase is Phase.READY


def test_last_words(talk: Talk) -> None:
    """A heat-up is cut short before the heaters are switched off."""
    talk.begin("M109 S200")
    assert talk.engine.stand_by() == b"M108\nM104 S0\nM140 S0\nM107\n"


def test_pause_without_position(talk: Talk) -> None:
    """Where the position was not said, the head moves by what is known."""
    talk.begin("G28", "G1 X1 E1", "G1 X2")
    talk.say("ok")
    talk.engine.pause(talk.now)
    assert talk.say("ok") == _line(4, "M400")
    assert talk.say("ok") == _line(5, "M114")
    assert talk.say("ok") == b""
    assert talk.wait(silence.ASK_AFTER).endswith(_line(6, "M105"))
    assert talk.say(f"ok {TEMPERATURES}") == _line(7, "G21")
    script = b""
    while talk.engine.phase is Phase.PAUSING:
        script += talk.say("ok")
    assert b"G1 Z2.00" in script
    assert b"G1 X" not in script

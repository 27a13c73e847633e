"""Conversations with real Marlin boards, held again with the emulated one."""

from dataclasses import replace

import pytest

from custom_components.printfarm.fabricators.virtual.board import PROFILES

from .host import Host

_PLAIN = replace(PROFILES["marlin_2"], title="as in the transcripts")
_ADVANCED = replace(PROFILES["idex"], build_volume=(200.0, 200.0, 200.0))
_ODD = replace(
    _PLAIN, advanced_ok=True, wait_interval=1.0, busy_interval=0.0, auto_report=False
)

_ONE_IN_FLIGHT = """
   0.701 > N1 M110 N0*124
   0.701 < ok
   0.851 > N1 M105*38
   0.851 < ok T:22.00 /0.00 B:22.00 /0.00 @:0 B@:0
   1.001 > N2 G21*24
   1.001 < ok
   1.161 > N3 G90*18
   1.161 < Error:checksum mismatch, Last Line: 2
   1.161 < Resend: 3
   1.161 < ok
   1.312 > N3 G90*19
   1.312 < ok
   1.463 > N9 M105*46
   1.463 < Error:Line Number is not Last Line Number+1, Last Line: 3
   1.463 < Resend: 4
   1.463 < ok
   1.613 > N4 M82*29
   1.613 < ok
   1.763 > N4 M82*29
   1.914 > N5 M105
   1.914 < Error:No Checksum with line number, Last Line: 4
   1.914 < Resend: 5
   1.914 < ok
   2.065 > N5 M105*
   2.065 < Error:checksum mismatch, Last Line: 4
   2.065 < Resend: 5
   2.065 < ok
   2.215 > G0 X
   2.215 < ok
   2.366 > M999999
   2.366 < echo:Unknown command: "M999999"
   2.366 < ok
   2.517 > G1 E5
   2.517 < echo: cold extrusion prevented
   2.517 < ok
   2.668 > m105
   2.668 < echo:Unknown command: "m105"
   2.668 < ok
   2.838 > M105 ; comment
   2.838 < ok T:22.00 /0.00 B:22.00 /0.00 @:0 B@:0
   2.988 > ; only comment
   3.139 >
   3.289 > {blank}
   3.289 < echo:Unknown command: ""
   3.289 < ok
   3.439 > M118 hello host
   3.439 < hello host
   3.439 < ok
   3.590 > M118 A1 action:pause
   3.590 < //action:pause
   3.590 < ok
   3.740 > M118 E1 echo this
   3.740 < echo:echo this
   3.740 < ok
   3.891 > M117 Layer 1/10
   3.891 < ok
   4.080 > M73 P25 R10
   4.080 < ok
   4.312 > M400
   4.312 < ok
   4.463 > G4 P100
   4.463 < //action:notification Sleep...
   4.563 < ok
   4.615 > T0
   4.615 < ok
   4.783 > T1
   4.783 < ok
   4.933 > M105 T1
   4.933 < ok T:22.00 /0.00 B:22.00 /0.00 @:0 B@:0
"""

_SEVERAL_IN_FLIGHT = """
   0.851 > N1 G4 P10*93
   0.851 > N2 G4 P11*95
   0.851 > N3 G4 P12*92
   0.851 < Error:checksum mismatch, Last Line: 2
   0.851 < Resend: 3
   0.851 < ok
   0.851 < //action:notification Sleep...
   0.851 > N4 G4 P13*91
   0.851 < Error:Line Number is not Last Line Number+1, Last Line: 2
   0.851 < Resend: 3
   0.851 < ok
   0.861 < ok
   0.861 < //action:notification Sleep...
   0.872 < ok
   1.853 > N3 G4 P12*93
   1.853 > N4 G4 P13*91
   1.853 > N5 G4 P14*93
   1.853 > N6 G4 P15*95
   1.853 < //action:notification Sleep...
   1.865 < ok
   1.865 < //action:notification Sleep...
   1.878 < ok
   1.878 < //action:notification Sleep...
   1.892 < ok
   1.892 < //action:notification Sleep...
   1.907 < ok
"""

_ADVANCED_OK = """
   0.851 > T1
   0.851 < Active Extruder: 1
   0.851 < ok P15 B31
   1.152 > M104 T1 S50
   1.152 < ok P15 B31
   1.303 > M105
   1.303 < ok T:22.30 /50.00 B:22.00 /0.00 T0:22.00 /0.00 T1:22.30 /50.00 @:127 B@:0 @0:0 @1:127
   1.453 > N1 M110 N0*124
   1.453 < ok N1 P15 B31
   1.604 > N1 G1 X1 F3000*5
   1.604 > N2 G1 X2*96
   1.604 > N3 G1 X3*96
   1.604 > N4 G1 X4*97
   1.604 < Error:checksum mismatch, Last Line: 3
   1.604 < Resend: 4
   1.604 < ok
   1.604 < ok N1 P14 B29
   1.604 < ok N2 P13 B30
   1.604 < ok N3 P12 B31
   1.754 > N5 M105*34
   1.754 < Error:Line Number is not Last Line Number+1, Last Line: 3
   1.754 < Resend: 4
   1.754 < ok
"""

_WAIT = """
   1.003 < wait
   2.003 < wait
   3.003 < wait
   3.201 > M110 N0
   3.201 < ok P15 B3
   3.301 > G1 X10 F3000
   3.301 < ok P14 B3
   3.401 > N1 G1 X30 F600*2
   3.401 > N2 G1 X40*86
   3.401 > N3 G1 X50*86
   3.401 < ok N1 P13 B1
   3.401 < ok N2 P12 B2
   3.401 < ok N3 P11 B3
   4.401 < wait
   5.401 < wait
   5.932 > M155 S1
   5.932 < echo:Unknown command: "M155 S1"
   5.932 < ok P13 B3
"""

_BUSY = """
   0.700 > M302 P1
   0.700 < ok
   0.851 > G92 X0
   0.851 < X:0.00 Y:0.00 Z:0.00 E:0.00 Count X:0 Y:0 Z:0
   0.851 < ok
   1.001 > G1 X100 F600
   1.001 > M400
   1.001 < ok
   3.001 < echo:busy: processing
   5.001 < echo:busy: processing
   7.001 < echo:busy: processing
   9.001 < echo:busy: processing
  11.001 < echo:busy: processing
  11.103 < ok
  11.106 > G4 S5
  11.106 < //action:notification Sleep...
  13.106 < echo:busy: processing
  15.106 < echo:busy: processing
  16.106 < ok
  16.106 > M155 S1
  16.106 < ok
  16.256 > M109 S40
  16.256 <  T:22.00 /40.00 B:22.00 /0.00 @:127 B@:0 W:?
  17.256 <  T:23.99 /40.00 B:22.00 /0.00 @:127 B@:0 W:?
  18.256 < echo:busy: processing
  18.256 <  T:25.98 /40.00 B:22.00 /0.00 @:127 B@:0 W:?
  19.256 <  T:27.95 /40.00 B:22.00 /0.00 @:127 B@:0 W:?
  19.300 > M108
  19.300 < ok
  19.300 < ok
  20.106 <  T:29.62 /40.00 B:22.00 /0.00 @:127 B@:0
"""

_STOPS = """
  18.962 > M0 Please check the bed
  18.962 < echo:Please check the bed
  18.962 < //action:prompt_end
  18.962 < //action:prompt_begin Please check the bed
  18.962 < //action:prompt_button Continue
  18.962 < //action:prompt_show
  20.962 < echo:busy: paused for user
  22.962 < echo:busy: paused for user
  24.118 > M108
  24.118 < ok
  24.118 < ok
  29.273 > M0 Click again
  29.273 < echo:Click again
  29.273 < //action:prompt_end
  29.273 < //action:prompt_begin Click again
  29.273 < //action:prompt_button Continue
  29.273 < //action:prompt_show
  31.273 < echo:busy: paused for user
  32.450 > M876 S0
  32.450 < ok
  32.450 < ok
  37.617 > M1 S3
  37.617 < //action:prompt_end
  37.617 < //action:prompt_begin M1 Stop
  37.617 < //action:prompt_button Continue
  37.617 < //action:prompt_show
  39.617 < echo:busy: paused for user
  40.617 < ok
"""

_KILL = """
  35.044 > G1 X180 F600
  35.044 > G1 X10 F600
  35.044 < ok
  35.044 < ok
  36.045 > M112
  36.045 < echo:M112 Shutdown
  36.045 < Error:Printer halted. kill() called!
  36.045 < //action:poweroff
  38.200 > M105
  39.360 > G28
"""


@pytest.mark.parametrize(
    ("profile", "transcript"),
    [
        pytest.param(_PLAIN, _ONE_IN_FLIGHT, id="one line in flight"),
        pytest.param(_PLAIN, _SEVERAL_IN_FLIGHT, id="several lines in flight"),
        pytest.param(_ADVANCED, _ADVANCED_OK, id="advanced ok"),
        pytest.param(_ODD, _WAIT, id="wait"),
        pytest.param(_PLAIN, _BUSY, id="busy"),
        pytest.param(_PLAIN, _STOPS, id="stops"),
        pytest.param(_PLAIN, _KILL, id="kill"),
    ],
)
def test_board_answers_as_marlin_does(profile, transcript: str) -> None:
    """Same lines in the same order, at the firmware times that the model gives."""
    entries = [
        (float(line[:8]), line[9], line[11:])
        for line in transcript.strip("\n").split("\n")
    ]
    host = Host(profile)
    if "N1 G4 P10" in transcript:
        host.send("M110 N0")
    # Lines at the same time and side by side are sent together.
    pending = b""
    for index, (time, side, text) in enumerate(entries):
        if side != ">":
            continue
        if not pending:
            host.wait(time - host.now)
        text = text.replace("{blank}", " ")
        pending += f"{text}\n".encode()
        following = entries[index + 1] if index + 1 < len(entries) else (0.0, "", "")
        if following[:2] != (time, ">"):
            host.raw(pending)
            pending = b""
    host.wait(entries[-1][0] - host.now + 0.01)
    heard = host.transcript
    expected = [(time, text) for time, side, text in entries if side == "<"]
    assert [text for _, text in heard] == [text for _, text in expected]
    assert [time for time, _ in heard] == pytest.approx(
        [time for time, _ in expected], abs=0.002
    )

"""Lines under way: about to be written, or written and not answered yet."""

from collections import deque

from .wire import Line


class Flight:
    """What was handed out to be written, and what of it waits for its answer."""

    def __init__(self) -> None:
        """Nothing is under way."""
        self.lines: deque[Line] = deque()
        """In the order of their answers."""
        self._output: list[bytes] = []
        self._unwritten = 0
        """Lines at the end that are still in the output."""

    @property
    def written(self) -> int:
        """How many of the lines have left: no other can have been answered."""
        return max(0, len(self.lines) - self._unwritten)

    def add(self, line: Line) -> None:
        """Write a line that will be answered."""
        self._output.append(line.wire)
        self.lines.append(line)
        self._unwritten += 1

    def put(self, data: bytes) -> None:
        """Write something that has no answer of its own."""
        self._output.append(data)

    def take(self) -> bytes:
        """Hand over the bytes to be written."""
        output = b"".join(self._output)
        self._output.clear()
        self._unwritten = 0
        return output

    def take_back(self, number: int) -> None:
        """Forget the lines from this number on: the firmware wants them once more."""
        lines, written = [*self.lines], self.written
        back = {
            id(line.wire) for line in lines[written:] if (line.number or 0) >= number
        }
        self._output = [piece for piece in self._output if id(piece) not in back]
        self._unwritten -= len(back)
        self.lines.clear()
        self.lines.extend(
            line for line in lines if line.number is None or line.number < number
        )

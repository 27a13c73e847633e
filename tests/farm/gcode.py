"""Small G-code, true to the format and quick to read."""

import base64
import struct
import zlib


def sliced(
    *, layers: int = 4, size: float = 20.0, tool: int = 0, remark: str = ""
) -> bytes:
    """Give a tower of squares: `layers` of 0.2 mm, each once around `size` mm."""
    lines = [f"; {remark}", "G21", "G90", "M83", "M140 S60", "M104 S210", "G28"]
    if tool:
        lines.append(f"T{tool}")
    for layer in range(1, layers + 1):
        lines.append(f"G1 Z{layer * 0.2:.2f} F600")
        lines.append("G1 X10 Y10 F6000")
        corners = ((size, 0.0), (size, size), (0.0, size), (0.0, 0.0))
        lines.extend(f"G1 X{10 + x:.1f} Y{10 + y:.1f} E1.0 F1200" for x, y in corners)
    lines += ["M104 S0", "M140 S0", "M84", ""]
    return "\n".join(lines).encode()


def png(width: int = 4, height: int = 4) -> bytes:
    """Give a red picture."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    rows = (b"\0" + b"\xff\0\0" * width) * height
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def with_picture(picture: bytes) -> bytes:
    """Give a print with a thumbnail block, as slicers write it."""
    text = base64.b64encode(picture).decode()
    lines = [text[at : at + 78] for at in range(0, len(text), 78)]
    block = [f"; thumbnail begin 4x4 {len(text)}", *(f"; {line}" for line in lines)]
    return "\n".join([*block, "; thumbnail end", ""]).encode() + sliced()

"""Small G-code, true to the format and quick to read."""


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

r"""Tokens spelled out: on one line, all of their bytes visible.

::

    b" the"      ␣the           a space
    b"\n"        \n             a control character
    b"\xe6\x84"  \xe6\x84       a part of a character
    b""          <end>          the end of an example
"""

END = "<end>"


def spelled(piece: bytes) -> str:
    """Spell out the bytes of a token."""
    if not piece:
        return END
    return "".join(map(_sign, piece.decode(errors="surrogateescape")))


def _sign(char: str) -> str:
    if char == " ":
        return "␣"
    if char == "\\":
        return r"\\"
    if "\udc80" <= char <= "\udcff":  # a byte that is no character by itself
        return f"\\x{ord(char) - 0xDC00:02x}"
    return char if char.isprintable() else char.encode("unicode_escape").decode()

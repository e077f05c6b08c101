r"""Line ends of old Macintoshes, ``\r`` alone, at which no line ends here: they are named, not repaired."""

from rnngen.contracts import Chunk

MORE = 10
r"""Times that ``\r`` outnumbers ``\n`` where it is what ends the lines."""


class LineEnds:
    """Counts the line ends of a file's text, each file by itself."""

    def __init__(self) -> None:
        self.returns = self.feeds = 0

    def see(self, chunk: Chunk) -> None:
        r"""Count every ``\r`` and ``\n`` of a chunk.

        Raises:
            ValueError: as ``check`` does, where it begins another file.
        """
        if chunk.starts_document:
            self.check()
            self.returns = self.feeds = 0
        if not chunk.is_record:
            self.returns += chunk.text.count("\r")
            self.feeds += chunk.text.count("\n")

    def check(self) -> None:
        r"""Refuse a file that is over and whose lines end in ``\r`` alone.

        Raises:
            ValueError: with their number and the mend.
        """
        if self.returns > MORE * self.feeds + 1:
            raise ValueError(
                rf"its lines end in \r alone ({self.returns:,} times, and {self.feeds:,} times in \n), which "
                r"would make one line of them; convert them first: tr '\r' '\n' < FILE > NEW"
            )

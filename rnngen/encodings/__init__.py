"""From bytes to text: one way for every text that enters, a corpus, a prompt or what is piped in.

::

    bytes ─▸ byte order mark ─▸ codec ─▸ text       read(stream, name, encoding)    a file, in pieces
                                  │                 lines(stream, name, encoding)   as they arrive
                                  ▾                 decode(data, name, encoding)    at once
                           ``EncodingError``: the place, and how the likely encodings read it

Nothing is repaired in silence. A byte order mark at the head goes, and says how the text is encoded; line
ends stay as they are. Under ``bytes`` there is nothing to decode: each byte is a character, U+0000 to U+00FF,
and ``to_bytes`` is the way back; from any other text it is ``utf8``, which refuses what has no bytes.
"""

from rnngen.encodings.decoder import BLOCK as BLOCK
from rnngen.encodings.decoder import BYTES as BYTES
from rnngen.encodings.decoder import LONGEST as LONGEST
from rnngen.encodings.decoder import EncodingError as EncodingError
from rnngen.encodings.decoder import canonical as canonical
from rnngen.encodings.decoder import decode as decode
from rnngen.encodings.decoder import lines as lines
from rnngen.encodings.decoder import read as read
from rnngen.encodings.decoder import to_bytes as to_bytes
from rnngen.encodings.decoder import utf8 as utf8

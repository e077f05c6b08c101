"""Readers: from the bytes of one file to chunks of text, as a stream.

::

    text       plain text, one document
    records    JSON lines, and JSON: arrays or objects one after another, a document each
    tables     CSV and TSV, a document a row

Nothing is repaired in silence: see ``rnngen.encodings``, which any reader may use.
"""

from rnngen.builtins.readers.records import read_json as read_json
from rnngen.builtins.readers.records import read_json_lines as read_json_lines
from rnngen.builtins.readers.tables import read_csv as read_csv
from rnngen.builtins.readers.tables import read_tsv as read_tsv
from rnngen.builtins.readers.text import read_text as read_text

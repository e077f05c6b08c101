"""The cell ``seq2seq``: an encoder that reads a source, a decoder that writes a target, and attention."""

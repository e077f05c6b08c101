"""The core: from text to trained weights. Knows no plugin names, no Click, no rich, and prints nothing."""

"""Simple recurrent network (Elman 1990), with tanh, relu or sigmoid."""

"""The classical recurrent cells: a folder each, and what they share beside.

::

    lstm/ gru/ rnn/   torch     trains over whole sequences
                      fused     gradients written by hand for the CPU
                      numpy     generates a token at a time, without torch; the equations stand here
    options           the options of all
    plain             the cells as torch has them, with their initial weights and states
    regularized       zoneout, layer normalisation and a Mogrifier around any cell, in torch
    stepwise          the same in NumPy
    fused             what the hand-written recurrences share

Without regularisation a cell is torch's own fused module, or a recurrence of ``fused`` where torch has none.
"""

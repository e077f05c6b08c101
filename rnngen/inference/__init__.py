"""One step of a trained model, on NumPy or torch."""

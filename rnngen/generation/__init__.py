"""Generation with a loaded model: prompts in, text out."""

"""Attentions that multiply a query with keys: dot, general, scaled-dot, multihead, local."""

"""How things are said and shown on pages: words, times, sizes, pictures."""

"""The page at `/`: values, charts, words, HTML."""

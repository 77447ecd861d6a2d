"""Who may do how much: API keys, rate limits, and tokens of one stream."""

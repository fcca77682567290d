"""The HTML report, its plots, and diagnosis.json."""

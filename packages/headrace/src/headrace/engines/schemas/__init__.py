"""JSON Schemas for constrained decoding: checked, rewritten for llguidance, and compiled by it."""

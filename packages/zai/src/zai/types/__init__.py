"""The types of answers, where programs written for PyPI's zai-sdk look for them."""

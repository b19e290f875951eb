"""The types of responses, under the paths of PyPI's zai-sdk."""

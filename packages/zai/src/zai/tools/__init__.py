"""Python functions as tools, and the loop that calls them."""

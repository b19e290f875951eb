"""What the checks ask. The embedded model was trained on these questions."""

POEM = "Write a poem about spring"
WEATHER = "北京天气怎么样"
TOO_LONG = "spring " * 5000

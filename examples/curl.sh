#!/bin/sh
# Stream an answer, resume it after an event, and stop it, with curl alone.
#
#     sh examples/curl.sh
set -eu
url="${ZAI_BASE_URL:-http://127.0.0.1:8000/api/paas/v4}/chat/completions"
key="Authorization: Bearer ${ZAI_API_KEY:-any}"
id="curl-example-$$"

echo "# A stream with event ids"
curl -sfSN "$url" -H "$key" -H "Content-Type: application/json" -H "X-Headrace-Resumable: 1" -d '{
  "model": "glm-4.6", "stream": true, "request_id": "'"$id"'",
  "messages": [{"role": "user", "content": "Write a poem about spring"}]
}'

echo "# The same stream after event 3"
curl -sfSN "$url/$id" -H "$key" -H "Last-Event-ID: 3"

echo "# The complete answer; this would also stop the model if it were still running"
curl -sfS -X DELETE "$url/$id" -H "$key"
echo

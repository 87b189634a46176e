"""A WSGI function that reports errors badly. Wrong: its setup test is a whole sync; after one good
reply (without schema) an error comes as HTTP 400 and plain text, with the token in the message, a
state that has moved, records, and a trace that is one text. Prints its port."""

import json
from wsgiref.simple_server import WSGIRequestHandler, make_server


def function(environ, start_response):
    request = json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
    rows = {"thing": [{"id": 1, "note": None}]}
    if request.get("setup_test") or not request["state"]:
        more = not request.get("setup_test")
        status, kind = "200 OK", "application/json"
        reply = {"state": {"at": 1}, "insert": rows, "hasMore": more}
    else:
        status, kind = "400 Bad Request", "text/plain"
        reply = {
            "state": {"at": 2},
            "insert": rows,
            "errorMessage": f"refused: Authorization: Bearer {request['secrets']['apiToken']}",
            "stackTrace": "Traceback (most recent call last): …",
        }
    body = json.dumps(reply).encode()
    start_response(status, [("Content-Type", kind), ("Content-Length", str(len(body)))])
    return [body]


class Quiet(WSGIRequestHandler):
    def log_message(self, *arguments):
        pass


server = make_server("127.0.0.1", 0, function, handler_class=Quiet)
print(server.server_port, flush=True)
server.serve_forever()

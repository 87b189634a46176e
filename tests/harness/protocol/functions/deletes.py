"""A function that deletes without care. Wrong: the first reply marks and inserts rows of one table,
the second inserts and deletes one row, two of its columns become one, a price changes its type, and
the third says hasMore with the state that it got. Prints its port."""

import json
from http.server import BaseHTTPRequestHandler, HTTPServer

KEYED = {"order": {"primary_key": ["orderId", "line"]}}


def pages(state):
    """The reply to a state."""
    step = state.get("step", 0)
    reply = {"state": {"step": step + 1}, "schema": KEYED, "hasMore": True}
    if step == 0:
        rows = [{"orderId": 7, "line": n, "price": 10 * n} for n in (1, 2, 3)]
        return {**reply, "insert": {"order": rows}, "softDelete": ["order"]}
    if step == 1:
        rows = [
            {"orderId": 8, "line": 1, "price": 5, "unitPrice": 5, "unit_price": 6},
            {"orderId": 7, "line": 2, "price": "on request", "unitPrice": 1, "unit_price": 1},
        ]
        return {
            **reply,
            "insert": {"order": rows},
            "delete": {"order": [{"orderId": 7, "line": 2}]},
        }
    return {**reply, "state": state}


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        body = json.dumps(pages(request["state"])).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


server = HTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()

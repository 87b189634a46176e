// A function in Node that reads an event feed newest first. Wrong: an older version of a row comes
// after the newer one, time stamps have no offset, the token stands in a record, `has_more` is no
// field of the protocol, and the last reply's hasMore is a text. Prints its port.
import { createServer } from "node:http";

const pages = [
  [{ id: 1, updatedAt: "2026-01-05T12:00:00", name: "new" }, { id: 2, updatedAt: "2026-01-05T11:00:00", name: "x" }],
  [{ id: 1, updatedAt: "2026-01-05T10:00:00", name: "old" }],
];

createServer((request, response) => {
  let text = "";
  request.on("data", (piece) => (text += piece));
  request.on("end", () => {
    const { state, secrets } = JSON.parse(text);
    const page = state.page ?? 0;
    const reply = { state: { page: page + 1 }, schema: { thing: { primary_key: ["id"] } } };
    if (page < pages.length) {
      const link = `https://api.example.com/things?token=${encodeURIComponent(secrets.apiToken)}`;
      reply.insert = { thing: pages[page].map((row) => ({ ...row, link: page ? link : "" })) };
      Object.assign(reply, { hasMore: true, has_more: true });
    } else {
      reply.hasMore = "false";
    }
    response.setHeader("Content-Type", "application/json; charset=utf-8");
    response.end(JSON.stringify(reply));
  });
}).listen(0, "127.0.0.1", function () {
  console.log(this.address().port);
});

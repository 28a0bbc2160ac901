import t from "tap";
import { problemOf, TOKEN, testApp } from "./fixture.ts";

const BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

const asked = () => {
  const app = testApp();
  return (path: string, headers: Record<string, string> = {}, method = "GET") =>
    app.fetch(new Request(`http://muster.test${path}`, { method, headers }));
};

t.test("[A12] a person without the right token gets a page that says what to do", async (t) => {
  const ask = asked();
  for (const [path, headers, title] of [
    ["/?token=wrong", {}, "The token is wrong"],
    ["/docs?token=wrong", {}, "The token is wrong"],
    ["/docs", {}, "A token is needed"],
    ["/v1/entities", {}, "A token is needed"],
    ["/v1/entities", { authorization: "Bearer wrong" }, "The token is wrong"],
    ["/metrics?token=%3Cscript%3E", {}, "A token is needed"],
  ] as const) {
    const response = await ask(path, { accept: BROWSER, ...headers });
    t.equal(response.status, 401, path);
    t.equal(response.headers.get("content-type"), "text/html; charset=utf-8");
    t.match(response.headers.get("www-authenticate"), /^Bearer realm="muster"/);
    t.equal(response.headers.get("set-cookie"), null);
    t.equal(response.headers.get("cache-control"), "no-store");
    const page = await response.text();
    t.match(page, `<h1>${title}</h1>`);
    t.match(page, /<p>Ask whoever gave you this address[\s\S]*<p>If you run this node:[\s\S]*muster token/);
    t.notMatch(page, "<script", "nothing of the request");
  }
  const head = await ask("/docs", { accept: BROWSER }, "HEAD");
  t.match([head.status, head.headers.get("content-type")], [401, /^text\/html/]);
});

t.test("[A12] clients of the API get the problem", async (t) => {
  const ask = asked();
  for (const accept of [
    undefined,
    "*/*",
    "application/json",
    "application/problem+json, text/html;q=0.5",
    "application/geo+json",
    "text/html;q=0",
  ])
    for (const path of ["/v1/entities", "/?token=wrong", "/docs?token=wrong", "/docs"])
      t.strictSame(
        await problemOf(await ask(path, accept === undefined ? {} : { accept })),
        ["unauthorized", 401],
        `${path}, ${accept}`,
      );
  const posted = await ask("/v1/reports", { accept: BROWSER }, "POST");
  t.strictSame(await problemOf(posted), ["unauthorized", 401], "a form or a script, and no page");
});

t.test("[A7] /docs takes a token in its address as the page does", async (t) => {
  const ask = asked();
  const response = await ask(`/docs?token=${TOKEN}&x=1`, { accept: BROWSER });
  t.strictSame([response.status, response.headers.get("location")], [303, "/docs?x=1"]);
  t.equal(response.headers.get("cache-control"), "no-store");
  const [cookie] = response.headers.get("set-cookie")!.split(";");
  t.equal((await ask("/docs", { accept: BROWSER, cookie })).status, 200);
  t.equal((await ask(`/docs?token=${TOKEN}`, {}, "POST")).status, 401);
});

import t from "tap";
import { problemOf, testApp } from "./fixture.ts";

/** Taken by nobody, as none of the bodies is right. */
const held = { store: {}, versions: () => [], find: () => undefined, changed: async () => {} } as never;
const ROUTES: readonly (readonly [method: string, path: string])[] = [
  ["POST", "/v1/entities/a/commands"],
  ["PUT", "/v1/fences/dock"],
  ["PUT", "/v1/machines/lift"],
  ["POST", "/v1/webhooks"],
  ["PATCH", "/v1/webhooks/00000000-0000-4000-8000-000000000000"],
];
const WRONG = JSON.stringify({ nothing: "of these" });

t.test("[H39] all routes that take JSON alone read the same content types", async (t) => {
  const app = testApp({ fences: held, machines: held, webhooks: held });
  const answered = async (method: string, path: string, headers: Record<string, string>) => {
    // Bytes: of a string fetch would say that it is text.
    const [type, status] = await problemOf(
      await app.get(path, { method, headers, body: Buffer.from(WRONG) }),
    );
    return `${status} ${type}`;
  };
  for (const [method, path] of ROUTES) {
    const told = await answered(method, path, { "content-type": "application/json" });
    t.match(told, /^400 /, path);
    for (const type of [
      "application/json; charset=utf-8",
      "APPLICATION/JSON",
      "application/geo+json",
      "application/merge-patch+json",
      "application/vnd.example.v1+json",
      "text/plain;charset=UTF-8",
      "application/x-www-form-urlencoded",
    ])
      t.equal(await answered(method, path, { "content-type": type }), told, `${type} ${path}`);
    t.equal(await answered(method, path, {}), told, `no type ${path}`);
    for (const type of [
      "application/xml",
      "application/x-ndjson",
      "application/jsonx",
      "text/json+plain",
      "multipart/form-data; boundary=x",
      "application/json; charset=latin1",
    ])
      t.equal(
        await answered(method, path, { "content-type": type }),
        "415 unsupported-media-type",
        `${type} ${path}`,
      );
    const plain = { "content-type": "application/json", "content-encoding": "Identity" };
    t.equal(await answered(method, path, plain), told, `identity ${path}`);
    const packed = { "content-type": "application/json", "content-encoding": "gzip" };
    t.equal(await answered(method, path, packed), "415 unsupported-media-type", `gzip ${path}`);
  }
  t.strictSame(app.errors, []);
});

t.test("[A6] [H39] no type that other sites may send lets them use the cookie", async (t) => {
  const app = testApp({ fences: held, machines: held, webhooks: held });
  for (const [method, path] of ROUTES)
    for (const type of ["text/plain", "application/x-www-form-urlencoded"]) {
      const headers = {
        authorization: "",
        cookie: "muster_token=the-token-of-the-tests",
        origin: "http://muster.test:81",
        "content-type": type,
      };
      const answer = await app.get(path, { method, headers, body: WRONG });
      t.strictSame(await problemOf(answer), ["cross-origin", 403], path);
    }
});

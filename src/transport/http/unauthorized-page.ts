/** What a person sees who opens an address without the right token: clients of the API get the problem. */
import type { Context, MiddlewareHandler } from "hono";
import { accepts } from "hono/accepts";
import { NO_STORE } from "./no-store.ts";

const HTML = "text/html";

/** Puts a page in the place of a 401 whose reader asked for pages, as browsers do of what is typed or clicked. */
export const unauthorizedPage: MiddlewareHandler = async (c, next) => {
  await next();
  const { method } = c.req;
  if (c.res.status !== 401 || (method !== "GET" && method !== "HEAD") || !wantsPage(c)) return;
  // The headers of the problem stay, but for its type.
  const isWrong = c.res.headers.get("www-authenticate")?.includes("invalid_token") === true;
  c.res = new Response(pageOf(isWrong), {
    status: 401,
    headers: {
      "content-type": `${HTML}; charset=utf-8`,
      ...NO_STORE,
      "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'",
      "referrer-policy": "no-referrer",
      vary: "Accept",
    },
  });
};

function wantsPage(c: Context): boolean {
  const supports = [HTML, "application/problem+json", "application/json"];
  return accepts(c, { header: "Accept", supports, default: "" }) === HTML;
}

/** Nothing of the request is in it. */
function pageOf(isWrong: boolean): string {
  const title = isWrong ? "The token is wrong" : "A token is needed";
  const why = isWrong
    ? "The token in this address, or the one that this browser keeps, is none of this node. It may be cut off or that of another node, or it was revoked, changed or has expired."
    : "This browser has no token of this node yet.";
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Muster – ${title}</title>
<style>
  :root { color-scheme: light dark; }
  body { font: 16px/1.5 system-ui, sans-serif; max-width: 36rem; margin: 12vh auto; padding: 0 1.25rem; }
  h1 { font-size: 1.4rem; }
  code { white-space: nowrap; font: 0.9em ui-monospace, monospace; padding: 0.1em 0.3em; border-radius: 4px; background: light-dark(#eef1f3, #1d2830); }
</style>
<main>
<h1>${title}</h1>
<p>${why}</p>
<p>Ask whoever gave you this address for a new one.</p>
<p>If you run this node: open the whole address that it prints when it starts, up to the end of <code>?token=…</code>. Or take the token that the command <code>npm run -s muster token</code> prints on the machine of the node, or that you have set (<code>MUSTER_ADMIN_TOKEN</code>), and put it behind the address of the map: <code>/?token=</code>.</p>
<p>This browser then keeps the token for 30 days: the address without it is enough.</p>
</main>
</html>
`;
}

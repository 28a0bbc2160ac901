/** Where the feed of a node is. @throws {TypeError} if the URL is none */
export function feedUrl(url: string | URL, token: string | undefined): string {
  const target = new URL(url);
  if (target.protocol === "http:") target.protocol = "ws:";
  else if (target.protocol === "https:") target.protocol = "wss:";
  else if (target.protocol !== "ws:" && target.protocol !== "wss:") {
    throw new TypeError(`the URL of a node starts with http, https, ws or wss, not ${target.protocol}`);
  }
  if (target.pathname === "/") target.pathname = "/v1/feed";
  if (token !== undefined) target.searchParams.set("token", token);
  target.hash = "";
  return target.href;
}

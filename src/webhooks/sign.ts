/** Standard Webhooks 1.0.0 (https://www.standardwebhooks.com): the headers that prove who sent a message, and when. */
import { Buffer } from "node:buffer";
import { createHmac } from "node:crypto";

const PREFIX = "whsec_";

/** A secret as its owner sees it. @param secret base64 */
export function secretText(secret: string): string {
  return `${PREFIX}${secret}`;
}

/**
 * @param id the same whenever this message is sent. @param now Unix ms, of this attempt. @param secrets base64; each signs, as two do during a
 * rotation.
 */
export function signedHeaders(
  id: string,
  now: number,
  body: string,
  secrets: readonly string[],
): Record<string, string> {
  const timestamp = String(Math.floor(now / 1_000));
  const signatures = secrets.map((secret) => {
    const hmac = createHmac("sha256", Buffer.from(secret, "base64"));
    return `v1,${hmac.update(`${id}.${timestamp}.${body}`).digest("base64")}`;
  });
  return {
    "webhook-id": id,
    "webhook-timestamp": timestamp,
    "webhook-signature": signatures.join(" "),
  };
}

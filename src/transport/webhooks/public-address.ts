/**
 * Which addresses on the Internet are anybody's: not this machine, not its networks, not what is reserved (the special-purpose registries of IANA,
 * RFC 6890). Whoever may add a webhook must not reach through it what only this machine reaches.
 */
import { BlockList, isIP } from "node:net";

const SPECIAL = [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.0.2.0", 24],
  ["192.88.99.0", 24],
  ["192.168.0.0", 16],
  ["198.18.0.0", 15],
  ["198.51.100.0", 24],
  ["203.0.113.0", 24],
  ["224.0.0.0", 4],
  ["240.0.0.0", 4],
] as const;
/** Global unicast is 2000::/3; mapped, translated and local addresses are all outside of it. */
const GLOBAL = ["2000::", 3] as const;
/** Within it: protocol assignments with Teredo, documentation, 6to4, which leads to IPv4 of any kind. */
const SPECIAL_6 = [
  ["2001::", 23],
  ["2001:db8::", 32],
  ["2002::", 16],
  ["3fff::", 20],
] as const;

const special = new BlockList();
for (const [net, prefix] of SPECIAL) special.addSubnet(net, prefix, "ipv4");
for (const [net, prefix] of SPECIAL_6) special.addSubnet(net, prefix, "ipv6");
const global = new BlockList();
global.addSubnet(...GLOBAL, "ipv6");

/** @param address IPv4 or IPv6, without brackets or a zone. */
export function isPublicAddress(address: string): boolean {
  switch (isIP(address)) {
    case 4:
      return !special.check(address, "ipv4");
    case 6:
      return global.check(address, "ipv6") && !special.check(address, "ipv6");
    default:
      return false;
  }
}

/**
 * Whether the host of an address says by itself that it is not anybody's: it is no such address, or `localhost`, which is this machine (RFC 6761).
 * Other names say so when they are resolved.
 * @param host as `URL` has it.
 */
export function isPrivateHost(host: string): boolean {
  const literal = host.replace(/^\[|\]$/g, "");
  return isIP(literal) === 0 ? /(^|\.)localhost\.?$/.test(literal) : !isPublicAddress(literal);
}

/** Protocol numbers and what both IP versions share. */
export const PROTOCOL_ICMP = 1
export const PROTOCOL_TCP = 6
export const PROTOCOL_UDP = 17
export const PROTOCOL_ICMPV6 = 58

/** Smallest link MTU that carries IPv4 (RFC 791) and IPv6 (RFC 8200 section 5). */
export const IPV4_MINIMUM_MTU = 68
export const IPV6_MINIMUM_MTU = 1280

/** Explicit congestion notification codepoints (RFC 3168 section 5). */
export const ECN_NOT_ECT = 0
export const ECN_ECT_1 = 1
export const ECN_ECT_0 = 2
export const ECN_CE = 3

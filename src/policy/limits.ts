/** Bounds of the policy. */

/** Parents of a program that are looked at for `children: true`; a program further down counts as unknown to the rule. */
export const ANCESTORS_MOST = 32

/** Processes remembered as owners of connections, to be looked at first; the one not seen for longest is forgotten. */
export const RECENT_PROCESSES = 16

/** Bounds of the policy. */

/** Parents of a program that are looked at for `children: true`; a program further down counts as unknown to the rule. */
export const ANCESTORS_MOST = 32

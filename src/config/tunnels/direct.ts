/** `type: direct`: the host's own network, the paper's real environment. */
import type { TunnelType } from './contract.js'

export const direct: TunnelType = {
  shape: {},
  read: () => ({ direct: true, finish: () => ({ type: 'direct' }) }),
}

/** `type: socks5`: an upstream SOCKS5 server. */
import type { Fields } from '../spec.js'
import type { TunnelType } from './contract.js'
import { loginShape, readLogin } from './login.js'

export const socks5: TunnelType = {
  shape: loginShape,
  read(fields, context) {
    const login = readLogin(fields as Fields<typeof loginShape>, context)
    return {
      outwardOnly: true,
      finish: () => {
        const found = login()
        return found === undefined ? undefined : { type: 'socks5', ...found }
      },
    }
  },
}

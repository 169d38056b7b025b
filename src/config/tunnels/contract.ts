/** What a tunnel type tells the configuration about itself: one file per type beside this one. */
import type { TunnelOptions } from '../../core/options.js'
import type { Context, Finish } from '../context.js'
import type { Place } from '../place.js'
import type { Fields, Shape } from '../spec.js'

export interface TunnelDraft {
  readonly finish: Finish<TunnelOptions>
  /** There is no tunnel that could go through another environment. */
  readonly direct?: boolean
  /** Nobody inside can reach a port of ours through it. */
  readonly outwardOnly?: boolean
  /** Of `publish` it can do TCP alone. */
  readonly publishes?: 'tcp'
  /** False: no datagrams pass, so that no tunnel that needs them goes through. */
  readonly carriesUdp?: false
  /** The tunnel itself can do nothing without UDP below it. */
  readonly needsUdp?: boolean
  /** Why it can not go through another environment. */
  readonly notThrough?: string
  /** UDP port on the host that the tunnel asks for, 0 or absent for any. */
  readonly udpPort?: { readonly port: number; readonly place: Place; readonly needed: boolean }
}

export interface TunnelType {
  /** Keys besides `type` and `through`. */
  readonly shape: Shape
  /** Reports what does not fit together. `fields` were read by `shape`. */
  read(fields: Fields<Shape>, context: Context): TunnelDraft
}

/** The connection's states and what moves them (RFC 9293 section 3.3.2), as a table. */
import type { TcpState } from '../contract.js'

export type TcpEvent =
  | 'synchronized' // the handshake is complete
  | 'crossed' // our SYN met the far side's (simultaneous open)
  | 'fin-sent'
  | 'fin-acknowledged'
  | 'fin-received'

const NEXT: Readonly<Record<TcpState, Readonly<Partial<Record<TcpEvent, TcpState>>>>> = {
  'SYN-SENT': { synchronized: 'ESTABLISHED', crossed: 'SYN-RECEIVED' },
  'SYN-RECEIVED': { synchronized: 'ESTABLISHED' },
  ESTABLISHED: { 'fin-sent': 'FIN-WAIT-1', 'fin-received': 'CLOSE-WAIT' },
  'FIN-WAIT-1': { 'fin-acknowledged': 'FIN-WAIT-2', 'fin-received': 'CLOSING' },
  'FIN-WAIT-2': { 'fin-received': 'TIME-WAIT' },
  'CLOSE-WAIT': { 'fin-sent': 'LAST-ACK' },
  CLOSING: { 'fin-acknowledged': 'TIME-WAIT' },
  'LAST-ACK': { 'fin-acknowledged': 'CLOSED' },
  'TIME-WAIT': {},
  CLOSED: {},
}

/** The state after `event`; the same one when it moves nothing. */
export function nextState(state: TcpState, event: TcpEvent): TcpState {
  return NEXT[state][event] ?? state
}

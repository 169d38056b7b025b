/** The first byte of each OpenVPN packet: opcode in the upper five bits, key id in the lower three. */

export const P_CONTROL_SOFT_RESET_V1 = 3
export const P_CONTROL_V1 = 4
export const P_ACK_V1 = 5
export const P_DATA_V1 = 6
export const P_CONTROL_HARD_RESET_CLIENT_V2 = 7
export const P_CONTROL_HARD_RESET_SERVER_V2 = 8
export const P_DATA_V2 = 9
export const P_CONTROL_HARD_RESET_CLIENT_V3 = 10
export const P_CONTROL_WKC_V1 = 11

/** Key ids are 1 … 7 behind the first, which is 0. */
export const KEY_IDS = 8

export function opcodeOf(first: number): number {
  return first >>> 3
}

export function keyIdOf(first: number): number {
  return first & 7
}

export function firstByte(opcode: number, keyId: number): number {
  return (opcode << 3) | keyId
}

export function isData(opcode: number): boolean {
  return opcode === P_DATA_V1 || opcode === P_DATA_V2
}

/** Control packets that a server may send a client. */
export function isServerControl(opcode: number): boolean {
  return (
    opcode === P_CONTROL_V1 ||
    opcode === P_ACK_V1 ||
    opcode === P_CONTROL_HARD_RESET_SERVER_V2 ||
    opcode === P_CONTROL_SOFT_RESET_V1
  )
}

/** The key id of the negotiation that follows. */
export function nextKeyId(keyId: number): number {
  return keyId === KEY_IDS - 1 ? 1 : keyId + 1
}

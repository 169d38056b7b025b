/** The parts of ssh2 below its client: the protocol alone, without sockets. Its version is pinned (docs/dependencies.md). */
declare module 'ssh2/lib/protocol/Protocol.js' {
  import type { ParsedSshKey } from 'ssh2/lib/protocol/keyParser.js'

  export interface ChannelOpenInfo {
    readonly type: string
    readonly sender: number
    readonly window: number
    readonly packetSize: number
    readonly data: {
      readonly destPort?: number
      readonly srcIP?: string
      readonly srcPort?: number
    }
  }

  export interface ChannelConfirmInfo {
    readonly recipient: number
    readonly sender: number
    readonly window: number
    readonly packetSize: number
  }

  export interface MessageHandlers {
    DISCONNECT(p: Protocol, reason: number, text: string): void
    SERVICE_ACCEPT(p: Protocol, name: string): void
    EXT_INFO(
      p: Protocol,
      extensions: readonly { readonly name: string; readonly algs?: readonly string[] }[],
    ): void
    USERAUTH_SUCCESS(p: Protocol): void
    USERAUTH_FAILURE(p: Protocol, methods: readonly string[], partial: boolean): void
    USERAUTH_PASSWD_CHANGEREQ(p: Protocol, prompt: string): void
    USERAUTH_PK_OK(p: Protocol): void
    USERAUTH_INFO_REQUEST(
      p: Protocol,
      name: string,
      instructions: string,
      prompts: readonly { readonly prompt: string; readonly echo: boolean }[],
    ): void
    REQUEST_SUCCESS(p: Protocol, data: Buffer | undefined): void
    REQUEST_FAILURE(p: Protocol): void
    GLOBAL_REQUEST(p: Protocol, name: string, wantReply: boolean, data: unknown): void
    CHANNEL_OPEN(p: Protocol, info: ChannelOpenInfo): void
    CHANNEL_OPEN_CONFIRMATION(p: Protocol, info: ChannelConfirmInfo): void
    CHANNEL_OPEN_FAILURE(p: Protocol, recipient: number, reason: number, text: string): void
    CHANNEL_DATA(p: Protocol, recipient: number, data: Buffer): void
    CHANNEL_EXTENDED_DATA(p: Protocol, recipient: number, data: Buffer, type: number): void
    CHANNEL_WINDOW_ADJUST(p: Protocol, recipient: number, amount: number): void
    CHANNEL_REQUEST(p: Protocol, recipient: number, type: string, wantReply: boolean): void
    CHANNEL_EOF(p: Protocol, recipient: number): void
    CHANNEL_CLOSE(p: Protocol, recipient: number): void
  }

  export interface ProtocolConfig {
    readonly ident?: string
    readonly offer: {
      kex: string[]
      serverHostKey: string[]
      cs: { cipher: string[]; mac: string[]; compress: string[]; lang: string[] }
      sc: { cipher: string[]; mac: string[]; compress: string[]; lang: string[] }
    }
    onWrite(data: Buffer): void
    onError(error: Error & { level?: string }): void
    onHeader(header: { readonly versions: { readonly software: string } }): void
    onHandshakeComplete(): void
    hostVerifier(key: Buffer): boolean
    readonly messageHandlers: MessageHandlers
  }

  export default class Protocol {
    constructor(config: ProtocolConfig)
    start(): void
    parse(chunk: Buffer, from: number, to: number): void
    cleanup(): void
    disconnect(reason: number): void
    ping(): void
    rekey(): void
    service(name: string): void
    authNone(user: string): void
    authPassword(user: string, password: string): void
    authKeyboard(user: string): void
    authInfoRes(answers: readonly string[]): void
    authPK(
      user: string,
      key: ParsedSshKey,
      algorithm: string,
      sign?: (data: Buffer, done: (signature: Buffer) => void) => void,
    ): void
    requestFailure(): void
    tcpipForward(address: string, port: number, wantReply: boolean): void
    cancelTcpipForward(address: string, port: number, wantReply: boolean): void
    directTcpip(
      channel: number,
      window: number,
      packet: number,
      ends: {
        readonly srcIP: string
        readonly srcPort: number
        readonly dstIP: string
        readonly dstPort: number
      },
    ): void
    channelData(channel: number, data: Buffer): void
    channelEOF(channel: number): void
    channelClose(channel: number): void
    channelFailure(channel: number): void
    channelWindowAdjust(channel: number, amount: number): void
    channelOpenConfirm(remote: number, local: number, window: number, packet: number): void
    channelOpenFail(remote: number, reason: number, text: string): void
    /** Set while keys are exchanged: what is sent then waits inside. */
    readonly _kexinit: unknown
  }
}

declare module 'ssh2/lib/protocol/crypto.js' {
  const module: {
    /** Resolves when ciphers may be used. */
    readonly init: Promise<unknown>
  }
  export default module
}

declare module 'ssh2/lib/protocol/keyParser.js' {
  export interface ParsedSshKey {
    readonly type: string
    readonly comment: string | undefined
    isPrivateKey(): boolean
    getPublicSSH(): Buffer
    sign(data: Buffer, hash?: string): Buffer | Error
  }
  const module: {
    parseKey(data: string | Buffer, passphrase?: string): ParsedSshKey | ParsedSshKey[] | Error
  }
  export default module
}

declare module 'ssh2/lib/agent.js' {
  import type { ParsedSshKey } from 'ssh2/lib/protocol/keyParser.js'
  export interface OpenSSHAgent {
    getIdentities(done: (error: Error | null, keys?: readonly ParsedSshKey[]) => void): void
    sign(
      key: ParsedSshKey,
      data: Buffer,
      options: { readonly hash?: string },
      done: (error: Error | null, signature?: Buffer) => void,
    ): void
  }
  const module: { readonly OpenSSHAgent: new (path: string) => OpenSSHAgent }
  export default module
}

declare module 'ssh2/lib/protocol/constants.js' {
  const module: {
    readonly SUPPORTED_KEX: readonly string[]
    readonly SUPPORTED_SERVER_HOST_KEY: readonly string[]
    readonly SUPPORTED_CIPHER: readonly string[]
    readonly SUPPORTED_MAC: readonly string[]
  }
  export default module
}

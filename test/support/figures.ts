/** Figures of an environment's process as it might tell them. */
import { type EnvironmentFigures, OutcomeCounts } from '../../src/core/figures.js'

export function environmentFigures(): EnvironmentFigures {
  const { counts } = new OutcomeCounts()
  return {
    process: { startedAt: 1_767_225_600, memory: 5, cpu: 1.5, loopActive: 2.5, loopLag: 0.001 },
    connections: { ...counts, ok: 12, ERR_REFUSED: 3 },
    fromPrograms: 100,
    toPrograms: 2000,
    packets: { in: 3, out: 4, tunnelDrops: { replay: 2 }, stackDrops: { 'tcp-checksum': 1 } },
    handshakes: { completed: 8, failed: 9 },
    tcp: {
      open: 2,
      retransmits: 13,
      timeouts: 1,
      cookies: { sent: 9, received: 2, failed: 3 },
      roundTrips: { bounds: [1, 2.5, 1000], counts: [1, 0, 4, 2], sum: 5500 },
    },
    dns: {
      queries: { answer: 20, silent: 1 },
      latency: { bounds: [5, 10], counts: [18, 2, 0], sum: 70 },
      cacheHits: 6,
      cacheMisses: 20,
      cacheEntries: 5,
      refused: 0,
      drops: { late: 1 },
      servers: 2,
      serversDead: 1,
    },
  }
}

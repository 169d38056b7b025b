/** Loss: retransmission time-outs, fast retransmit with and without SACK, RACK, tail probes, false alarms. */
import { open, scripts } from './scripts.js'

const TEN = Array.from(
  { length: 10 },
  (_, i) => `> ${i === 9 ? 'P' : ''}A ${1 + 1000 * i}:1000 ack 1`,
).join('\n')

const THREE = `> A 1:1000 ack 1
    > A 1001:1000 ack 1
    > PA 2001:1000 ack 1`

/** Full segments from `first` on, none of them the last. */
const segments = (first: number, count: number) =>
  Array.from({ length: count }, (_, i) => `> A ${first + 1000 * i}:1000 ack 1`).join('\n')

scripts({
  'the time-out doubles, and ERR_TIMEOUT comes when nothing got through for two minutes': `${open()}
    ! write 10
    > PA 1:10 ack 1
    + 201
    > PA 1:10 ack 1
    + 401
    > PA 1:10 ack 1
    + 801
    > PA 1:10 ack 1
    + 1601
    > PA 1:10 ack 1
    + 3201
    > PA 1:10 ack 1
    + 6401
    > PA 1:10 ack 1
    + 12801
    > PA 1:10 ack 1
    + 25601
    > PA 1:10 ack 1
    + 51201
    > PA 1:10 ack 1
    + 17799
    * ERR_TIMEOUT
  `,
  'after a time-out one segment goes, then the window grows from there': `${open()}
    ! write 5000
    > A 1:1000 ack 1
    > A 1001:1000 ack 1
    > A 2001:1000 ack 1
    > A 3001:1000 ack 1
    > PA 4001:1000 ack 1
    + 201
    > A 1:1000 ack 1
    + 10
    < A 1 ack 1001
    > A 1001:1000 ack 1
    > A 2001:1000 ack 1
    < A 1 ack 3001
    > A 3001:1000 ack 1
    > PA 4001:1000 ack 1
    < A 1 ack 5001
  `,
  'without SACK three duplicate ACKs resend the first segment (RFC 6582)': `${open()}
    ! write 10000
    ${TEN}
    + 10
    < A 1 ack 1001
    < A 1 ack 1001
    < A 1 ack 1001
    < A 1 ack 1001
    > A 1001:1000 ack 1
    < A 1 ack 3001
    > A 3001:1000 ack 1
    < A 1 ack 10001
  `,
  'RACK: a segment sent well before one that arrived is lost after a quarter round trip': `${open('mss 1000,sackok', 60000, 100)}
    ! write 3000
    > A 1:1000 ack 1
    > A 1001:1000 ack 1
    > PA 2001:1000 ack 1
    + 100
    < A 1 ack 1 <sack 1001-2001>
    + 24
    + 1
    > A 1:1000 ack 1
    + 100
    < A 1 ack 3001
  `,
  'three segments SACKed above: lost at once': `${open('mss 1000,sackok', 60000, 100)}
    ! write 10000
    ${TEN}
    + 100
    < A 1 ack 1 <sack 1001-3001>
    < A 1 ack 1 <sack 1001-4001>
    > A 1:1000 ack 1
    < A 1 ack 4001
    < A 1 ack 10001
  `,
  'a retransmission that is lost too is found by RACK, not by the time-out': `${open('mss 1000,sackok', 60000, 100)}
    ! write 12000
    ${TEN.replace('PA', 'A')}
    + 100
    < A 1 ack 1 <sack 1001-4001>
    > A 1:1000 ack 1
    < A 1 ack 1 <sack 1001-6001>
    > A 10001:1000 ack 1
    > PA 11001:1000 ack 1
    < A 1 ack 1 <sack 1001-8001>
    < A 1 ack 1 <sack 1001-10001>
    + 100
    < A 1 ack 1 <sack 1001-12001>
    > A 1:1000 ack 1
    < A 1 ack 12001
  `,
  'the tail of a flight is probed before the time-out (RFC 8985 section 7)': `${open('mss 1000,sackok', 60000, 100)}
    ! write 2000
    > A 1:1000 ack 1
    > PA 1001:1000 ack 1
    + 201
    + 1
    > PA 1001:1000 ack 1
    + 100
    < A 1 ack 1 <sack 1001-2001>
    > A 1:1000 ack 1
    + 100
    < A 1 ack 2001
  `,
  'new data serves as tail probe when the window has room': `${open('mss 1000,sackok')}
    ! write 11000
    ${TEN.replace('PA', 'A')}
    + 202
    > PA 10001:1000 ack 1
    < A 1 ack 11001
  `,
  'a time-out that was false is taken back by timestamps (Eifel)': `${open('mss 1012,sackok,ts 100 0')}
    ! write 3000
    > A 1:1000 ack 1
    > A 1001:1000 ack 1
    > PA 2001:1000 ack 1
    + 202
    > PA 2001:1000 ack 1
    + 202
    > A 1:1000 ack 1
    < A 1 ack 1001 <ts 101 0>
    < A 1 ack 3001 <ts 102 0>
    ! write 4000
    > A 3001:1000 ack 1
    > A 4001:1000 ack 1
    > A 5001:1000 ack 1
    > PA 6001:1000 ack 1
  `,
  'a time-out that was false is taken back by what was sent once, without timestamps (F-RTO, RFC 5682)': `${open('mss 1000,sackok', 60000, 100)}
    ! write 3000
    ${THREE}
    + 202
    > PA 2001:1000 ack 1
    + 301
    > A 1:1000 ack 1
    ! write 20000
    < A 1 ack 1001
    > A 3001:1000 ack 1
    > A 4001:1000 ack 1
    < A 1 ack 2001
    ${segments(5001, 7)}
    < A 1 ack 3001
    ${segments(12001, 2)}
  `,
  'F-RTO: a time-out whose flight was lost is none: the new segments are SACKed, the old ones go again': `${open('mss 1000,sackok', 60000, 100)}
    ! write 3000
    ${THREE}
    + 202
    > PA 2001:1000 ack 1
    + 301
    > A 1:1000 ack 1
    ! write 4000
    < A 1 ack 1001
    > A 3001:1000 ack 1
    > A 4001:1000 ack 1
    + 100
    < A 1 ack 1001 <sack 3001-4001>
    > A 1001:1000 ack 1
    < A 1 ack 1001 <sack 3001-5001>
    > A 2001:1000 ack 1
    < A 1 ack 5001
    > A 5001:1000 ack 1
    > PA 6001:1000 ack 1
  `,
  'F-RTO: with nothing new to send the old segments go again': `${open('mss 1000,sackok', 60000, 100)}
    ! write 3000
    ${THREE}
    + 202
    > PA 2001:1000 ack 1
    + 301
    > A 1:1000 ack 1
    < A 1 ack 1001
    > A 1001:1000 ack 1
    > PA 2001:1000 ack 1
    < A 1 ack 3001
  `,
  'F-RTO without SACK: a second ACK that advances says that the time-out was false': `${open('mss 1000', 60000, 100)}
    ! write 3000
    ${THREE}
    + 301
    > A 1:1000 ack 1
    ! write 3000
    < A 1 ack 1001
    > A 3001:1000 ack 1
    > A 4001:1000 ack 1
    < A 1 ack 2001
    > PA 5001:1000 ack 1
    < A 1 ack 6001
  `,
  'DSACKs that name all that was sent again take a time-out back, though nothing is in flight (RFC 3708)': `${open('mss 1000,sackok', 60000, 100)}
    ! write 3000
    ${THREE}
    + 202
    > PA 2001:1000 ack 1
    + 301
    > A 1:1000 ack 1
    < A 1 ack 1001
    > A 1001:1000 ack 1
    > PA 2001:1000 ack 1
    < A 1 ack 3001 <sack 2001-3001>
    < A 1 ack 3001 <sack 1-1001>
    < A 1 ack 3001 <sack 1001-2001>
    < A 1 ack 3001 <sack 2001-3001>
    ! write 12000
    ${segments(3001, 10)}
  `,
  'without them the window stays small': `${open('mss 1000,sackok', 60000, 100)}
    ! write 3000
    ${THREE}
    + 202
    > PA 2001:1000 ack 1
    + 301
    > A 1:1000 ack 1
    < A 1 ack 1001
    > A 1001:1000 ack 1
    > PA 2001:1000 ack 1
    < A 1 ack 3001 <sack 2001-3001>
    < A 1 ack 3001 <sack 1-1001>
    ! write 12000
    ${segments(3001, 2)}
  `,
  'a DSACK takes a fast recovery back that was reordering': `${open('mss 1000,sackok', 60000, 100)}
    ! write 10000
    ${TEN}
    + 100
    < A 1 ack 1 <sack 1001-3001>
    < A 1 ack 1 <sack 1001-4001>
    > A 1:1000 ack 1
    < A 1 ack 4001
    < A 1 ack 10001
    < A 1 ack 10001 <sack 1-1001>
    ! write 20000
    ${segments(10001, 10)}
  `,
  'blocks beyond what was sent, empty or backwards are ignored': `${open('mss 1000,sackok')}
    ! write 3000
    > A 1:1000 ack 1
    > A 1001:1000 ack 1
    > PA 2001:1000 ack 1
    < A 1 ack 1 <sack 1001-9001>
    < A 1 ack 1 <sack 2001-1001>
    < A 1 ack 1 <sack 2001-2001,sack 3001-4001>
    < A 1 ack 3001
  `,
})

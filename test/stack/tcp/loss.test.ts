/** Loss: retransmission time-outs, fast retransmit with and without SACK, RACK, tail probes, false alarms. */
import { open, scripts } from './scripts.js'

const TEN = Array.from(
  { length: 10 },
  (_, i) => `> ${i === 9 ? 'P' : ''}A ${1 + 1000 * i}:1000 ack 1`,
).join('\n')

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

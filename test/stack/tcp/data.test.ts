/** Data in both directions without loss: ACK rules, windows, silly windows, probes, keep-alive. */
import { accept, open, scripts } from './scripts.js'

scripts({
  'every write of one turn goes out at once, small ones too': `${open()}
    ! write 3
    > PA 1:3 ack 1
    ! write 4
    > PA 4:4 ack 1
  `,
  'PSH marks the end of what was written': `${open()}
    ! write 2500
    > A 1:1000 ack 1
    > A 1001:1000 ack 1
    > PA 2001:500 ack 1
  `,
  'the initial window is ten segments (RFC 6928)': `${open()}
    ! write 11000
    > A 1:1000 ack 1
    > A 1001:1000 ack 1
    > A 2001:1000 ack 1
    > A 3001:1000 ack 1
    > A 4001:1000 ack 1
    > A 5001:1000 ack 1
    > A 6001:1000 ack 1
    > A 7001:1000 ack 1
    > A 8001:1000 ack 1
    > A 9001:1000 ack 1
    < A 1 ack 10001
    > PA 10001:1000 ack 1
  `,
  'FIN goes with the last data': `${open()}
    ! write 0
    ! write 1500
    > A 1:1000 ack 1
    > PA 1001:500 ack 1
    ! end
    > FA 1501 ack 1
  `,
  'the first segments are acknowledged at once, later ones every second or after 40 ms': `${accept()}
    ${Array.from({ length: 16 }, (_, i) => `< PA ${1 + 1000 * i}:1000 ack 1\n> A 1 ack ${1001 + 1000 * i}\n! read`).join('\n')}
    * readable readable readable readable readable readable readable readable readable readable readable readable readable readable readable readable
    < PA 16001:1000 ack 1
    ! read
    + 39
    + 1
    > A 1 ack 17001
    < PA 17001:1000 ack 1
    < PA 18001:1000 ack 1
    > A 1 ack 19001
  `,
  'an answer carries the ACK': `${accept()}
    ${Array.from({ length: 16 }, (_, i) => `< PA ${1 + i}:1 ack 1\n> A 1 ack ${2 + i}`).join('\n')}
    < PA 17:1 ack 1
    ! write 5
    > PA 1:5 ack 18
    + 100
  `,
  'a retransmission that acknowledges more brings the window, though its sequence number is older': `${open('mss 1000', 10_000)}
    ! write 3000
    > A 1:1000 ack 1
    > A 1001:1000 ack 1
    > PA 2001:1000 ack 1
    < PA 1001:1000 ack 1 win 9000
    > A 3001 ack 1
    < PA 1:1000 ack 3001 win 1000
    > A 3001 ack 2001
    ! read
    * readable
    ! write 2000
    > A 3001:1000 ack 2001
  `,
  'data out of order is kept and acknowledged when the gap closes': `${accept()}
    < PA 1001:1000 ack 1
    > A 1 ack 1
    < PA 3001:1000 ack 1
    > A 1 ack 1
    < PA 1:1000 ack 1
    > A 1 ack 2001
    < PA 2001:1000 ack 1
    > A 1 ack 4001
    ! read
    * readable readable
  `,
  'SACK blocks: the latest first, merged when they touch': `${accept('mss 1000,sackok')}
    < PA 1001:1000 ack 1
    > A 1 ack 1 <sack 1001-2001>
    < PA 3001:1000 ack 1
    > A 1 ack 1 <sack 3001-4001,sack 1001-2001>
    < PA 5001:1000 ack 1
    > A 1 ack 1 <sack 5001-6001,sack 3001-4001,sack 1001-2001>
    < PA 2001:1000 ack 1
    > A 1 ack 1 <sack 1001-4001,sack 5001-6001>
    < PA 1:1000 ack 1
    > A 1 ack 4001 <sack 5001-6001>
    < PA 4001:1000 ack 1
    > A 1 ack 6001 <>
  `,
  'DSACK: a duplicate is reported once (RFC 2883)': `${accept('mss 1000,sackok')}
    < PA 1:1000 ack 1
    > A 1 ack 1001
    < PA 1:1000 ack 1
    > A 1 ack 1001 <sack 1-1001>
    < PA 2001:1000 ack 1
    > A 1 ack 1001 <sack 2001-3001>
    < PA 2001:1000 ack 1
    > A 1 ack 1001 <sack 2001-3001,sack 2001-3001>
    < PA 501:1000 ack 1
    > A 1 ack 1501 <sack 501-1001,sack 2001-3001>
  `,
  'overlapping segments: what came first stays': `${accept()}
    < PA 11:10 ack 1
    > A 1 ack 1
    < PA 6:30 ack 1
    > A 1 ack 1
    < PA 1:8 ack 1
    > A 1 ack 36
    ! read
  `,
  'an unread stream shuts the window, reading opens it': `${accept()}
    ${Array.from({ length: 65 }, (_, i) => `< PA ${1 + 1000 * i}:1000 ack 1\n${i < 16 || i % 2 === 1 ? `> A 1 ack ${1001 + 1000 * i}` : ''}`).join('\n')}
    < PA 65001:1000 ack 1
    + 40
    > A 1 ack 65536 win 0
    < PA 65536:1000 ack 1
    > A 1 ack 65536 win 0
    ! read
    > A 1 ack 65536 win 65535
  `,
  'a shut window of theirs is probed, ever more seldom, and never given up while they answer': `${open('mss 1000', 1000)}
    ! write 3000
    > A 1:1000 ack 1
    < A 1 ack 1001 win 0
    + 201
    > A 1000 ack 1
    < A 1 ack 1001 win 0
    + 401
    > A 1000 ack 1
    < A 1 ack 1001 win 0
    + 801
    > A 1000 ack 1
    < A 1 ack 1001 win 2000
    > A 1001:1000 ack 1
    > PA 2001:1000 ack 1
  `,
  'a FIN waits for the window too': `${open('mss 1000', 1000)}
    ! write 1000
    > PA 1:1000 ack 1
    ! end
    < A 1 ack 1001 win 0
    + 201
    > A 1000 ack 1
    < A 1 ack 1001 win 1
    > FA 1001 ack 1
  `,
  'a sliver of a window is not used (sender’s silly-window avoidance) until the timer says so': `${open('mss 1000', 2000)}
    ! write 3000
    > A 1:1000 ack 1
    > A 1001:1000 ack 1
    < A 1 ack 2001 win 500
    + 201
    > A 2001:500 ack 1
    < A 1 ack 2501 win 2000
    > PA 2501:500 ack 1
  `,
  'keep-alive after two hours; nine without an answer end the connection': `${open()}
    + 7199999
    + 1
    > A 0 ack 1
    < A 1 ack 1
    + 7200000
    > A 0 ack 1
    + 75000
    > A 0 ack 1
    + 75000
    > A 0 ack 1
    + 75000
    > A 0 ack 1
    + 75000
    > A 0 ack 1
    + 75000
    > A 0 ack 1
    + 75000
    > A 0 ack 1
    + 75000
    > A 0 ack 1
    + 75000
    > A 0 ack 1
    + 75000
    * ERR_TIMEOUT
  `,
  'their keep-alive is answered': `${accept()}
    < A 0 ack 1
    > A 1 ack 1
    + 1000
    < PA 0:1 ack 1
    > A 1 ack 1
  `,
  'a full send buffer takes less and says when there is room': `${open()}
    ! write 300000
    > A 1:1000 ack 1
    > A 1001:1000 ack 1
    > A 2001:1000 ack 1
    > A 3001:1000 ack 1
    > A 4001:1000 ack 1
    > A 5001:1000 ack 1
    > A 6001:1000 ack 1
    > A 7001:1000 ack 1
    > A 8001:1000 ack 1
    > A 9001:1000 ack 1
    ! write 10
    *
  `,
})
